"""The contract of an agent: something that has, or makes, a patch for a task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_isobench.dataset.versions import Version, VersionSource
from pytest_isobench.models.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What an agent hands in: a diff against the base tree, or a whole version."""

    patch: str | None = None
    """A unified diff that applies to the base version's tree; empty for 'no change'."""
    version: Version | None = None
    """A version that stands in the agent's place (`human`, `ref`, `release`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What an agent is asked: one attempt at one task."""

    task: Task
    attempt: int
    source: VersionSource
    folder: Path
    """Folder of the task file, where its relative paths start."""


class Agent(Protocol):
    """One agent as `--isobench-agent` names it, argument included (`patch:my.diff`)."""

    name: str
    """Readable in a test id: no colon, slash or blank."""

    def attempts(self, task_id: str) -> int | None:
        """How many attempts are recorded for the task; None when the agent makes patches without a record."""

    def submit(self, assignment: Assignment) -> Submission:
        """Return the patch. Raises `NoPatchError` when there is none, `NotEvaluableError` when the agent does not fit the task."""
