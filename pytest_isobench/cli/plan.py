"""`isobench plan`: write down which attempts are to be made."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_isobench.cli.preparing_work import add_tasks, planned_of, print_refused, read_work

NAME = "plan"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="write down which attempts agents are to make at which tasks",
        description="Resolve tasks to their commits, and write a plan of attempts for isobench prepare. The same tasks and agents give the "
        "same plan, to the byte. What cannot be planned is named, and the exit status is 1; the rest is planned.",
    )
    add_tasks(parser)
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, default=Path("plan.json"), help="Where to (default: plan.json)")
    parser.set_defaults(run=run, command=NAME)


def run(arguments: argparse.Namespace) -> int:
    """Plan, and say what was planned."""
    from pytest_isobench.errors import UsageError
    from pytest_isobench.preparing.plan import write_plan

    work = read_work(arguments)
    planned = planned_of(arguments, work)
    print_refused(planned.refused, work.on)
    try:
        write_plan(planned.plan, arguments.output)
    except OSError as error:
        raise UsageError(f"{arguments.output}: cannot be written: {error.strerror or error}") from error
    items = planned.plan.items
    tasks, agents = len({item.task for item in items}), ", ".join(work.scope.makers)
    print(work.on.clean(f"{arguments.output}: attempts {len(items)}, tasks {tasks}, refused {len(planned.refused)}; agents {agents}"))
    return 1 if planned.refused else 0
