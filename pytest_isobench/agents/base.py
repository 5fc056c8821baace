"""The contract of an agent: something that has, or makes, a patch for a task."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_isobench.dataset.versions import Version, VersionSource
from pytest_isobench.models.agent import AttemptRecord
from pytest_isobench.models.task import Task
from pytest_isobench.sandboxes.base import SandboxProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What an agent hands in: a diff against the base tree, or a whole version."""

    patch: str | None = None
    """A unified diff that applies to the base version's tree; empty for 'no change'."""
    version: Version | None = None
    """A version that stands in the agent's place (`human`, `ref`, `release`)."""
    record: AttemptRecord | None = None
    """How the patch was made, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What an agent is asked: one attempt at one task."""

    task: Task
    attempt: int
    source: VersionSource
    folder: Path
    """Folder of the task file, where its relative paths start."""
    progress: Callable[[str], None] = lambda _: None
    """Is told what an agent does that takes its time."""
    others: Callable[[], Mapping[str, Iterable[str]]] = dict
    """Tells, by id, what other tasks' prompts say: none of it may be in this one's."""


class Agent(Protocol):
    """One agent as `--isobench-agent` names it, argument included (`patch:my.diff`)."""

    name: str
    """Readable in a test id: no colon, slash or blank."""

    def attempts(self, task_id: str) -> int | None:
        """How many attempts are recorded for the task; None when the agent makes patches without a record."""

    def submit(self, assignment: Assignment) -> Submission:
        """Return the patch. Raises `NoPatchError` when there is none, `NotEvaluableError` when the agent does not fit the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentContext:
    """What an agent may know about the session when it is made."""

    directory: Path
    """Where relative paths of its argument start."""
    patches: Path
    """Folder of recorded patches: `AGENT/TASK.ATTEMPT.diff`."""
    agents: Path = Path("agents")
    """Folder of files that describe agents: `AGENT.yaml`."""
    prompts: Path = Path("fixtures/prompts")
    """Folder of the project's own templates for prompts."""
    provider: Callable[[], SandboxProvider] | None = None
    """Gives the sandboxes in which agents run; None forbids to run any."""


AgentFactory = Callable[[str, AgentContext], Agent]
"""Makes an agent from its argument, the text after the colon. Raises `UsageError` for one that cannot be."""


def readable(*parts: str) -> str:
    """Join parts to a name that may stand in a test id: everything else than letters, digits, dot, dash and underscore becomes `_`."""
    return "-".join(re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("_") for part in parts)
