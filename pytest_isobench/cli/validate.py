"""`isobench validate`: check task files to the last record."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_isobench.cli.ini import Ini
    from pytest_isobench.dataset.stubs import Stub
    from pytest_isobench.models.task import Task

NAME = "validate"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="check task files, every record of them",
        description="Check every record of task files, that the files which they name exist, and that commands of engines' benchmarks are "
        "understood. Nothing is fetched or run. "
        "The exit status is 1 when a record is broken.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="Task file (YAML, JSON, JSONL, Parquet), or a folder of them")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check the files, print a line for each and one for each broken record."""
    from pytest_isobench.cli.printing import paper

    on, status = paper(), 0
    for path in task_files(arguments.files):
        good, broken = 0, 0
        for problems in _check(path):
            good, broken = good + (not problems), broken + bool(problems)
            for problem in problems:
                print(on.clean(problem))
        print(on.clean(f"{path}: {good} good, {broken} broken"))
        status = status or int(broken > 0)
    return status


def task_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield task files, and those in folders. Raises UsageError for a folder without any."""
    from pytest_isobench.dataset.readers import READERS
    from pytest_isobench.errors import UsageError

    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS)
        if not found:
            raise UsageError(f"{path}: holds no task files; they end in {', '.join(READERS)}")
        yield from found


def project_files(given: Sequence[Path], ini: Ini, *, optional: bool = False) -> list[Path]:
    """Return the task files that were named, else those of the project. Raises UsageError for none, unless they are `optional`."""
    from pytest_isobench.errors import UsageError

    paths = list(given) or ini.paths("isobench_tasks", ["tasks"])
    found = [path for path in paths if path.exists()]
    if not given and not found and not optional:
        raise UsageError(f"there are no task files in {', '.join(map(str, paths))}; name some")
    return list(task_files(paths if given else found))


def _check(path: Path) -> Iterator[list[str]]:
    """Yield what is wrong with each record; a file that cannot be used at all is one broken record."""
    from pytest_isobench.dataset.readers import read_stubs
    from pytest_isobench.errors import TaskError

    try:
        for stub in read_stubs(path):
            yield list(_problems(stub, path))
    except TaskError as error:
        yield [str(error)]


def _problems(stub: Stub, path: Path) -> Iterator[str]:
    from pytest_isobench.errors import TaskError

    try:
        task = stub.load()
    except TaskError as error:
        yield str(error)
        return
    if problem := _not_runnable(task):
        yield f"{path}:{stub.line}: workload.command: {task.id}: {problem}"
    for field, name in _named_files(task):
        if not (path.parent / name).exists():
            yield f"{path}:{stub.line}: {field}: {task.id} names {name!r}, and there is no such file or folder beside the task file"
        elif field == "workload.file" and (problem := _syntax(path.parent / name)):
            yield f"{path}:{stub.line}: {field}: {task.id}: {problem}"


def _not_runnable(task: Task) -> str:
    """Return why the command of an engine's benchmark cannot be run; empty for all others."""
    from pytest_isobench.benchmarks.resolving import resolve
    from pytest_isobench.cli.rules import project_rules
    from pytest_isobench.errors import CommandError
    from pytest_isobench.models.workload import EngineWorkload

    if not isinstance(task.workload, EngineWorkload):
        return ""
    commits = (task.source.human, task.source.base) if task.source.kind == "git" else ()
    try:
        resolve(task.workload, rules=project_rules(), names=(task.id, *(name for name in commits if name)))
    except CommandError as error:
        return str(error)
    return ""


def _named_files(task: Task) -> Iterator[tuple[str, str]]:
    """Yield field and path of all files and folders that a record names."""
    for name in task.workload.files:
        yield "workload.file", name
    if task.source.kind != "pypi" and task.source.patch:
        yield "source.patch", task.source.patch
    if task.source.kind == "path":
        yield "source.base", task.source.base
        if task.source.human:
            yield "source.human", task.source.human


def _syntax(path: Path) -> str:
    try:
        compile(path.read_bytes(), path.name, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError) as error:
        return f"{path}: {error}"
    return ""
