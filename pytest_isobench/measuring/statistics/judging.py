"""From intervals to verdicts: the gate on the task, the patch against the human, the patch against the baseline.

Every verdict follows from the interval that is printed beside it. The margin is relative (0.05 for 5 %) and symmetric in logs. None means
undecided: go on measuring. `final` says that no more rounds will come, and then there is always a verdict.
"""

from __future__ import annotations

import math

from pytest_isobench.measuring.statistics.intervals import Interval
from pytest_isobench.models.result import Gain, Outcome, TaskState


def judge_task(human_vs_baseline: Interval, margin: float, final: bool) -> TaskState | None:
    """Tell whether the human's gain is large enough for the task to tell good patches from none.

    It must be wholly above the margin: else the untouched baseline would itself be "within the margin of the human".
    """
    if human_vs_baseline.limits is None:
        return TaskState.UNDERPOWERED if final else None
    low, high = human_vs_baseline.limits
    log_margin = _log(margin)
    if low > log_margin:
        return TaskState.EVALUABLE
    if high < 0:
        return TaskState.HUMAN_REGRESSION
    if not final and high >= log_margin:
        return None
    return TaskState.WEAK if low > 0 else TaskState.NOT_EVALUABLE


def judge_agent(agent_vs_human: Interval, margin: float, final: bool) -> Outcome | None:
    """Judge a patch against the human's; `non_inferior` is given only at the end, as more rounds may make it more."""
    if agent_vs_human.limits is None:
        return Outcome.INCONCLUSIVE if final else None
    low, high = agent_vs_human.limits
    log_margin = _log(margin)
    if low > log_margin:
        return Outcome.BEATS
    if high < -log_margin:
        return Outcome.SLOWER
    if low > -log_margin and high < log_margin:
        return Outcome.MATCHES
    if not final:
        return None
    return Outcome.NON_INFERIOR if low > -log_margin else Outcome.INCONCLUSIVE


def judge_gain(agent_vs_baseline: Interval, margin: float, final: bool) -> Gain | None:
    """Judge a patch against the baseline; `no_change` means shown to be within the margin, not merely unproven."""
    if agent_vs_baseline.limits is None:
        return Gain.INCONCLUSIVE if final else None
    low, high = agent_vs_baseline.limits
    log_margin = _log(margin)
    if low > 0:
        return Gain.FASTER
    if high < 0:
        return Gain.REGRESSES
    if low > -log_margin and high < log_margin:
        return Gain.NO_CHANGE
    return Gain.INCONCLUSIVE if final else None


def hard_success(state: TaskState | None, agent_vs_human: Interval, agent_vs_baseline: Interval, margin: float, correct: bool) -> bool:
    """Tell whether a correct patch on an evaluable task is no slower than the human's by the margin, and faster than the baseline."""
    if agent_vs_human.limits is None or agent_vs_baseline.limits is None:
        return False
    kept_up = agent_vs_human.limits[0] > -_log(margin)
    return state is TaskState.EVALUABLE and kept_up and agent_vs_baseline.limits[0] > 0 and correct


def settled(state: TaskState | None, outcome: Outcome | None, gain: Gain | None) -> bool:
    """Tell whether further rounds can tell nothing more about one patch, so that its arm may be dropped.

    On a task that is not evaluable no patch is judged, so nothing more is to be learnt. When every arm is settled, the campaign
    ends. Verdicts from narrowed intervals never become unsettled; a settled one can only get sharper (`no_change` to `faster`).
    """
    if state is None:
        return False
    return state is not TaskState.EVALUABLE or (outcome is not None and gain is not None)


def _log(margin: float) -> float:
    if not 0 < margin < 1:
        raise ValueError(f"the margin is {margin!r}; it must lie between 0 and 1, such as 0.05 for 5 %")
    return math.log1p(margin)
