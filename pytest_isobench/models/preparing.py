"""Preparing patches for many tasks: what is planned, and what became of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_isobench.models.agent import FINAL, AgentStatus, Usage
from pytest_isobench.models.base import Name, Record, Shown

Ceiling = Literal["time", "cost"]
State = Literal["made", "kept", "not_started", "failed"]
"""What became of an item: made now, there already, never begun, or impossible on this machine."""


class PlanItem(Record):
    """One attempt of an agent at a task."""

    id: str = Field(description="TASK@BASE:AGENT:ATTEMPT, the base with 12 characters: names the commit, not a place in a list.")
    task: Name
    agent: Name
    attempt: int = Field(ge=0)
    base: str = Field(description="Commit, version or digest of the folder that the work starts from.")
    human: str = Field("", description="Commit, version, folder or diff that stands for the human's work.")
    file: str = Field(description="Task file; a relative path starts at the project's folder.")
    key: str = Field(description="Digest of task, agent, prompt and base tree.")


class Plan(Record):
    """What is to be made; the same tasks and agents give the same plan, to the byte."""

    version: Literal[1] = 1
    items: tuple[PlanItem, ...] = ()


class Refused(Record):
    """Something that cannot be planned, made or imported."""

    name: Shown
    reason: Shown


class ItemSummary(Record):
    """What became of one item."""

    id: str
    task: Name
    agent: Name
    attempt: int = Field(ge=0)
    state: State
    status: AgentStatus | None = Field(None, description="How the attempt ended; null without a record of it.")
    reason: Shown = ""
    seconds: float = Field(0.0, ge=0, description="Wall-clock time in this run.")
    steps: int | None = Field(None, ge=0)
    usage: Usage = Usage()

    @property
    def final(self) -> bool:
        """Whether the attempt ended by the agent's doing."""
        return self.status in FINAL


class RunSummary(Record):
    """What became of a whole run; lies beside the run's journal as `run_summary.json`."""

    version: Literal[1] = 1
    started: str = Field(description="ISO 8601, UTC.")
    seconds: float = Field(ge=0, description="Wall-clock time of the run.")
    agent_seconds: float = Field(ge=0, description="Wall-clock time of all attempts that were made, added up.")
    states: dict[State, int]
    statuses: dict[AgentStatus, int] = Field(description="How the attempts that were made now ended.")
    usage: Usage = Field(Usage(), description="Of the attempts that were made now, as far as their programs say.")
    unpriced: int = Field(0, ge=0, description="Attempts made now whose programs do not say what they cost.")
    ceilings: tuple[Ceiling, ...] = Field((), description="Ceilings of the run that were reached.")
    interrupted: bool = False
    refused: tuple[Refused, ...] = ()
    items: tuple[ItemSummary, ...] = ()
