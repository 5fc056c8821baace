"""What `isobench doctor` looks at on this machine."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PYTHONS = ("3.11", "3.12", "3.13")
ROOM = 2 * 2**30
"""Bytes of free disk below which builds are likely to fail."""
BUSY = 0.5
"""Load per core from which measuring takes notably longer."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the answer: `ok`, a `note` that limits what can be measured, something essential that is `missing`, or a `leak`."""

    grade: Literal["ok", "note", "missing", "leak"]
    subject: str
    text: str


def examine() -> Iterator[Check]:
    """Look at everything, the essential first."""
    yield from _sandbox()
    yield from _containers()
    yield _git()
    yield from _pythons()
    yield from _cores()
    yield from _machine()
    yield from _cache()
    yield from _leftovers()


def _sandbox() -> Iterator[Check]:
    from pytest_isobench.errors import IsobenchError
    from pytest_isobench.sandboxes.local import LocalProvider

    try:
        isolation = LocalProvider().isolation()
    except (IsobenchError, OSError) as error:
        yield Check("missing", "local sandbox", str(error))
        return
    names = ("filesystem", "network", "processes", "user", "limits")
    kept = [name for name in names if getattr(isolation, name)]
    open_to = [name for name in names if name not in kept]
    text = f"keeps apart {', '.join(kept) or 'nothing'}"
    yield Check("note", "local sandbox", f"{text}; not {', '.join(open_to)}") if open_to else Check("ok", "local sandbox", text)
    for note in isolation.notes:
        yield Check("note", "local sandbox", note)


def _containers() -> Iterator[Check]:
    from pytest_isobench.errors import IsobenchError
    from pytest_isobench.sandboxes.docker import DockerProvider

    try:
        yield Check("ok", "docker sandbox", DockerProvider().isolation().place)
    except IsobenchError as error:
        yield Check("note", "docker sandbox", str(error))


def _git() -> Check:
    path = shutil.which("git")
    if path is None:
        return Check("missing", "git", "is not installed, and patches are applied with it (apt install git)")
    return Check("ok", "git", _version([path, "--version"]) or path)


def _pythons() -> Iterator[Check]:
    paths = {version: shutil.which(f"python{version}") for version in PYTHONS}
    # Asked for its version, as what lies on the path may only stand for an interpreter that is not installed.
    found = {version: path for version, path in paths.items() if path and _version([path, "--version"])}
    found[f"{sys.version_info.major}.{sys.version_info.minor}"] = sys.executable
    absent = [version for version in PYTHONS if version not in found]
    yield Check("ok", "Python", ", ".join(f"{version} ({path})" for version, path in sorted(found.items())))
    if absent:
        yield Check("note", "Python", f"{', '.join(absent)} not found: tasks that ask for one of them are skipped")


def _cores() -> Iterator[Check]:
    from pytest_isobench.measuring.leases import FOLDER, leasable_cores, physical_cores

    cores = physical_cores(os.sched_getaffinity(0))
    free = leasable_cores(1, cores)
    if len(cores) == 1:
        yield Check("note", "cores", "only one: what the system does disturbs what is measured, and rounds are measured again")
    else:
        yield Check("ok", "cores", f"{len(cores)} physical; for measuring CPU {', '.join(map(str, free))}, the first serves the system")
    if held := sorted(_held(FOLDER)):
        yield Check("note", "leases", f"held by running measurements: {', '.join(held)}; further ones wait for their end")


def _held(folder: Path) -> Iterator[str]:
    """Yield the names of leases that some process holds now."""
    for path in folder.glob("*.lock"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield path.stem
        finally:
            os.close(descriptor)


def _machine() -> Iterator[Check]:
    from pytest_isobench.measuring.machine import describe

    machine = describe()
    yield Check("ok", "machine", f"{machine.cpu}, {machine.memory_mb} MB, {machine.system}, kernel {machine.kernel}")
    if machine.gpus:
        yield Check("ok", "GPU", "; ".join(machine.gpus))
        if importlib.util.find_spec("pynvml") is None:
            yield Check("note", "GPU", "clocks and heat are not watched while measuring: pip install 'pytest-isobench[gpu]'")
        yield from _devices()
    if machine.governor not in (None, "performance"):
        yield Check("note", "governor", f"{machine.governor}: the clock's speed varies; 'performance' gives narrower intervals")
    if machine.load and machine.load[0] > BUSY * machine.logical_cores:
        yield Check("note", "load", f"{machine.load[0]:.1f} on {machine.logical_cores} CPUs: other work makes measuring take longer")


def _devices() -> Iterator[Check]:
    from pytest_isobench import gpus
    from pytest_isobench.errors import NotEvaluableError

    try:
        gpus.Driver().files(gpus.usable())
    except NotEvaluableError as error:
        yield Check("note", "GPU", f"the local sandbox has none: {error}")


def _cache() -> Iterator[Check]:
    from pytest_isobench.dataset.cache import Cache

    root = Cache.default().root
    existing = next(path for path in (root, *root.parents) if os.path.exists(path))
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        yield Check("missing", "cache", f"{root} cannot be written: {error.strerror}; set ISOBENCH_CACHE to a folder that can")
        return
    free = shutil.disk_usage(existing).free
    text = f"{root}, {_megabytes(_size(root))} used, {_megabytes(free)} free"
    yield Check("ok", "cache", text) if free > ROOM else Check("note", "cache", f"{text}: environments may not fit")
    free = shutil.disk_usage(tempfile.gettempdir()).free
    yield Check("ok" if free > ROOM else "note", "temporary files", f"{tempfile.gettempdir()}, {_megabytes(free)} free")


def _size(folder: Path) -> int:
    """Return the bytes on disk below a folder, counting hard links once."""
    seen = {(status.st_dev, status.st_ino): status.st_blocks * 512 for status in _statuses(folder)}
    return sum(seen.values())


def _statuses(folder: Path) -> Iterator[os.stat_result]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(place, name))
            except OSError:
                continue


def _leftovers() -> Iterator[Check]:
    from pydantic import ValidationError

    from pytest_isobench.sandboxes.session import OWNER, PREFIX, Owner

    gone = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if Owner.model_validate_json((folder / OWNER).read_bytes()).gone:
                gone.append(folder)
        except (OSError, ValidationError):
            continue
    if gone:
        yield Check("note", "leftovers", f"killed runs left {len(gone)} in {tempfile.gettempdir()}, which the next run removes")


def _version(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
