"""The options, one group with an ini twin for each. What they mean is read in `settings`; here is what every session asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

import pytest

SUFFIXES = frozenset({".yaml", ".yml", ".json", ".jsonl", ".parquet"})
"""What task files may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option as `--isobench-NAME` and as the ini value `isobench_NAME`."""

    name: str
    help: str
    metavar: str | None = None
    kind: Literal["one", "many", "flag"] = "one"

    @property
    def flag(self) -> str:
        return f"--isobench-{self.name}"

    @property
    def dest(self) -> str:
        return f"isobench_{self.name.replace('-', '_')}"


OPTIONS: tuple[Option, ...] = (
    Option(
        name="agent",
        metavar="NAME[,NAME...]",
        kind="many",
        help="Agents whose patches are measured: human, nop, patch:FILE, ref:GIT_REF, release:VERSION, replay:DIR, fake:SPEED, "
        "the name of a file that describes an agent, or of a folder of recorded patches. Repeatable.",
    ),
    Option(name="run-agents", kind="flag", help="Run agents where no patch is recorded, and record what they make"),
    Option(name="attempts", metavar="N", help="Attempts of each agent at each task (default: as many as are recorded, else 1)"),
    Option(name="sandbox", metavar="NAME", help="Where patches run: local, docker, modal, fake, or a conftest's own (default: local)"),
    Option(name="time-budget", metavar="TIME", help="Measuring time for each task, such as 90, 5m or 1h (default: 300 seconds)"),
    Option(name="margin", metavar="SHARE", help="How much slower or faster still counts as equal, such as 0.05 or 5%% (default: 0.05)"),
    Option(name="confidence", metavar="SHARE", help="Confidence of every interval, such as 0.95 or 95%% (default: 0.95)"),
    Option(
        name="require",
        metavar="match|improve|correct",
        help="What passes: not slower than the human and faster than the baseline (match), faster than the baseline (improve), "
        "or correct at any speed (correct) (default: match)",
    ),
    Option(name="only", metavar="baseline|human|agent", help="Measure one kind of arm alone, without a verdict"),
    Option(name="dry-run", kind="flag", help="Show what would run, resolved, and run nothing"),
    Option(name="resume", kind="flag", help="Go on where an earlier run was cut off; what has changed since is measured anew"),
    Option(name="report", metavar="FILE", help="JSON report to write (default: reports/TIME.json)"),
    Option(name="dataset", metavar="FILE|ID", kind="many", help="Further task files, or data set ids of the Hugging Face hub. Repeatable."),
    Option(name="timeout", metavar="TIME", help="Time for each sample, such as 30 or 2m, instead of the task's own"),
    Option(name="seed", metavar="N", help="Seed of inputs and of the order of arms (default: drawn once and kept beside the journals)"),
    Option(name="gpu", metavar="MODEL", help="Use only GPUs whose model's name contains this, such as H100"),
    Option(name="commits", metavar="FILE", help="Keep tasks whose base commit, human commit or id begins a line of this file"),
    Option(name="shard", metavar="I/N", help="Keep the I-th of N parts of the tasks, the same part on every machine"),
)
CONTAINER_OPTIONS = (
    Option(name="engine", metavar="docker|podman", help="Container engine of the sandbox docker (default: the one at DOCKER_HOST)"),
    Option(name="image", metavar="NAME", help="Image of every task's containers, with Python and git in it, instead of the task's own"),
    Option(name="platform", metavar="OS/ARCH", help="Platform of images, such as linux/amd64"),
    Option(name="pull", metavar="missing|always|never", help="When images are pulled (default: missing)"),
    Option(name="cpus", metavar="N", help="CPU time of a container, in CPUs, such as 1.5 (default: no limit)"),
    Option(name="cpuset", metavar="CPUS", help="Logical CPUs of a container, such as 0-3,8 (default: all)"),
    Option(name="memory", metavar="SIZE", help="Memory of a container, such as 8g, instead of the task's own"),
    Option(name="pids", metavar="N", help="Processes of a container, instead of the task's own"),
    Option(name="shm-size", metavar="SIZE", help="Size of a container's /dev/shm, such as 16g, instead of the task's disk"),
    Option(
        name="network",
        metavar="off|on_for_prepare|on",
        help="When containers have a network: never, until measuring begins, or always (default: off)",
    ),
    Option(name="gpus", metavar="none|all|device=N[,N...]", help="GPUs of containers (default: those that the task needs)"),
    Option(name="user", metavar="UID", help="First of the user ids in a container that patches run as (default: drawn)"),
    Option(name="mount", metavar="HOST:CONTAINER", kind="many", help="Folder that containers see read-only. Repeatable."),
    Option(name="region", metavar="NAME", help="Region of remote machines"),
    Option(name="life", metavar="TIME", help="How long a remote sandbox lives at most (default: as long as its campaign may take)"),
    Option(name="wait", metavar="TIME", help="How long to wait for a free remote machine (default: 10m)"),
    Option(name="parallel", metavar="N", help="Remote sandboxes of this machine at one time (default: 16)"),
)
"""What containers are like; none of it is for the local sandbox."""
OPTIONS += CONTAINER_OPTIONS

TWINS: dict[str, tuple[Literal["args", "bool", "string"], Any]] = {"one": ("string", ""), "many": ("args", []), "flag": ("bool", False)}

INIS: tuple[tuple[str, Literal["args", "bool", "string"], Any, str], ...] = (
    ("isobench_tasks", "args", ["tasks"], "Task files and folders of task files that run when no path is given"),
    ("isobench_files", "args", [], "Globs of further task files, relative to the rootdir (default: those directly in isobench_tasks)"),
    ("isobench_image_base", "string", "", "Image that container images start from (default: the task's, else one by its Python version)"),
    ("isobench_image_prefix", "string", "isobench", "Name of container images, with a registry in front for pushing: host/team/isobench"),
    ("isobench_agents", "string", "agents", "Folder of files that describe agents: AGENT.yaml"),
    ("isobench_prompts", "string", "fixtures/prompts", "Folder of the project's own templates for prompts"),
    ("isobench_patches", "string", "fixtures/patches", "Folder of recorded patches: AGENT/TASK.ATTEMPT.diff"),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare all options and ini values."""
    group = parser.getgroup("isobench", "measuring performance patches (pytest-isobench)")
    actions: dict[str, dict[str, Any]] = {
        "one": {},
        "many": {"action": "append"},
        "flag": {"action": "store_true"},
    }
    for option in OPTIONS:
        names = {} if option.metavar is None else {"metavar": option.metavar}
        group.addoption(option.flag, dest=option.dest, default=None, help=option.help, **names, **actions[option.kind])
        kind, default = TWINS[option.kind]
        parser.addini(option.dest, f"Ini twin of {option.flag}", type=kind, default=default)
    for name, kind, default, text in INIS:
        parser.addini(name, text, type=kind, default=default)


