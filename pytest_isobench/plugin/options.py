"""The options: one group, an ini twin for each, and one frozen value that the rest of the plugin reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pytest

from pytest_isobench.errors import UsageError, nearest

if TYPE_CHECKING:
    from pytest_isobench.models.result import Configuration

SUFFIXES = (".yaml", ".yml", ".json", ".jsonl", ".parquet")
REQUIRE = ("match", "improve", "correct")
ONLY = ("baseline", "human", "agent")
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

Number = TypeVar("Number", int, float)


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


OPTIONS = (
    Option(
        name="agent",
        metavar="NAME[,NAME...]",
        kind="many",
        help="Agents whose patches are measured: human, nop, patch:FILE, ref:GIT_REF, release:VERSION, replay:DIR, fake:SPEED, "
        "or the name of a folder of recorded patches. Repeatable.",
    ),
    Option(name="attempts", metavar="N", help="Attempts of each agent at each task (default: as many as are recorded, else 1)"),
    Option(name="sandbox", metavar="NAME", help="Where patches run: local, fake, or one that a conftest registers (default: local)"),
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
    Option(name="seed", metavar="N", help="Seed of the order of arms and of the inputs (default: drawn anew)"),
    Option(name="gpu", metavar="MODEL", help="Use only GPUs whose model's name contains this, such as H100"),
    Option(name="commits", metavar="FILE", help="Keep tasks whose base commit, human commit or id is a line of this file"),
    Option(name="shard", metavar="I/N", help="Keep the I-th of N parts of the tasks, the same part on every machine"),
)

TWINS: dict[str, tuple[Literal["args", "bool", "string"], Any]] = {"one": ("string", ""), "many": ("args", []), "flag": ("bool", False)}

INIS: tuple[tuple[str, Literal["args", "bool", "string"], Any, str], ...] = (
    ("isobench_tasks", "args", ["tasks"], "Task files and folders of task files that run when no path is given"),
    ("isobench_files", "args", [], "Globs of further task files, relative to the rootdir (default: those directly in isobench_tasks)"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this session was asked to do."""

    configuration: Configuration
    agents: tuple[str, ...]
    """Agents as they were named, arguments included."""
    attempts: int | None
    """None: as many as are recorded, else one."""
    datasets: tuple[str, ...]
    commits: Path | None
    shard: tuple[int, int] | None
    """Which part, counted from one, of how many."""
    dry_run: bool
    resume: bool
    report: Path
    tasks: tuple[Path, ...]
    files: tuple[str, ...]
    patches: Path
    seeded: bool
    """Whether the seed was given, and not drawn."""


def agents_of(config: pytest.Config) -> tuple[str, ...]:
    """Return the agents asked for; nothing else of this plugin happens when there are none."""
    return tuple(name.strip() for part in _many(config, "agent") for name in part.split(",") if name.strip())


def read_settings(config: pytest.Config) -> Settings:
    """Read every option once.

    Raises:
        UsageError: a value that cannot be; says which are allowed.
    """
    start = config.inipath.parent if config.inipath else config.rootpath
    report = _one(config, "report")
    commits = _one(config, "commits")
    return Settings(
        configuration=_configuration(config),
        agents=agents_of(config),
        attempts=_number(config, "attempts", int, lambda n: n >= 1, "a whole number from 1"),
        datasets=tuple(_many(config, "dataset")),
        commits=config.invocation_params.dir / commits if commits else None,
        shard=_shard(_one(config, "shard")),
        dry_run=_flag(config, "dry-run"),
        resume=_flag(config, "resume"),
        report=config.invocation_params.dir / report if report else start / "reports" / f"{_timestamp()}.json",
        tasks=tuple(start / path for path in config.getini("isobench_tasks")),
        files=tuple(config.getini("isobench_files")),
        patches=start / config.getini("isobench_patches"),
        seeded=_one(config, "seed") is not None,
    )


def _configuration(config: pytest.Config) -> Configuration:
    from pytest_isobench.models.result import Configuration

    given: dict[str, Any] = {
        "margin": _share(config, "margin", 0.0),
        "confidence": _share(config, "confidence", 0.5),
        "require": _choice(config, "require", REQUIRE),
        "only": _choice(config, "only", ONLY),
        "sandbox": _one(config, "sandbox"),
        "seed": _seed(config),
        "time_budget": _time(config, "time-budget"),
        "timeout": _time(config, "timeout"),
        "gpu": _one(config, "gpu"),
    }
    return Configuration(**{name: value for name, value in given.items() if value is not None})


def _one(config: pytest.Config, name: str) -> str | None:
    dest = f"isobench_{name.replace('-', '_')}"
    given: str | None = config.getoption(dest)
    return given if given is not None else config.getini(dest) or None


def _many(config: pytest.Config, name: str) -> Sequence[str]:
    given: list[str] | None = config.getoption(f"isobench_{name}")
    ini: list[str] = config.getini(f"isobench_{name}")
    return given if given is not None else ini


def _flag(config: pytest.Config, name: str) -> bool:
    dest = f"isobench_{name.replace('-', '_')}"
    return bool(config.getoption(dest) or config.getini(dest))


def _wrong(name: str, value: str, allowed: str) -> UsageError:
    return UsageError(f"--isobench-{name}={value}: give {allowed}")


def _choice(config: pytest.Config, name: str, allowed: Iterable[str]) -> str | None:
    value = _one(config, name)
    if value is not None and value not in allowed:
        raise _wrong(name, value, f"one of {', '.join(allowed)}{nearest(value, allowed)}")
    return value


def _number(
    config: pytest.Config, name: str, kind: Callable[[str], Number], fits: Callable[[Number], bool], allowed: str
) -> Number | None:
    value = _one(config, name)
    if value is None:
        return None
    try:
        number = kind(value)
    except ValueError:
        raise _wrong(name, value, allowed) from None
    if not fits(number):
        raise _wrong(name, value, allowed)
    return number


def _share(config: pytest.Config, name: str, above: float) -> float | None:
    return _number(config, name, parse_share, lambda share: above < share < 1, f"a share between {above:g} and 1, such as 0.95 or 5%")


def _time(config: pytest.Config, name: str) -> float | None:
    return _number(config, name, parse_time, lambda seconds: 0 < seconds < 1e7, "seconds above 0, or a time such as 90s, 5m or 1h")


def _seed(config: pytest.Config) -> int:
    seed = _number(config, "seed", int, lambda seed: 0 <= seed < 2**63, "a whole number from 0")
    return _drawn_seed(config) if seed is None else seed


def _drawn_seed(config: pytest.Config) -> int:
    """Draw a seed that no patch can know; the workers of one run get the same from its unique id."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is not None:
        return int(worker["isobench_seed"])
    import secrets

    return secrets.randbits(62)


def _shard(value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", value)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise _wrong("shard", value, "which part of how many, such as 1/4")
    return int(found[1]), int(found[2])


def parse_share(text: str) -> float:
    """Read `0.05` or `5%`. Raises `ValueError`."""
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def parse_time(text: str) -> float:
    """Read `90`, `90s`, `1.5m` or `1h` as seconds. Raises `ValueError`."""
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smh]?)", text.strip())
    if found is None:
        raise ValueError(text)
    return float(found[1]) * UNITS[found[2]]


def _timestamp() -> str:
    import datetime

    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
