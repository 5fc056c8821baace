"""`isobench import-runs`: take over what agents made for the original ISO-Bench."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_isobench.cli.ini import Ini
    from pytest_isobench.dataset.stubs import Stub
    from pytest_isobench.models.agent import AttemptRecord
    from pytest_isobench.preparing.importing import Import, Imported
    from pytest_isobench.reports.text import Paper

NAME = "import-runs"
CHANGES = ("new", "updated", "unchanged")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="record the patches of earlier runs of the original ISO-Bench",
        description="Read run directories of the original ISO-Bench and record each run as an attempt, joined to tasks by commit. "
        "Nothing that was recorded from elsewhere is replaced, and importing twice changes nothing. The exit status is 1 when a run "
        "cannot be imported; each of them is named.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="Folder with runs, however deep they lie")
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="Task file, or a folder of them (default: isobench_tasks)")
    parser.add_argument("--patches", metavar="FOLDER", type=Path, help="Where to record (default: isobench_patches)")
    parser.add_argument("--agent", metavar="NAME", help="Record all runs as this agent's (default: by agent and model of each run)")
    parser.add_argument("-v", "--verbose", action="store_true", help="List every attempt")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import, and print a table of what there is now."""
    from pytest_isobench.agents.base import readable
    from pytest_isobench.cli.ini import read_ini
    from pytest_isobench.cli.preparing_work import patches_of
    from pytest_isobench.cli.printing import paper
    from pytest_isobench.errors import UsageError
    from pytest_isobench.preparing.importing import import_runs

    if not arguments.folder.is_dir():
        raise UsageError(f"{arguments.folder}: is no folder")
    if arguments.agent is not None and (arguments.agent != readable(arguments.agent) or not arguments.agent):
        raise UsageError(f"--agent {arguments.agent}: a name has letters, digits, dots, dashes and underscores")
    ini, on = read_ini(Path.cwd()), paper()
    done = import_runs(arguments.folder, arguments.patches or patches_of(ini), _stubs(arguments.files, ini, on), arguments.agent)
    if not (done.attempts or done.refused):
        raise UsageError(f"{arguments.folder}: holds no runs; each has a journal.json, prompt.json, run_summary.json or model_patch.diff")
    for line in lines(done, on, verbose=arguments.verbose):
        print(line)
    return 1 if done.refused else 0


def _stubs(files: list[Path], ini: Ini, on: Paper) -> list[Stub]:
    """Return the tasks that runs may belong to; a file of the project that is broken takes none of the others with it."""
    from pytest_isobench.cli.preparing_work import task_files_of
    from pytest_isobench.dataset.readers import read_stubs
    from pytest_isobench.errors import UsageError

    stubs: list[Stub] = []
    for file in task_files_of(files, ini):
        try:
            stubs += read_stubs(file)
        except UsageError as error:
            if files:
                raise
            print(on.clean(f"left out {error}"))
    return stubs


def lines(done: Import, on: Paper, *, verbose: bool) -> Iterator[str]:
    """Yield what was imported: a table of agents, or of all attempts, and what was refused."""
    from pytest_isobench.reports.text import grid

    for refused in done.refused:
        yield from on.wrapped(f"refused {refused.name}: {refused.reason}")
    if done.attempts:
        rows = _attempts(done.attempts) if verbose else _agents(done.attempts)
        yield from grid([[on.clean(cell) for cell in row] for row in rows])
    changes = Counter[str](each.change for each in done.attempts)
    said = ", ".join(f"{changes[change]} {change}" for change in CHANGES if changes[change])
    yield f"{len(done.attempts)} attempts{f' ({said})' if said else ''}, {len(done.refused)} refused"


def _attempts(found: list[Imported]) -> Iterator[list[str]]:
    yield ["agent", "task", "attempt", "", "status", "files", "from"]
    for each in found:
        record = each.record
        status = record.status.value.replace("_", " ")
        yield [record.agent, record.task, str(record.attempt), each.change, status, str(len(record.files)), record.origin]


def _agents(found: list[Imported]) -> Iterator[list[str]]:
    """Yield a row for each agent: its tasks, its attempts, and how many left a patch, ended otherwise, or do not count."""
    yield ["agent", "tasks", "attempts", "new", "patch", "no patch", "budget or time over", "failed"]
    for agent in sorted({each.record.agent for each in found}):
        own = [each for each in found if each.record.agent == agent]
        ended = Counter(_ending(each.record) for each in own)
        new, tasks = sum(each.change == "new" for each in own), len({each.record.task for each in own})
        yield [agent, *map(str, (tasks, len(own), new)), *(str(ended[kind] or "-") for kind in ("patch", "none", "over", "failed"))]


def _ending(record: AttemptRecord) -> str:
    from pytest_isobench.models.agent import AgentStatus

    if not record.final:
        return "failed"
    if record.status in (AgentStatus.OUT_OF_BUDGET, AgentStatus.OUT_OF_TIME):
        return "over"
    return "patch" if record.patch_digest else "none"
