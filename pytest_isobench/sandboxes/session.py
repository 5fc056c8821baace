"""The folder of one open sandbox, and the removal of what killed controllers left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from pytest_isobench.models.base import Record
from pytest_isobench.sandboxes import cgroups
from pytest_isobench.sandboxes.users import Claim

PREFIX = "isobench-box-"
OWNER = "owner.json"
SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - where any program may leave files
UNFINISHED = 3600.0
"""Seconds after which a folder without an owner's record is a leftover."""


class Owner(Record):
    """Who holds a session's folder, and what it holds outside of it."""

    pid: int
    started: int
    """Clock ticks after the boot."""
    boot: str
    namespace: str
    """Of process ids: a process of another one cannot be seen from here, and may be alive."""
    users: tuple[int, ...] = ()
    cgroups: tuple[str, ...] = ()

    @classmethod
    def me(cls) -> Self:
        return cls(pid=os.getpid(), started=_started(os.getpid()) or 0, boot=_boot(), namespace=os.readlink("/proc/self/ns/pid"))

    @property
    def gone(self) -> bool:
        if self.boot != _boot():
            return True
        return self.namespace == os.readlink("/proc/self/ns/pid") and _started(self.pid) != self.started


class Session:
    """A folder that everybody may enter and nobody may list, with a record of who owns it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.path.chmod(0o711)
        self._owner = Owner.me()
        self.note()

    def note(self, *, users: tuple[int, ...] = (), groups: tuple[str, ...] = ()) -> None:
        """Record further users and control groups, before they are used."""
        owner = self._owner
        self._owner = owner.model_copy(update={"users": owner.users + users, "cgroups": owner.cgroups + groups})
        draft = self.path / f"{OWNER}.new"
        draft.write_text(self._owner.model_dump_json())
        draft.rename(self.path / OWNER)

    def stamp(self) -> int:
        """Return the time in nanoseconds by the clock that stamps files: whatever changes from now on has at least this one."""
        mark = self.path / "stamp"
        mark.touch()
        return mark.stat().st_ctime_ns

    def close(self) -> None:
        """Kill what still runs, and remove every trace. Idempotent. The claims on its users must still be held."""
        _clean(self.path, self._owner)


def reap() -> list[str]:
    """Remove what controllers of this user left behind when they were killed; returns the folders."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
        except OSError:  # gone meanwhile: somebody has closed it
            continue
        try:
            if status.st_uid != os.geteuid() or not folder.is_dir() or folder.is_symlink():
                continue
            owner = Owner.model_validate_json((folder / OWNER).read_bytes())
        except FileNotFoundError:
            if time.time() - status.st_mtime > UNFINISHED:
                remove(folder)
        except (OSError, ValidationError):
            continue
        else:
            if owner.gone:
                _reap_one(folder, owner)
                removed.append(str(folder))
    return removed


def _reap_one(folder: Path, owner: Owner) -> None:
    """Remove one leftover, but leave alone users that a living sandbox holds by now."""
    claims = [claim for user in owner.users if (claim := Claim.take(user)) is not None]
    try:
        _clean(folder, owner.model_copy(update={"users": tuple(claim.user for claim in claims)}))
    finally:
        for claim in claims:
            claim.release()


def remove(folder: Path) -> None:
    """Remove a folder, however deep and whatever its modes; never what is mounted in it."""
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf", "--one-file-system"]):
        subprocess.run([*command, "--", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _clean(folder: Path, owner: Owner) -> None:
    cgroups.dissolve([Path(group) for group in owner.cgroups])
    deadline = time.monotonic() + 5
    while (alive := list(_processes(folder, owner.users))) and time.monotonic() < deadline:
        for pid in alive:
            _kill(pid)
        time.sleep(0.01)
    if owner.users:
        _sweep(frozenset(owner.users))
    if folder.exists():
        remove(folder)


def _processes(folder: Path, users: tuple[int, ...]) -> Iterator[int]:
    """The living processes of a session: by their user, or by the temporary folder that they were given."""
    marks = (f"TMPDIR={folder}\0".encode(), f"TMPDIR={folder}/".encode())
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            mine = _user(entry) in users or any(mark in (entry / "environ").read_bytes() for mark in marks)
            if mine and _state(entry) != "Z":
                yield int(entry.name)
        except OSError:
            continue


def _sweep(users: frozenset[int]) -> None:
    """Remove what the session's users left in the folders that everybody may write to."""
    for place in SHARED:
        for entry in Path(place).glob("*"):
            with suppress(FileNotFoundError):  # others' files come and go meanwhile
                if entry.lstat().st_uid in users:
                    remove(entry)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        return


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _fields(process: Path) -> list[str]:
    """What follows the command's name in `/proc/PID/stat`: the state first, the start time twentieth."""
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _user(process: Path) -> int:
    """Return the real user id. The owner of `/proc/PID` is not it: a process can hide there."""
    lines = (process / "status").read_text(errors="replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Uid:")), -1)


def _state(process: Path) -> str:
    return _fields(process)[0]


def _started(pid: int) -> int | None:
    """Return a process's start in clock ticks after the boot; None when it is gone."""
    try:
        return int(_fields(Path("/proc") / str(pid))[19])
    except (OSError, IndexError):
        return None
