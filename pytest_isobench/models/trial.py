"""What one arm did in one round: the unit that the journal keeps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_isobench.models.base import Record, Shown
from pytest_isobench.models.result import Finding, Outcome


class ArmFailure(Record):
    """Why an arm has no times: one of the outcomes that are not measured."""

    outcome: Outcome
    message: Shown


class Trial(Record):
    """One arm's part of a round, in fresh processes."""

    campaign: str
    round: int = Field(ge=0)
    arm: str
    position: int = Field(ge=0, description="Place of the arm in the order in which the round's processes were started.")
    samples: tuple[float, ...] = Field((), description="The task's metric for each sample; the warm-up is left out.")
    metrics: dict[str, tuple[float, ...]] = Field({}, description="Every metric for each sample, by name, where there are several.")
    setup: float | None = Field(None, description="Seconds to import, load and warm up; null for commands.")
    prepare: float | None = Field(None, description="Median seconds of untimed preparation per call.")
    busy: float | None = Field(None, description="Wall time over CPU time of all samples; 1 when nothing disturbed a CPU-bound arm.")
    failure: ArmFailure | None = None
    findings: tuple[Finding, ...] = ()
    version: Literal[1] = 1
