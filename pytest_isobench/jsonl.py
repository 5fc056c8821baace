"""Files of JSON lines: written so that a crash costs at most the line in progress, and read without trust."""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

from pytest_isobench.errors import JournalError

LINE_LIMIT = 16 * 2**20
"""Bytes of the longest line that is written or read."""

REFUSED_LIMIT = 1000
"""How many broken lines are listed one by one."""


def dumps(value: object) -> str:
    """Return one line of JSON. Raises ValueError for NaN, infinities and bottomless nesting, TypeError for what JSON cannot say."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def loads(data: bytes | str) -> Any:
    """Parse strict JSON. Raises ValueError for NaN, numbers too large for a float, repeated names, bad UTF-8 and bottomless nesting."""
    text = data if isinstance(data, str) else data.decode("utf-8")
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large for a number")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r:.80} is given twice")
    return value


def note(refused: list[str] | None, message: str) -> None:
    """Add a message to a collector, which stays of a readable size whatever the file holds."""
    if refused is None or len(refused) > REFUSED_LIMIT:
        return
    refused.append(message if len(refused) < REFUSED_LIMIT else "and more, which are not listed")


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it stands in a file."""

    number: int
    data: bytes
    torn: bool = False
    """Whether its end is missing: the last line of a writer that was cut off, or is writing just now."""
    oversized: bool = False

    def unfinished(self, *starts: bytes) -> bool:
        """Whether it is the beginning, and no more, of a line that starts in one of these ways."""
        return self.torn and not self.oversized and any(self.data.startswith(start[: len(self.data)]) for start in starts)

    def value(self) -> Any:
        """Parse it. Raises ValueError with the reason."""
        if self.oversized:
            raise ValueError(f"longer than {LINE_LIMIT} bytes")
        return loads(self.data)


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a regular file, holding one at a time. Raises OSError."""
    # O_NONBLOCK: a FIFO that somebody planted must not stop the reader.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        number = 0
        while data := file.readline(LINE_LIMIT + 1):
            number += 1
            oversized, ended = len(data) > LINE_LIMIT and not data.endswith(b"\n"), data.endswith(b"\n")
            while oversized and not ended and (rest := file.readline(LINE_LIMIT)):
                ended = rest.endswith(b"\n")
            yield Line(number, b"" if oversized else data.removesuffix(b"\n"), torn=not ended, oversized=oversized)


class LineFile:
    """An append-only file of JSON lines with one writer, held by a lock that the kernel drops when the writer dies.

    Every append is on disk when it returns, and a line that could not be completed is cut off again. All methods raise
    `JournalError`, naming the file and the cause, when the disk refuses.
    """

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        """Open or create the file, and its folder; `fresh` empties it."""
        self.path = path
        self.lines = 0
        """Whole lines in the file."""
        self._end = 0
        self._dirty = True
        self._process = os.getpid()
        with accusing(path):
            make_folder(path.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._descriptor = os.open(path, flags, 0o644)
        try:
            with accusing(path):
                self._claim()
                if not fresh:
                    self._measure()
                self._cut()
                sync_folder(path.parent)
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, value: object) -> None:
        """Write one line and wait until it is on disk. Raises ValueError or TypeError for what cannot be written."""
        line = dumps(value).encode() + b"\n"
        if len(line) > LINE_LIMIT:
            raise ValueError(f"a line of {len(line)} bytes is longer than {LINE_LIMIT}")
        with accusing(self.path):
            self._check()
            self._cut()
            self._write(line)

    def close(self) -> None:
        """Let go of the file, and remove it when nothing was written. Idempotent."""
        if self._descriptor < 0:
            return
        if self.lines == 0 and os.getpid() == self._process:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _claim(self) -> None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise JournalError(f"{self.path}: is not a regular file")
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"{self.path}: another writer has it open; give each run its own file") from None

    def _measure(self) -> None:
        """Find the end of the last whole line."""
        position = 0
        while block := os.pread(self._descriptor, 2**20, position):
            self.lines += block.count(b"\n")
            if (last := block.rfind(b"\n")) >= 0:
                self._end = position + last + 1
            position += len(block)

    def _check(self) -> None:
        if self._descriptor < 0:
            raise JournalError(f"{self.path}: is closed")
        if os.getpid() != self._process:
            raise JournalError(f"{self.path}: belongs to process {self._process}; every process opens its own")
        if os.fstat(self._descriptor).st_nlink == 0:
            raise JournalError(f"{self.path}: was removed while the run was writing to it")

    def _cut(self) -> None:
        if self._dirty:
            os.ftruncate(self._descriptor, self._end)
            self._dirty = False

    def _write(self, line: bytes) -> None:
        self._dirty = True
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            self._cut()
            raise
        self._dirty = False
        self._end += len(line)
        self.lines += 1


@contextmanager
def accusing(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a `JournalError` that names the file."""
    try:
        yield
    except OSError as error:
        raise JournalError(f"{path}: cannot be written: {error.strerror or error}") from error


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each of them on disk. Raises OSError."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the folder's entries are on disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
