"""From task files, agents and a list of commits to a plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from pydantic import ValidationError

from pytest_isobench.agents.base import Assignment
from pytest_isobench.agents.prompts import briefs_of
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.commits import CommitList, Listed, same_commit
from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.dataset.sources.git import GitVersions
from pytest_isobench.dataset.sources.path import PathVersions
from pytest_isobench.dataset.stubs import Stub
from pytest_isobench.dataset.versions import VersionSource
from pytest_isobench.errors import IsobenchError, TaskError, UsageError
from pytest_isobench.jsonl import loads
from pytest_isobench.models.preparing import Plan, PlanItem, Refused
from pytest_isobench.models.task import Task
from pytest_isobench.preparing.base import Maker, Todo

SHORT = 12
"""Characters of a base in an item's id."""
LIMIT = 256 * 2**20
"""Bytes of the largest plan."""

Texts = Callable[[], Mapping[str, tuple[str, ...]]]
"""Tells, by id, what tasks' prompts say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where tasks and agents are."""

    home: Path
    """The project's folder: a plan's paths start here."""
    cache: Cache
    makers: Mapping[str, Maker]


@dataclass(slots=True)
class Planned:
    """Items in the order of task, agent and attempt, and what could not become one."""

    todos: list[Todo] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        return Plan(items=tuple(todo.item for todo in self.todos))

    def refuse(self, name: object, reason: object) -> None:
        self.refused.append(Refused(name=str(name), reason=str(reason)))


def make_plan(files: Iterable[Path], scope: Scope, attempts: int, commits: CommitList | None = None) -> Planned:
    """Plan so many attempts of every agent at every task; trees are fetched now.

    A record that is broken, a line that means no task, and a task whose code cannot be had are refused by name; the rest goes on.
    """
    planned = Planned()
    stubs = list(_stubs(files, planned))
    texts = cache(partial(briefs_of, stubs))
    for stub in stubs if commits is None else _chosen(stubs, commits, planned):
        lines = commits.of(stub) if commits else []
        _add(planned, stub.id, partial(_todos, stub, scope, range(attempts), texts, lines))
    planned.todos.sort(key=lambda todo: (todo.item.task, todo.item.agent, todo.item.attempt))
    return planned


def join(plan: Plan, scope: Scope) -> Planned:
    """Find tasks and agents of a plan that was written down; an item is refused when they have changed since."""
    planned = Planned()
    files = sorted({item.file for item in plan.items})
    stubs = {(file, stub.id): stub for file in files for stub in _stubs([scope.home / file], planned)}
    texts = cache(partial(briefs_of, stubs.values()))
    for item in plan.items:
        _add(planned, item.id, partial(_joined, item, stubs.get((item.file, item.task)), scope, texts))
    return planned


def read_plan(path: Path) -> Plan:
    """Read a plan. Raises `UsageError` for a file that is none."""
    try:
        with path.open("rb") as file:
            return Plan.model_validate(loads(file.read(LIMIT)), strict=False)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "plan"
        raise UsageError(f"{path}: is no plan: {place}: {first['msg']}; isobench plan -o {path.name} writes one") from None
    except ValueError as error:
        raise UsageError(f"{path}: is no plan: {error}; isobench plan -o {path.name} writes one") from None


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(plan.model_dump_json(indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def _stubs(files: Iterable[Path], planned: Planned) -> Iterator[Stub]:
    """Yield the records of files, each id once: attempts are recorded by it."""
    seen: dict[str, Path] = {}
    for file in sorted(files):
        try:
            for stub in read_stubs(file):
                if stub.id in seen:
                    planned.refuse(stub.id, f"{file}:{stub.line}: is a task of {seen[stub.id]} already; ids are unique in a project")
                else:
                    seen[stub.id] = file
                    yield stub
        except TaskError as error:
            planned.refuse(file, error)


def _chosen(stubs: Sequence[Stub], commits: CommitList, planned: Planned) -> Iterator[Stub]:
    meant = set[Listed]()
    for stub in stubs:
        if lines := commits.of(stub):
            meant.update(lines)
            yield stub
    for text in commits.refused:
        planned.refuse(commits.file.name, text)
    for line in commits.lines:
        if line not in meant:
            reason = f"{commits.file}:{line.number}: no task has this commit or id; {len(stubs)} were looked at"
            planned.refuse(line.name, reason)


def _add(planned: Planned, name: str, make: Callable[[], Iterable[Todo]]) -> None:
    try:
        planned.todos += make()
    except (IsobenchError, OSError) as error:
        planned.refuse(name, error)


def _todos(stub: Stub, scope: Scope, attempts: Iterable[int], texts: Texts, lines: Sequence[Listed] = ()) -> list[Todo]:
    task, folder = stub.load(), stub.path.parent
    source = make_source(task, folder, scope.cache)
    base, human = _base(task, source), _human(task, source)
    if lines:
        _check_base(source, base, lines)
    file = Path(os.path.relpath(stub.path.absolute(), scope.home.absolute())).as_posix()
    todos = []

    def others() -> dict[str, tuple[str, ...]]:
        return {name: said for name, said in texts().items() if name != task.id}

    for maker in scope.makers.values():
        for attempt in attempts:
            assignment = Assignment(task=task, attempt=attempt, source=source, folder=folder, others=others)
            item = PlanItem(
                id=f"{task.id}@{base[:SHORT]}:{maker.name}:{attempt}",
                task=task.id,
                agent=maker.name,
                attempt=attempt,
                base=base,
                human=human,
                file=file,
                key=maker.key(assignment),
            )
            todos.append(Todo(item=item, assignment=assignment, maker=maker))
    return todos


def _joined(item: PlanItem, stub: Stub | None, scope: Scope, texts: Texts) -> list[Todo]:
    if item.agent not in scope.makers:
        raise UsageError(f"the plan names the agent {item.agent!r}, and --agent does not")
    if stub is None:
        raise UsageError(f"{item.file} has no task {item.task!r} any more; plan again")
    only = replace(scope, makers={item.agent: scope.makers[item.agent]})
    todos = _todos(stub, only, [item.attempt], texts)
    found = todos[0].item
    if changed := [name for name in ("base", "human", "key") if getattr(found, name) != getattr(item, name)]:
        what = {"base": "the base", "human": "the human's commit", "key": "task, agent or prompt"}[changed[0]]
        raise UsageError(f"{what} has changed since the plan was made; plan again")
    return todos


def _base(task: Task, source: VersionSource) -> str:
    """Return the name of the base version: a full commit, a release, or the digest of a folder."""
    match source:
        case GitVersions():
            return source.base_tree().label
        case PathVersions():
            return source.base_tree().digest
    return task.source.base or source.baseline().label


def _human(task: Task, source: VersionSource) -> str:
    commit = source.human_commit() if isinstance(source, GitVersions) else None
    return commit or task.source.human or getattr(task.source, "patch", None) or ""


def _check_base(source: VersionSource, base: str, lines: Sequence[Listed]) -> None:
    """Raise `UsageError` unless one of the lines means the base that the task has: measuring will start from it."""
    wanted = [line for line in lines if line.base or line.parent]
    if len(wanted) < len(lines) or any(_means(line, source, base) for line in wanted):
        return
    line = wanted[0]
    said = f"base {line.base}" if line.base else f"parent={line.parent}"
    raise UsageError(f"line {line.number} of the commits asks for {said}, and the task starts from {base}; change source.base of the task")


def _means(line: Listed, source: VersionSource, base: str) -> bool:
    if line.base:
        return same_commit(line.base, base)
    return isinstance(source, GitVersions) and source.parent(line.parent or 1) == base
