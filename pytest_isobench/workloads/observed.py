"""What was seen of one arm in one round, and what that says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.models.result import Finding, Outcome
from pytest_isobench.models.trial import ArmFailure, Trial
from pytest_isobench.sandboxes.base import Remains, Reply
from pytest_isobench.workloads.base import TRUSTED

STOLEN_SHARE, STOLEN_FLOOR = 0.01, 0.002
"""CPU time used while frozen, as a share of the round's and in seconds, above which an arm disturbs the others."""
SHOWN = 2000
"""Characters of a log or a traceback that a message shows, from its end."""
OUTCOMES = {"exception": Outcome.CRASHED, "exited": Outcome.CRASHED, "timed_out": Outcome.TIMED_OUT, "oversized": Outcome.INCORRECT}


@dataclass(slots=True, kw_only=True)
class ObservedArm:
    """Everything that one round showed of one arm; filled in as the round goes on."""

    arm: str
    position: int
    loaded: Reply | None = None
    replies: list[Reply] = field(default_factory=list)
    """One per turn, the warm-up's first; the last one may be a failure."""
    fault: str | None = None
    """What is wrong with its answers."""
    remains: Remains | None = None

    def answered(self, turn: int) -> bool:
        return turn < len(self.replies) and self.replies[turn].status == "ok"

    def failure(self) -> ArmFailure | None:
        """Why the arm has no times, if so."""
        for reply in (self.loaded, *self.replies):
            if reply is not None and reply.status != "ok":
                return self._failed(reply)
        return ArmFailure(outcome=Outcome.INCORRECT, message=self.fault) if self.fault else None

    def _failed(self, reply: Reply) -> ArmFailure:
        outcome = OUTCOMES.get(reply.status, Outcome.CHEATED)
        said = reply.payload.decode(errors="replace") if reply.status == "exception" else reply.detail
        log = self.remains.log.strip() if self.remains and outcome is Outcome.CRASHED and reply.status != "exception" else ""
        return ArmFailure(outcome=outcome, message=f"{said.strip()}\n{log}".strip()[-SHOWN:])

    def findings(self) -> tuple[Finding, ...]:
        """What the arm did that it must not do."""
        found = [
            Finding(kind="private_pipe", severity="cheat", message=f"used its private pipe unasked: {reply.detail}")
            for reply in (self.loaded, *self.replies)
            if reply is not None and reply.status == "protocol"
        ]
        stolen, spent = sum(reply.stolen for reply in self.replies), sum(reply.seconds for reply in self.replies)
        if stolen > max(STOLEN_FLOOR, STOLEN_SHARE * spent):
            message = f"used {stolen * 1e3:.1f} ms of CPU time while it was not its turn"
            found.append(Finding(kind="ran_out_of_turn", severity="cheat", message=message))
        if self.remains and "left_cores" in self.remains.notes:
            found.append(Finding(kind="left_cores", severity="cheat", message="left the cores that the arms are pinned to"))
        if self.remains and self.remains.processes:
            message = f"left {self.remains.processes} more processes alive than it was started with"
            found.append(Finding(kind="left_processes", severity="alarm", message=message))
        return tuple(found)

    def trial(self, campaign: str, index: int, calls: int) -> Trial:
        """Sum the round up. Times are seconds per call; the first reply is a warm-up."""
        failure, timed = self.failure(), self.replies[1:]
        if failure is not None or not timed:
            failure = failure or ArmFailure(outcome=Outcome.CRASHED, message="gave no answers")
            return Trial(
                campaign=campaign, round=index, arm=self.arm, position=self.position, failure=failure, findings=self.findings()
            )
        return Trial(
            campaign=campaign,
            round=index,
            arm=self.arm,
            position=self.position,
            samples=tuple(reply.seconds / calls for reply in timed),
            setup=self._setup(),
            prepare=median(reply.prepare for reply in timed) / calls,
            busy=busy_ratio(sum(reply.seconds for reply in timed), sum(reply.cpu for reply in timed)),
            findings=self.findings(),
        )

    def _setup(self) -> float | None:
        """Seconds in which it may have made itself ready: the import, the warm-up, and whenever it waited for inputs."""
        if self.loaded is None:
            return None
        warm_up = self.replies[0]
        return self.loaded.seconds + warm_up.prepare + warm_up.seconds + sum(reply.collect for reply in self.replies)


def busy_ratio(wall: float, cpu: float) -> float | None:
    """Wall time over CPU time; None when there was next to none of it."""
    return wall / cpu if cpu > 1e-6 else None


def refuse_untrustworthy(trials: Mapping[str, Trial]) -> None:
    """Raise `NotEvaluableError` when an arm that holds no patch failed: no patch is to blame for that."""
    for arm, trial in trials.items():
        if arm in TRUSTED and trial.failure is not None:
            raise NotEvaluableError(f"the {arm} itself is {trial.failure.outcome}: {trial.failure.message}")
