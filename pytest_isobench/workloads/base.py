"""The contract of a workload: how one round of a campaign is played in a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pytest_isobench.models.task import Metric, Task
from pytest_isobench.models.trial import Trial
from pytest_isobench.sandboxes.base import Sandbox

Schedule = Literal["pingpong", "rounds"]
Statistic = Literal["min", "median"]

BASELINE, HUMAN, CONTROL, ORACLE = "baseline", "human", "control", "oracle"
TRUSTED = frozenset({BASELINE, HUMAN, CONTROL})
"""Arms that hold no patch of an agent."""

WALL, REPORTED = "wall", "reported"
"""Metrics of runs that time themselves: seconds on the supervisor's clock, and those that they claim to have measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where a workload is run."""

    sandbox: Sandbox
    campaign: str
    cores: tuple[int, ...]
    timeout: float
    """Seconds that one request or run may take."""
    logs: Path | None = None
    """Folder for the logs of servers."""

    def companion(self, arm: str) -> str:
        """Return the arm with the baseline's code whose joint processes reach those of another arm."""
        return companion(arm) if self.sandbox.apart else ORACLE


def companion(arm: str) -> str:
    """Return the name of the baseline's copy beside an arm, where sandboxes keep arms apart."""
    return f"{ORACLE}@{arm}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """One round as the campaign has drawn it."""

    index: int
    seed: str
    """Unknown to every candidate: the inputs come from it."""
    arms: tuple[str, ...]
    """In the order in which they are started; the orders of the turns come from the seed."""


class Workload(Protocol):
    """Plays rounds. One object serves one campaign."""

    schedule: Schedule
    statistic: Statistic
    """What stands for a trial of several samples: `min` for programs that do the same work every time, `median` for servers."""
    command: str
    """What is run, resolved; the same for every arm."""
    digest: str
    """Content of everything that the workload consists of beyond the task's record."""
    sizing: int
    """Calls or runs that make one sample or trial; 0 before `open` has found it."""
    overhead: float | None
    """Seconds of a request and its answer with nothing to do; None when there are no requests."""

    metrics: tuple[Metric, ...]
    """All that is measured, when it is more than the task's own metric."""

    asks: bool
    """Whether trusted programs ask the arms over a network: they need the baseline's code beside every arm."""

    def open(self, bench: Bench, arms: Sequence[str], seed: str, sizing: int = 0) -> None:
        """Get ready: start the oracle and size the samples on the trusted arms, unless an earlier run has found the sizing.

        Raises `NotEvaluableError` when the trusted arms cannot run the workload, or disagree.
        """

    def play(self, bench: Bench, plan: RoundPlan) -> Mapping[str, Trial]:
        """Play one round: a trial for every arm.

        Raises `NotEvaluableError` when a trusted arm fails, and `SandboxError` when the machine does.
        """


WorkloadFactory = Callable[[Task, Path], Workload]
"""Makes the workload of a task; the folder is where the task's relative paths start."""
