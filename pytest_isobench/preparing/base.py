"""What making patches needs: an agent that records its attempts, and an item of a plan together with all that it names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pytest_isobench.agents.base import Assignment
from pytest_isobench.agents.running import Progress
from pytest_isobench.models.agent import AttemptRecord
from pytest_isobench.models.preparing import PlanItem


class Maker(Protocol):
    """An agent that a file describes."""

    @property
    def name(self) -> str: ...

    def key(self, assignment: Assignment) -> str:
        """Return the digest of task, agent, prompt and base tree."""

    def recorded(self, assignment: Assignment) -> AttemptRecord | None:
        """Return what is on disk for the task and attempt."""

    def make(self, assignment: Assignment, *, progress: Callable[[Progress], None], stop: threading.Event) -> AttemptRecord:
        """Run the agent and record what it did; when it is stopped, what was made so far is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Todo:
    """An item of a plan, with what it takes to make it."""

    item: PlanItem
    assignment: Assignment
    maker: Maker
