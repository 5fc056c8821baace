import math
from itertools import product

import pytest

from pytest_isobench.measuring.statistics import Interval, hard_success, judge_agent, judge_gain, judge_task, settled
from pytest_isobench.models.result import MEASURED, Gain, Outcome, TaskState

M = math.log1p(0.05)
# Ends on every side of, and exactly on, the borders -m, 0 and m.
ENDS = (-0.2, -M, -0.02, 0.0, 0.02, M, 0.2)
SPANS = [(low, high) for low, high in product(ENDS, ENDS) if low <= high]
FINAL = pytest.mark.parametrize("final", [False, True])
SPAN = pytest.mark.parametrize(("low", "high"), SPANS)


def span(low, high):
    return Interval((low + high) / 2, low, high, 12, 0.02, "signed_rank")


NONE = Interval(0.1, None, None, 4, 0.02, "none")


@SPAN
@FINAL
def test_exactly_one_state_of_the_task_applies(low, high, final):
    allowed = {
        TaskState.EVALUABLE: low > M,
        TaskState.HUMAN_REGRESSION: high < 0,
        TaskState.WEAK: 0 < low <= M and (high < M or final),
        TaskState.NOT_EVALUABLE: low <= 0 <= high and (high < M or final),
        None: not final and high >= 0 and high >= M and low <= M,
    }
    assert [state for state, applies in allowed.items() if applies] == [judge_task(span(low, high), 0.05, final)]


@SPAN
@FINAL
def test_exactly_one_outcome_applies(low, high, final):
    allowed = {
        Outcome.BEATS: low > M,
        Outcome.SLOWER: high < -M,
        Outcome.MATCHES: low > -M and high < M,
        Outcome.NON_INFERIOR: final and -M < low <= M <= high,
        Outcome.INCONCLUSIVE: final and low <= -M <= high,
        None: not final and ((-M < low <= M <= high) or low <= -M <= high),
    }
    assert [outcome for outcome, applies in allowed.items() if applies] == [judge_agent(span(low, high), 0.05, final)]
    assert judge_agent(span(low, high), 0.05, final) in MEASURED | {None}


@SPAN
@FINAL
def test_exactly_one_gain_applies(low, high, final):
    inside = -M < low <= 0 <= high < M
    allowed = {
        Gain.FASTER: low > 0,
        Gain.REGRESSES: high < 0,
        Gain.NO_CHANGE: inside,
        Gain.INCONCLUSIVE: final and low <= 0 <= high and not inside,
        None: not final and low <= 0 <= high and not inside,
    }
    assert [gain for gain, applies in allowed.items() if applies] == [judge_gain(span(low, high), 0.05, final)]


@SPAN
def test_an_agent_is_judged_alike_from_both_sides(low, high):
    mirror = {Outcome.BEATS: Outcome.SLOWER, Outcome.SLOWER: Outcome.BEATS, Outcome.MATCHES: Outcome.MATCHES, None: None}
    assert judge_agent(span(-high, -low), 0.05, False) is mirror[judge_agent(span(low, high), 0.05, False)]


@pytest.mark.parametrize("judge", [judge_task, judge_agent, judge_gain])
def test_a_verdict_never_becomes_undecided_as_the_interval_shrinks(judge):
    for (low, high), (inner_low, inner_high) in product(SPANS, SPANS):
        if low <= inner_low and inner_high <= high and judge(span(low, high), 0.05, False) is not None:
            assert judge(span(inner_low, inner_high), 0.05, False) is not None


@pytest.mark.parametrize(
    ("judge", "end"), [(judge_task, TaskState.UNDERPOWERED), (judge_agent, Outcome.INCONCLUSIVE), (judge_gain, Gain.INCONCLUSIVE)]
)
def test_too_few_rounds_give_no_verdict(judge, end):
    assert judge(NONE, 0.05, False) is None
    assert judge(NONE, 0.05, True) is end


@pytest.mark.parametrize("judge", [judge_task, judge_agent, judge_gain])
@pytest.mark.parametrize("margin", [0.0, -0.05, 1.0, 5, math.nan])
def test_a_margin_that_is_no_share_is_refused(judge, margin):
    with pytest.raises(ValueError, match="the margin is"):
        judge(span(0.0, 0.1), margin, False)


def test_the_margin_is_relative():
    just_over, just_under = math.log(1.2001), math.log(1.1999)
    assert judge_task(span(just_over, 1.0), 0.2, True) is TaskState.EVALUABLE
    assert judge_task(span(just_under, 1.0), 0.2, True) is TaskState.WEAK


EVALUABLE = TaskState.EVALUABLE


@pytest.mark.parametrize(
    ("state", "versus_human", "versus_baseline", "correct", "expected"),
    [
        (EVALUABLE, span(-0.02, 0.02), span(0.1, 0.2), True, True),
        (EVALUABLE, span(-0.02, 0.3), span(0.1, 0.2), True, True),
        (EVALUABLE, span(-0.02, 0.02), span(0.1, 0.2), False, False),
        (EVALUABLE, span(-M, 0.02), span(0.1, 0.2), True, False),
        (EVALUABLE, span(-0.02, 0.02), span(0.0, 0.2), True, False),
        (EVALUABLE, NONE, span(0.1, 0.2), True, False),
        (EVALUABLE, span(-0.02, 0.02), NONE, True, False),
        *((state, span(-0.02, 0.02), span(0.1, 0.2), True, False) for state in (*TaskState, None) if state is not EVALUABLE),
    ],
)
def test_hard_success(state, versus_human, versus_baseline, correct, expected):
    assert hard_success(state, versus_human, versus_baseline, 0.05, correct) is expected


@pytest.mark.parametrize(
    ("state", "outcome", "gain", "expected"),
    [
        (None, Outcome.BEATS, Gain.FASTER, False),
        (EVALUABLE, None, Gain.FASTER, False),
        (EVALUABLE, Outcome.BEATS, None, False),
        (EVALUABLE, Outcome.BEATS, Gain.FASTER, True),
        (TaskState.NOT_EVALUABLE, None, None, True),
        (TaskState.UNDERPOWERED, None, Gain.FASTER, True),
    ],
)
def test_settled(state, outcome, gain, expected):
    assert settled(state, outcome, gain) is expected
