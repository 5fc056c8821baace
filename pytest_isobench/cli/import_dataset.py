"""`isobench import-dataset`: take over the commits of other people's data sets as tasks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_isobench.preparing.datasets.importing import Imported
    from pytest_isobench.reports.text import Paper

NAME = "import-dataset"
WRITTEN = (".yaml", ".yml")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="make a task file of recorded commits",
        description="Read records of performance commits (of ISO-Bench, GSO, SWE-Perf, SWE-fficiency, or tables of commits and "
        "commands) and write a task file of facts: commits, commands, models, GPUs. Of several records of a commit the first that says "
        "something counts. "
        "The exit status is 1 when a record becomes no task; each of them is named.",
    )
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help="File, folder of files, or hub:ORG/NAME[@revision][:split]")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="Task file to write; it ends in .yaml")
    parser.add_argument("--engine", choices=["vllm", "sglang"], help="Whose commits these are, where the records do not say it")
    parser.add_argument("--mapping", metavar="FILE", action="append", default=[], help="Table that says more of the commits (repeatable)")
    parser.add_argument("--commits", metavar="FILE", type=Path, help="List of commits: only these become tasks")
    parser.add_argument("--overrides", metavar="FILE", type=Path, help="Rules for models and engines (default: fixtures/overrides.yaml)")
    parser.add_argument("--default-command", metavar="TEXT", help="Command of the commits for which no record has any")
    parser.add_argument("--gpu", metavar="NAME", default="H100", help="Model of the GPUs that the tasks need (default: H100)")
    parser.add_argument("--image", metavar="NAME", help="Image of each commit; {human} and {base} stand for the commits, written out")
    parser.add_argument("--built", metavar="FILE", type=Path, help="List of the commits that have one (default: all)")
    parser.add_argument("--allow-refused", action="store_true", help="End with status 0 although records were refused")
    parser.add_argument("-v", "--verbose", action="store_true", help="Say what was not used of records that became tasks, too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import, write the file, and say what was refused."""
    from pytest_isobench.benchmarks.overrides import read_rules
    from pytest_isobench.cli.printing import paper
    from pytest_isobench.cli.rules import project_rules
    from pytest_isobench.dataset.commits import read_commits
    from pytest_isobench.errors import UsageError
    from pytest_isobench.preparing.datasets.importing import add_images, import_dataset, write
    from pytest_isobench.preparing.datasets.tasks import Options

    if arguments.out.suffix.lower() not in WRITTEN:
        raise UsageError(f"--out {arguments.out}: a task file is written as YAML; allowed endings: {', '.join(WRITTEN)}")
    if arguments.built and not arguments.image:
        raise UsageError("--built lists the commits that have an image: name it with --image")
    if arguments.overrides and not arguments.overrides.exists():
        raise UsageError(f"--overrides {arguments.overrides}: there is no such file")
    options = Options(
        engine=arguments.engine,
        rules=read_rules(arguments.overrides) if arguments.overrides else project_rules(),
        default=arguments.default_command,
        gpu=arguments.gpu,
    )
    commits = read_commits(arguments.commits) if arguments.commits else None
    done = import_dataset(arguments.sources, arguments.mapping, options=options, commits=commits)
    if arguments.image:
        add_images(done, arguments.image, read_commits(arguments.built) if arguments.built else None)
    if done.tasks:
        try:
            write(done, arguments.out)
        except OSError as error:
            raise UsageError(f"--out {arguments.out}: cannot be written: {error}") from error
    for line in lines(done, arguments.out, paper(), verbose=arguments.verbose):
        print(line)
    return 1 if not done.tasks or (done.refused and not arguments.allow_refused) else 0


def lines(done: Imported, out: Path, on: Paper, *, verbose: bool) -> Iterator[str]:
    """Yield what was refused, what was not used, and what was made."""
    for refused in done.refused:
        yield from on.wrapped(f"refused {refused.name}: {refused.reason}")
    for remark in done.remarks if verbose else ():
        yield from on.wrapped(f"{remark.name}: {remark.reason}")
    told = f", {len(done.remarks)} remarks{'' if verbose else ' (-v shows them)'}" if done.remarks else ""
    where = f"{on.clean(str(out))}: " if done.tasks else "nothing was written: "
    yield f"{where}{len(done.tasks)} tasks, {len(done.refused)} records refused{told}"