def many(config: pytest.Config, name: str) -> Sequence[str]:
    """Return the values of a repeatable option: the command line's, else the ini twin's."""
    dest = f"isobench_{name.replace('-', '_')}"
    given: list[str] | None = config.getoption(dest)
    ini: list[str] = config.getini(dest)
    return given if given is not None else ini


def agents_of(config: pytest.Config) -> tuple[str, ...]:
    """Return the agents asked for; nothing else of this plugin happens when there are none."""
    return tuple(name.strip() for part in many(config, "agent") for name in part.split(",") if name.strip())


def is_task_file(path: Path, config: pytest.Config) -> bool:
    """Tell whether the ini values `isobench_tasks` and `isobench_files` speak of this file."""
    home = config.inipath.parent if config.inipath else config.rootpath
    if any(path == home / place or path.parent == home / place for place in config.getini("isobench_tasks")):
        return True
    name = path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()
    return any(fnmatch(name, pattern) for pattern in config.getini("isobench_files"))


def refuse_tasks_without_agent(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` when a task file is named, but no agent."""
    for argument in config.args:
        path = config.invocation_params.dir / argument.partition("::")[0]
        if path.suffix.lower() in SUFFIXES and is_task_file(path, config):
            raise pytest.UsageError(f"{argument}: give an agent for these tasks, such as --isobench-agent=human")
