"""The cache: folders that are built once, by one process, and never written to again.

An entry is built where it stays, since virtual environments hold their own path, under a lock that the kernel drops when the builder dies.
What counts is the marker `.ready`, written last and in one step: a folder without it is the rest of a build that was cut off, and is
removed by whoever builds next.
"""

from __future__ import annotations

import hashlib
import json
import os
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
        Every user may read the entry, unless it is private.

        Raises:
            SourceError: the disk refuses to hold the entry. What `build` raises goes through, and leaves nothing behind.
        """
        folder = self.root / kind / key
        if (entry := _read(folder)) is None:
            with accusing(self.root), self.lock(kind, key):
                entry = _read(folder) or _build(folder, build, private)
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


def _read(folder: Path) -> Entry | None:
    try:
        facts = json.loads((folder / _READY).read_bytes())
    except (OSError, ValueError):
        return None
    return Entry(folder, facts)


def _build(folder: Path, build: Callable[[Path], dict[str, str]], private: bool) -> Entry:
    _remove(folder)
    folder.mkdir(mode=0o700)
    try:
        facts = build(folder)
        if not private:
            _open_to_readers(folder)
        _mark(folder, facts)
    except BaseException:
        _remove(folder)
        raise
    return Entry(folder, facts)


def _mark(folder: Path, facts: dict[str, str]) -> None:
    marker = folder / f"{_READY}.new"
    with marker.open("w") as file:
        json.dump(facts, file)
        # What a crash of the machine could lose must be on disk before the marker says that it is there.
        os.sync()
    marker.chmod(0o644)
    marker.replace(folder / _READY)


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


def _remove(folder: Path) -> None:
    """Remove a folder, also one whose build took away its own right to write."""
    if not folder.is_dir():
        return
    for path in chain([folder], walk(folder)):
        if path.is_dir() and not path.is_symlink() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            path.chmod(0o700)
    shutil.rmtree(folder)
