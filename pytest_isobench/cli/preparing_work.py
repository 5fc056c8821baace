"""What planning and preparing start from: configuration, task files, agents and a list of commits."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_isobench.errors import UsageError, nearest

if TYPE_CHECKING:
    from pytest_isobench.agents.live import LiveAgent
    from pytest_isobench.cli.ini import Ini
    from pytest_isobench.dataset.commits import CommitList
    from pytest_isobench.models.preparing import Refused
    from pytest_isobench.preparing.plan import Planned, Scope
    from pytest_isobench.reports.text import Paper

MOST_ATTEMPTS = 1000


def add_tasks(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which attempts are meant."""
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="Task file, or a folder of them (default: isobench_tasks)")
    parser.add_argument("--agent", metavar="NAME[,NAME...]", action="append", default=[], help="Agents that files describe. Repeatable.")
    parser.add_argument("--attempts", metavar="N", type=_attempts, default=1, help="Attempts of each agent at each task (default: 1)")
    parser.add_argument("--commits", metavar="FILE", type=Path, help="Only tasks of this list; a line is COMMIT [BASE | parent=N]")


def _attempts(text: str) -> int:
    return whole(text, MOST_ATTEMPTS)


def whole(text: str, most: int) -> int:
    """Read a whole number from 1. Raises argparse's error."""
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 to {most}")
    return int(text)


@dataclass(frozen=True, slots=True)
class Work:
    """What the commands start from."""

    scope: Scope
    files: list[Path]
    commits: CommitList | None
    patches: Path
    on: Paper


def read_work(arguments: argparse.Namespace, agents: list[str] | None = None) -> Work:
    """Read the project's configuration and the agents that were named. Raises `UsageError`."""
    from pytest_isobench.cli.ini import read_ini
    from pytest_isobench.cli.printing import paper
    from pytest_isobench.dataset.cache import Cache
    from pytest_isobench.dataset.commits import read_commits
    from pytest_isobench.preparing.plan import Scope

    ini = read_ini(Path.cwd())
    names = agents_named(arguments.agent) or agents or []
    if not names:
        raise UsageError(f"isobench {arguments.command}: say whose patches, with --agent NAME")
    makers = {name: open_agent(name, ini, getattr(arguments, "sandbox", None)) for name in names}
    return Work(
        scope=Scope(home=ini.home, cache=Cache.default(), makers=makers),
        files=task_files_of(arguments.files, ini),
        commits=read_commits(arguments.commits) if arguments.commits else None,
        patches=patches_of(ini),
        on=paper(),
    )


def agents_named(given: list[str]) -> list[str]:
    """Return the names of a repeatable option, whose values are lists themselves."""
    return list(dict.fromkeys(name.strip() for value in given for name in value.split(",") if name.strip()))


def agents_folder(ini: Ini) -> Path:
    """Return the folder of files that describe agents."""
    return ini.home / (ini.text("isobench_agents") or "agents")


def patches_of(ini: Ini) -> Path:
    """Return the folder of recorded patches."""
    return ini.home / (ini.text("isobench_patches") or "fixtures/patches")


def task_files_of(given: list[Path], ini: Ini) -> list[Path]:
    """Return the task files that were named, else those of the project. Raises `UsageError`."""
    from pytest_isobench.cli.validate import task_files

    return list(task_files(given or [path for path in ini.paths("isobench_tasks", ["tasks"]) if path.exists()]))


def open_agent(name: str, ini: Ini, sandbox: str | None) -> LiveAgent:
    """Return the agent of a file. Raises `UsageError`."""
    from pytest_isobench.agents import specs
    from pytest_isobench.agents.base import AgentContext
    from pytest_isobench.agents.live import live
    from pytest_isobench.models.container import ContainerSettings
    from pytest_isobench.registry import default_registry

    folder, registry = agents_folder(ini), default_registry()
    file = specs.find(name, folder)
    if file is None:
        known = specs.names(folder)
        there = f"there are {', '.join(known)}" if known else f"describe one in {folder / name}.yaml"
        raise UsageError(f"--agent {name}: no file describes such an agent{nearest(name, known)}; {there}")
    place = sandbox or ini.text("isobench_sandbox") or "local"
    registry.check_sandbox(place)
    context = AgentContext(
        directory=Path.cwd(),
        patches=patches_of(ini),
        agents=folder,
        prompts=ini.home / (ini.text("isobench_prompts") or "fixtures/prompts"),
        provider=lambda: registry.sandbox(place, ContainerSettings()),
    )
    return live(name, file, context)


def planned_of(arguments: argparse.Namespace, work: Work) -> Planned:
    """Plan what was asked for. Raises `UsageError` when there is nothing to plan from."""
    from pytest_isobench.preparing.plan import make_plan

    if not work.files:
        raise UsageError(f"isobench {arguments.command}: there are no task files in the project; name some")
    return make_plan(work.files, work.scope, arguments.attempts, work.commits)


def print_refused(refused: list[Refused], on: Paper) -> None:
    """Print what could not be planned, and why."""
    from pytest_isobench.redaction import redact

    for each in refused:
        print(on.clean(f"refused {each.name}: {redact(each.reason)}"))
