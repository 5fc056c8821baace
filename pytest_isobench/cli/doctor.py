"""`isobench doctor`: what this machine gives to a session, and what an agent could see in it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from pytest_isobench.cli.machine_checks import Check, examine

NAME = "doctor"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="show what this machine gives: isolation, tools, cores, cache; and what an agent could see",
        description="Show how well patches are isolated here, and which tools, cores, GPUs and space there are. Nothing is changed "
        "unless you say --clean. With --leaks, make the work tree of each task as an agent gets it, look around in it, and read the "
        "prompt: nothing there may tell of the human's version. The exit status is 1 when something essential is missing, or leaks.",
    )
    parser.add_argument("--clean", action="store_true", help="remove what killed runs left: folders, containers, remote sandboxes")
    parser.add_argument(
        "--leaks", metavar="FILE", nargs="*", type=Path, help="Look for leaks in the tasks of these files (default: isobench_tasks)"
    )
    parser.add_argument("--sandbox", metavar="NAME", default="local", help="Where to make the work trees for --leaks (default: local)")
    parser.set_defaults(run=run)


MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "missing": ("MISSING", "red"), "leak": ("LEAK", "red")}


def run(arguments: argparse.Namespace) -> int:
    """Print all checks, after cleaning up if asked to; or what leaks."""
    from pytest_isobench.cli.printing import paper

    on, bad = paper(), 0
    for check in _checks(arguments):
        bad += check.grade in ("missing", "leak")
        word, style = MARKS[check.grade]
        first, *more = on.wrapped(f"{check.subject}: {check.text}", 9)
        print(on.paint(f"{word:<8}", style), first.lstrip())
        for line in more:
            print(line)
    return 1 if bad else 0


def _checks(arguments: argparse.Namespace) -> Iterator[Check]:
    if arguments.clean:
        yield from clean()
    if arguments.leaks is None:
        from pytest_isobench.cli.doctor_agents import check_project_agents

        yield from examine()
        yield from check_project_agents(Path.cwd())
    else:
        from pytest_isobench.cli.leak_checks import look_for_leaks

        yield from look_for_leaks(arguments.leaks, arguments.sandbox)


def clean() -> Iterator[Check]:
    """Remove what killed runs of this machine left behind, wherever sandboxes can be reached from here."""
    from pytest_isobench.errors import IsobenchError
    from pytest_isobench.models.container import ContainerSettings
    from pytest_isobench.registry import default_registry

    registry = default_registry()
    for name in registry.sandboxes:
        try:
            removed = registry.sandbox(name, ContainerSettings()).clean()
        except IsobenchError as error:
            yield Check("note", f"leftovers of {name}", f"not looked for: {error}")
        else:
            yield Check("ok", f"leftovers of {name}", f"removed {', '.join(removed)}" if removed else "none")
