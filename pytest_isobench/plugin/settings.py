"""From options and ini values to one frozen value, early; nothing further in asks pytest's config."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_isobench.errors import UsageError, nearest
from pytest_isobench.plugin.options import CONTAINER_OPTIONS, agents_of, many

if TYPE_CHECKING:
    from pytest_isobench.models.container import ContainerSettings
    from pytest_isobench.models.result import Configuration

REQUIRE = ("match", "improve", "correct")
ONLY = ("baseline", "human", "agent")
MOST_ATTEMPTS = 1000
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What this session was asked to do."""

    configuration: Configuration
    seeded: bool
    """Whether the configuration's seed was given, and is not merely the default."""
    agents: tuple[str, ...]
    """Agents as they were named, arguments included."""
    attempts: int | None
    """None: as many as are recorded, else one."""
    datasets: tuple[Path, ...]
    """Files and folders; those of the hub have been brought here."""
    commits: Path | None
    shard: tuple[int, int] | None
    """Which part, counted from one, of how many."""
    dry_run: bool
    resume: bool
    report: Path
    journal: Path
    """Folder of this session's journals, in a folder with those of earlier sessions."""
    directory: Path
    """Where relative paths of the command line start."""
    tasks: tuple[Path, ...]
    patches: Path
    agent_files: Path
    """Folder of files that describe agents."""
    prompts: Path
    """Folder of templates for prompts."""
    run_agents: bool
    """Whether agents may run where no patch is recorded."""

    def for_workers(self) -> dict[str, Any]:
        """Return what every process of the session must have in common, as plain data."""
        return {
            "seed": self.configuration.seed,
            "report": str(self.report),
            "journal": str(self.journal),
            "datasets": [str(path) for path in self.datasets],
        }


def read_settings(config: pytest.Config) -> Settings:
    """Read every option once.

    Raises:
        UsageError: a value that cannot be; says which are allowed.
    """
    here, home = config.invocation_params.dir, config.inipath.parent if config.inipath else config.rootpath
    shared = _shared(config, home)
    seed = _number(config, "seed", int, lambda seed: 0 <= seed < 2**63, "a whole number from 0")
    commits = _one(config, "commits")
    return Settings(
        configuration=_configuration(config, shared.get("seed", seed or 0)),
        seeded=seed is not None or "seed" in shared,
        agents=agents_of(config),
        attempts=_number(config, "attempts", int, lambda n: 1 <= n <= MOST_ATTEMPTS, f"a whole number from 1 to {MOST_ATTEMPTS}"),
        datasets=tuple(map(Path, shared["datasets"])),
        commits=here / commits if commits else None,
        shard=_shard(_one(config, "shard")),
        dry_run=_flag(config, "dry-run"),
        resume=_flag(config, "resume"),
        report=Path(shared["report"]),
        journal=Path(shared["journal"]),
        directory=here,
        tasks=tuple(home / path for path in config.getini("isobench_tasks")),
        patches=home / config.getini("isobench_patches"),
        agent_files=home / config.getini("isobench_agents"),
        prompts=home / config.getini("isobench_prompts"),
        run_agents=_flag(config, "run-agents"),
    )


def _shared(config: pytest.Config, home: Path) -> dict[str, Any]:
    """Return what the session's processes have in common: decided once, and handed to xdist's workers."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is not None:
        given: dict[str, Any] = worker["isobench"]
        return given
    named, started = _one(config, "report"), _timestamp()
    report = config.invocation_params.dir / named if named else home / "reports" / f"{started}.json"
    return {
        "report": report,
        "journal": report.parent / "journal" / started,
        "datasets": [path for name in many(config, "dataset") for path in _dataset(name, config.invocation_params.dir)],
    }


def seeded(settings: Settings) -> Settings:
    """Return settings with the seed that all sessions with these journals share, drawn by the first of them.

    It is secret to every candidate, who sees neither its file nor the reports; a resumed session needs the one that was cut off.
    Raises `UsageError` when it can be neither read nor written.
    """
    if settings.seeded:
        return settings
    file = settings.journal.parent / "seed"
    try:
        if not file.exists():
            _draw_seed(file)
        seed = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: cannot be used: {error}; remove it, or choose a writable place with --isobench-report") from error
    return replace(settings, configuration=settings.configuration.model_copy(update={"seed": seed}), seeded=True)


def _draw_seed(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    own = file.with_name(f".seed-{os.getpid()}")
    own.touch(mode=0o600)
    try:
        own.write_text(str(int.from_bytes(os.urandom(7), "big")), encoding="ascii")
        with suppress(FileExistsError):
            file.hardlink_to(own)
    finally:
        own.unlink()


def _dataset(name: str, here: Path) -> Sequence[Path]:
    if name.startswith("hub:"):
        from pytest_isobench.dataset.hub import fetch

        return fetch(name)
    path = here / name
    if not path.exists():
        raise UsageError(f"--isobench-dataset={name}: there is no such file; for a data set of the Hugging Face hub write hub:ORG/NAME")
    return [path]


def _configuration(config: pytest.Config, seed: int) -> Configuration:
    from pytest_isobench.models.result import Configuration

    given: dict[str, Any] = {
        "margin": _share(config, "margin", 0.0),
        "confidence": _share(config, "confidence", 0.5),
        "require": _choice(config, "require", REQUIRE),
        "only": _choice(config, "only", ONLY),
        "sandbox": _one(config, "sandbox"),
        "seed": seed,
        "time_budget": _time(config, "time-budget"),
        "timeout": _time(config, "timeout"),
        "gpu": _one(config, "gpu"),
        "container": _containers(config),
    }
    return Configuration(**{name: value for name, value in given.items() if value is not None})


def _containers(config: pytest.Config) -> ContainerSettings:
    from pytest_isobench.plugin.containers import container_settings

    given: dict[str, Any] = {
        option.name: many(config, option.name) if option.kind == "many" else _one(config, option.name) for option in CONTAINER_OPTIONS
    }
    return container_settings(given, _one(config, "sandbox") or "local", config.invocation_params.dir, parse_time)


def _one(config: pytest.Config, name: str) -> str | None:
    dest = f"isobench_{name.replace('-', '_')}"
    given: str | None = config.getoption(dest)
    return given if given is not None else config.getini(dest) or None


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

    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
