"""The cache: folders that are built once, by one process, and never written to again.

An entry is built where it stays, since virtual environments hold their own path: in a new folder each time, under a lock that the kernel
drops when the builder dies. What counts is the marker `.ready`, which names the folder and is written last and in one step; folders that
it does not name are what is left of builds that were cut off, and are removed by whoever builds next.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from filelock import FileLock

from pytest_isobench.errors import SourceError

_READY = ".ready"
_FORMAT = 1
"""Part of every key: raised when entries of older releases can no longer be used."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished entry."""

    path: Path
    facts: dict[str, str]
    """What the builder found out, such as digests."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Folders by kind and key below one root."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """Return the user's cache: `ISOBENCH_CACHE`, else `/var/cache/isobench` for root and `~/.cache/isobench` for others."""
        if place := os.environ.get("ISOBENCH_CACHE"):
            return cls(Path(place).absolute())
        if os.geteuid() == 0:
            return cls(Path("/var/cache/isobench"))
        place = os.environ.get("XDG_CACHE_HOME", "")
        return cls((Path(place) if place.startswith("/") else Path.home() / ".cache") / "isobench")

    def get(self, kind: str, key: str, build: Callable[[Path], dict[str, str]], *, private: bool = False) -> Entry:
        """Return the entry of a key, built now unless it exists.

        `build` fills an empty folder and returns facts to remember. Of several processes that ask at once, one builds and the others wait.
        Every user may read the entry. A `private` one only its owner may read, and it may be written to later.

        Raises:
            SourceError: the disk refuses to hold the entry. What `build` raises goes through, and leaves nothing behind.
        """
        place = self.root / kind / key
        if (entry := _read(place, private)) is None:
            with accusing(self.root), self.lock(kind, key):
                entry = _read(place, private) or _build(place, build, private)
        return entry

    def lock(self, kind: str, key: str) -> FileLock:
        """Return a lock that no other process, and no other thread, holds for the same key. Raises OSError."""
        _make_folder(self.root / kind)
        return FileLock(self.root / kind / f"{key}.lock", thread_local=False)


@contextmanager
def accusing(root: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a SourceError that names the cache."""
    try:
        yield
    except OSError as error:
        advice = "set ISOBENCH_CACHE to a folder with room that this user may write to"
        raise SourceError(f"the cache in {root} cannot be used: {error}; {advice}") from error


def key_of(*parts: object) -> str:
    """Return the key of plain data: the same for the same content, in every process and release of the same format."""
    return hashlib.sha256(json.dumps([_FORMAT, *parts], sort_keys=True).encode()).hexdigest()[:32]


def tree_digest(folder: Path, *, skip: Collection[str] = ()) -> str:
    """Return the digest of a folder's content: names, what is executable, bytes, and where links lead; without the names in `skip`."""
    digest = hashlib.sha256()
    for path in walk(folder, skip=skip):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            kind, content = "link", os.fsencode(os.readlink(path))
        elif stat.S_ISREG(status.st_mode):
            with path.open("rb") as file:
                kind, content = "program" if status.st_mode & 0o111 else "file", hashlib.file_digest(file, "sha256").digest()
        else:
            kind, content = "folder", b""
        name = os.fsencode(path.relative_to(folder))
        digest.update(b"%s %d %d\0" % (kind.encode(), len(name), len(content)) + name + content)
    return digest.hexdigest()


def walk(folder: Path, *, skip: Collection[str] = ()) -> Iterator[Path]:
    """Yield everything below a folder but the names in `skip`, in an order that does not depend on the machine; links are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name)):
        if entry.name not in skip:
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from walk(Path(entry.path), skip=skip)


def _read(place: Path, private: bool) -> Entry | None:
    """Return the entry that the marker names, when there is one and it is whole."""
    try:
        marker = json.loads((place / _READY).read_bytes())
        entry = Entry(place / marker["folder"], marker["facts"])
        # What was written before a crash of the machine may be lost although the marker is there.
        whole = private or marker["boot"] == _boot() or marker["content"] == tree_digest(entry.path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return entry if whole else None


def _build(place: Path, build: Callable[[Path], dict[str, str]], private: bool) -> Entry:
    _make_folder(place)
    for rest in place.iterdir():
        _remove(rest)
    folder = place / secrets.token_hex(4)
    folder.mkdir(mode=0o700)
    try:
        entry = Entry(folder, build(folder))
        if not private:
            _open_to_readers(folder)
        _mark(place, entry, private)
    except BaseException:
        _remove(folder)
        raise
    return entry


def _mark(place: Path, entry: Entry, private: bool) -> None:
    content = None if private else tree_digest(entry.path)
    marker = {"folder": entry.path.name, "facts": entry.facts, "boot": _boot(), "content": content}
    (place / f"{_READY}.new").write_text(json.dumps(marker))
    (place / f"{_READY}.new").chmod(0o644)
    (place / f"{_READY}.new").replace(place / _READY)


@functools.cache
def _boot() -> str:
    """Return what tells this start of the machine from others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _open_to_readers(folder: Path) -> None:
    """Let every user read and nobody but the owner write: candidates may run as another user."""
    folder.chmod(0o755)
    for path in walk(folder):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            wanted = 0o755 if stat.S_ISDIR(mode) or mode & 0o111 else 0o644
            if stat.S_IMODE(mode) != wanted:
                path.chmod(wanted)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _remove(path: Path) -> None:
    """Remove what is left of a build, also where it took away its own right to write, or where somebody is still writing."""
    if path.is_dir() and not path.is_symlink():
        for folder in chain([path], (inner for inner in walk(path) if inner.is_dir() and not inner.is_symlink())):
            folder.chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
