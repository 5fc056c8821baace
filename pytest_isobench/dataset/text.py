"""Task files as bytes and text: what is refused before anything is parsed."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from pytest_isobench.errors import TaskError

_REASONS = {
    errno.ENOENT: "does not exist",
    errno.ELOOP: "is a symbolic link that leads back to itself",
    errno.EACCES: "may not be read by this user",
    errno.EPERM: "may not be read by this user",
    errno.ENOTDIR: "lies in something that is not a folder",
    errno.ENAMETOOLONG: "has a name that is too long",
}

_SNIFF = 8192
"""Bytes at the start of a file that show whether it is text."""


def open_text(path: Path, *, limit: int) -> BinaryIO:
    """Open a file that looks like UTF-8 text. Raises TaskError for what is no file, empty, binary, or larger than `limit` bytes."""
    file = open_regular(path, limit=limit)
    try:
        _refuse_binary(file.read(_SNIFF), path)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def open_regular(path: Path, *, limit: int) -> BinaryIO:
    """Open a regular file of 1 to `limit` bytes. Raises TaskError."""
    try:
        if problem := _unfit(path.stat(), limit):
            raise TaskError(problem, path=path)
        return path.open("rb")
    except OSError as error:
        raise TaskError(_REASONS.get(error.errno or 0, f"cannot be read: {error.strerror}"), path=path) from error
    except ValueError:
        raise TaskError("is not a name that a file can have", path=repr(str(path))) from None


def read_text(path: Path, *, limit: int) -> str:
    """Return the text of a UTF-8 file. Raises TaskError."""
    with open_text(path, limit=limit) as file:
        return decode(file.read(limit + 1), path=path)


def decode(data: bytes, *, path: Path | str, line: int = 1) -> str:
    """Return UTF-8 bytes as text, without a byte order mark. Raises TaskError with the line; `line` is the first byte's."""
    if (at := data.find(b"\0")) >= 0:
        raise TaskError("holds a NUL byte, which no text does", path=path, line=line + data.count(b"\n", 0, at))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = line + data.count(b"\n", 0, error.start)
        raise TaskError(f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8", path=path, line=where) from None


def _unfit(status: os.stat_result, limit: int) -> str | None:
    if stat.S_ISDIR(status.st_mode):
        return "is a folder, not a task file"
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if status.st_size == 0:
        return "is empty"
    if status.st_size > limit:
        allowed = f"{limit // 2**20:,} MiB that this kind of file may have"
        return f"has {status.st_size // 2**20:,} MiB, more than the {allowed}; JSON lines (.jsonl) are for large data sets"
    return None


def _refuse_binary(start: bytes, path: Path) -> None:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TaskError("is UTF-16; save the file as UTF-8", path=path, line=1)
    if (at := start.find(b"\0")) >= 0:
        message = "holds a NUL byte: a binary file, or UTF-16; task files are UTF-8 text"
        raise TaskError(message, path=path, line=1 + start.count(b"\n", 0, at))
