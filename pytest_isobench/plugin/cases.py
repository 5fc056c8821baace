"""From tasks and agents to cases, and which of them are kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_isobench.errors import UsageError
from pytest_isobench.plugin.settings import Settings

if TYPE_CHECKING:
    from pytest_isobench.agents.base import Agent
    from pytest_isobench.dataset.commits import CommitList
    from pytest_isobench.dataset.stubs import Stub


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One test item: an attempt of an agent at a task. The task's record is read when it runs, not before."""

    stub: Stub
    agent: str
    """The agent's name in test ids and reports."""
    attempt: int
    maker: Agent = field(repr=False)

    @property
    def id(self) -> str:
        return f"{self.stub.id}:{self.agent}:{self.attempt}"


def cases_of(stubs: Iterable[Stub], agents: Mapping[str, Agent], attempts: int | None) -> Iterator[Case]:
    """Make the cases of some tasks, task by task."""
    for stub in stubs:
        for name, agent in agents.items():
            for attempt in range(attempts or agent.attempts(stub.id) or 1):
                yield Case(stub=stub, agent=name, attempt=attempt, maker=agent)


def param(case: Case, marks: Iterable[pytest.Mark | pytest.MarkDecorator]) -> object:
    """Return the case as a parameter of a test."""
    return pytest.param(case, id=case.id, marks=tuple(marks))


def case_of(item: pytest.Item) -> Case | None:
    """Return the case that a test is parametrised with, if any."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("isobench_case") if callspec else None
    return case if isinstance(case, Case) else None


class Marks:
    """The marks of tasks, registered as they come up, each set of them made once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._known: dict[object, tuple[pytest.MarkDecorator, ...]] = {}
        self._registered: set[str] = set()
        config.addinivalue_line("markers", "repo(name): the project that a task comes from (pytest-isobench)")

    def of(self, stub: Stub) -> tuple[pytest.MarkDecorator, ...]:
        """Return the marks of a task: its language, its repository, `gpu`, and those of its record."""
        key = (stub.language, stub.repo, stub.gpus > 0, stub.marks)
        if key not in self._known:
            self._known[key] = tuple(self._made(stub))
        return self._known[key]

    def _made(self, stub: Stub) -> Iterator[pytest.MarkDecorator]:
        project = stub.repo.rpartition("/")[2]
        names = [stub.language, project, *(["gpu"] if stub.gpus else []), *stub.marks]
        for name in dict.fromkeys(re.sub(r"\W", "_", name) for name in names):
            if name.isidentifier() and not name.startswith("_") and name not in MEANINGFUL:
                self._register(name)
                yield getattr(pytest.mark, name)
        if stub.repo:
            yield pytest.mark.repo(name=stub.repo)

    def _register(self, name: str) -> None:
        if name not in self._registered:
            self._registered.add(name)
            self._config.addinivalue_line("markers", f"{name}: tasks that say so in their record (pytest-isobench)")


MEANINGFUL = frozenset({"parametrize", "usefixtures", "filterwarnings"})
"""Marks to which pytest gives a meaning that a record cannot fill."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One reason for which tasks are left out."""

    reason: str
    keeps: Callable[[Stub], bool]


def selections(settings: Settings) -> list[Selection]:
    """Return what the options ask for. Raises `UsageError` for a file of commits that cannot be read."""
    found = []
    if settings.commits is not None:
        listed = _listed(settings.commits)
        found.append(Selection(f"--isobench-commits={settings.commits.name}", lambda stub: bool(listed.of(stub))))
    if settings.shard is not None:
        part, parts = settings.shard
        found.append(Selection(f"--isobench-shard={part}/{parts}", lambda stub: shard_of(stub.id, parts) == part))
    return found


def _listed(file: Path) -> CommitList:
    """Read a list of commits, of which every line counts: who chooses tasks is not to miss one."""
    from pytest_isobench.dataset.commits import read_commits

    listed = read_commits(file)
    if listed.refused:
        raise UsageError("--isobench-commits: " + "\n".join(listed.refused))
    return listed


def deselection_text(deselected: Mapping[str, int]) -> str:
    """Say which options left out how many cases."""
    return "deselected: " + ", ".join(f"{count} by {reason}" for reason, count in deselected.items())


def shard_of(task: str, parts: int) -> int:
    """Return the part, counted from one, that a task belongs to on every machine and in every session."""
    return int.from_bytes(hashlib.sha256(task.encode()).digest()[:8]) % parts + 1
