"""`--isobench-dry-run`: what would run, resolved, without running it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_isobench.errors import InfrastructureError, IsobenchError
from pytest_isobench.plugin.cases import case_of

if TYPE_CHECKING:
    from pytest_isobench.dataset.stubs import Stub
    from pytest_isobench.models.result import Isolation
    from pytest_isobench.models.task import Task
    from pytest_isobench.plugin.cases import Case
    from pytest_isobench.plugin.run import Run


def show_plan(run: Run, items: Sequence[pytest.Item]) -> None:
    """Print the plan."""
    terminal = run.config.get_terminal_writer()
    terminal.line()
    for line in plan(run, items):
        terminal.line(line)


def plan(run: Run, items: Sequence[pytest.Item]) -> Iterator[str]:
    """Return the plan, line by line."""
    tasks: dict[Stub, dict[str, Case]] = {}
    for item in items:
        if case := case_of(item):
            tasks.setdefault(case.stub, {})[case.id] = case
    others = len(items) - sum(case_of(item) is not None for item in items)
    yield from _session(run)
    for stub, cases in tasks.items():
        yield ""
        yield from _task(stub, list(cases.values()))
    yield ""
    count = f"{_count(sum(map(len, tasks.values())), 'case')} of {_count(len(tasks), 'task')} would run"
    yield f"{count}, and {_count(others, 'other test')}" if others else count


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _walls(isolation: Isolation) -> Iterator[str]:
    kept = [name for name in ("filesystem", "network", "processes", "user", "limits") if getattr(isolation, name)]
    yield f"sandbox: {isolation.sandbox}{f', {isolation.place}' if isolation.place else ''} (isolates: {', '.join(kept) or 'nothing'})"
    yield from (f"  {note}" for note in isolation.notes)


def _session(run: Run) -> Iterator[str]:
    configuration = run.settings.configuration
    try:
        isolation = run.registry.sandbox(configuration.sandbox, configuration.container).isolation()
    except InfrastructureError as error:
        yield f"sandbox: {configuration.sandbox}, which does not work now: {error}"
    else:
        yield from _walls(isolation)
    arms = f"only {configuration.only}" if configuration.only else "baseline, human, control (a second baseline), and every agent"
    yield f"arms: {arms}"
    confidence, budget = f"confidence {configuration.confidence:g}", f"at most {configuration.time_budget:g} s of measuring for each task"
    yield f"verdicts: margin {configuration.margin:g}, {confidence}, {configuration.require} passes; {budget}"


def _task(stub: Stub, cases: list[Case]) -> Iterator[str]:
    yield stub.id
    try:
        task = stub.load()
        base, human = resolved(task, Path(stub.path).parent)
    except IsobenchError as error:
        yield f"  cannot run: {error}"
        return
    facts = [("base", base), ("human", human), *_facts(task, cases)]
    yield from (f"  {name + ':':<13}{text}" for name, text in facts if text)


def resolved(task: Task, folder: Path) -> tuple[str, str]:
    """Return the base and the human version; commits in full, which fetches a repository that is not here yet.

    Raises:
        UsageError: there is no such repository or commit.
        SourceError: the repository cannot be fetched.
    """
    source = task.source
    if source.kind == "pypi":
        return source.base, source.human
    human = source.human or f"{source.base} with {source.patch}"
    if source.kind == "path":
        return source.base, human
    from pytest_isobench.dataset.cache import Cache
    from pytest_isobench.dataset.mirror import Mirror, locate

    mirror = Mirror(locate(source.repository, folder), Cache.default())
    if source.human:
        human = mirror.resolve(source.human)
    return mirror.resolve(source.base or f"{human}^{source.parent}"), human


def _facts(task: Task, cases: list[Case]) -> Iterator[tuple[str, str]]:
    source, environment, resources = task.source, task.environment, task.resources
    place = {"git": "repository", "pypi": "package"}.get(source.kind, "")
    yield "source", f"{source.kind} {getattr(source, place, '')}".strip()
    yield "agents", ", ".join(f"{case.agent} (attempt {case.attempt})" for case in cases)
    yield "workload", _command(task)
    yield "checks", ", ".join(f"{check.name} ({' '.join(check.command)})" for check in task.checks)
    python = f"Python {environment.python}" if environment.python else "this Python"
    yield "environment", ", ".join([python, *environment.requirements, *environment.setup, *environment.install])
    needs = f"{resources.cpus} core(s), {resources.memory_mb} MiB"
    yield "resources", f"{needs}, {resources.gpus} GPU(s) {resources.gpu or ''}".strip() if resources.gpus else needs


def _command(task: Task) -> str:
    workload = task.workload
    if workload.kind == "command":
        return " ".join(workload.command)
    if workload.kind == "reported":
        return f"{' '.join((workload.file, *workload.arguments) if workload.file else workload.paths)} ({workload.format})"
    if workload.kind == "serve":
        return f"{' '.join(workload.server)}, asked by {' '.join(workload.client)}"
    if workload.kind != "python":
        return workload.command
    calls = f"{workload.calls} calls" if workload.calls else "as many calls as fill 25 ms"
    return f"run() of {workload.file or 'the code in the record'}, {calls} a sample"
