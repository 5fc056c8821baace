"""Agents whose patches lie in files: one file for every task, or a folder of recorded attempts."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pytest_isobench.agents.base import AgentContext, Assignment, Submission, readable
from pytest_isobench.agents.known import demand_argument
from pytest_isobench.agents.store import AttemptStore
from pytest_isobench.dataset.patches import read_patch
from pytest_isobench.errors import AgentError, DoesNotApplyError, NoPatchError, UsageError, nearest
from pytest_isobench.models.agent import AttemptRecord


class PatchAgent:
    """`patch:FILE`: one diff, for whichever tasks are selected."""

    def __init__(self, argument: str, context: AgentContext) -> None:
        self.file = context.directory / demand_argument("patch", argument, "patch:my.diff")
        self.name = readable("patch", self.file.stem)
        if not self.file.is_file():
            raise UsageError(f"agent patch:{argument}: there is no file {self.file}")

    def attempts(self, task_id: str) -> int | None:  # noqa: ARG002 - the same for every task
        return None

    def submit(self, assignment: Assignment) -> Submission:  # noqa: ARG002
        return Submission(patch=read(self.file))


class RecordedAgent:
    """Attempts that were recorded as `TASK.ATTEMPT.diff` in one folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.store = AttemptStore(folder)

    def attempts(self, task_id: str) -> int | None:
        """Return one more than the highest recorded attempt; a gap below it is an attempt without a patch."""
        return self._counts.get(task_id, 0)

    def submit(self, assignment: Assignment) -> Submission:
        task, attempt = assignment.task.id, assignment.attempt
        file, record = self.store.diff(task, attempt), self.store.record(task, attempt)
        if record is not None and not record.final:
            raise AgentError(f"{self.name} has no patch yet: {_ending(record)}; make it again: isobench prepare")
        if not file.is_file():
            reason = _ending(record) if record else f"there is no {file}"
            raise NoPatchError(f"{self.name} has no patch: {reason}")
        return Submission(patch=read(file), record=record)

    @cached_property
    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for task, attempt in self.store.attempts():
            counts[task] = max(counts.get(task, 0), attempt + 1)
        return counts


def _ending(record: AttemptRecord) -> str:
    """Say how an attempt ended."""
    said = record.status.value.replace("_", " ")
    return f"{said} ({record.reasons[0]})" if record.reasons else said


def replay(argument: str, context: AgentContext) -> RecordedAgent:
    """`replay:DIR`: the attempts recorded in a folder."""
    folder = context.directory / demand_argument("replay", argument, "replay:runs/patches")
    if not folder.is_dir():
        raise UsageError(f"agent replay:{argument}: there is no folder {folder}")
    return RecordedAgent(readable("replay", folder.resolve().name), folder)


def recorded(name: str, context: AgentContext, others: tuple[str, ...]) -> RecordedAgent:
    """Any other name: a folder in the folder of recorded patches."""
    names = recorded_names(context.patches)
    if name in names:
        return RecordedAgent(name, context.patches / name)
    known = (*others, *names)
    missing = f"there is no such agent, and no folder {context.patches / name}"
    raise UsageError(f"--isobench-agent={name}: {missing}{nearest(name, known)}; there are {', '.join(known)}")


def recorded_names(patches: Path) -> tuple[str, ...]:
    """Return the agents that have a folder of recorded patches."""
    folders = patches.iterdir() if patches.is_dir() else ()
    return tuple(sorted(folder.name for folder in folders if folder.is_dir() and folder.name == readable(folder.name)))


def read(file: Path) -> str:
    """Return a diff's text.

    Raises:
        NoPatchError: the file cannot be read.
        DoesNotApplyError: it holds something that is no diff, or must not be in one; names the file.
    """
    try:
        patch = read_patch(file)
    except OSError as error:
        raise NoPatchError(f"{file}: cannot be read: {error.strerror or error}") from error
    if patch.objections:
        raise DoesNotApplyError(f"{file}: {patch.objections}")
    return patch.text
