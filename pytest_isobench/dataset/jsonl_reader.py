"""Task files in JSON lines: one record a line, for data sets of any size. Collecting keeps offsets, not bodies."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from pytest_isobench.dataset.json_text import check_syntax, parse, skip
from pytest_isobench.dataset.records import Raw, check_version, validate
from pytest_isobench.dataset.stubs import Body, Broken, Stub, outline
from pytest_isobench.dataset.text import decode, open_text
from pytest_isobench.errors import TaskError
from pytest_isobench.models.task import Task

LIMIT = 16 * 2**30
"""Bytes of the largest file; hours of collecting beyond it would be a mistake."""

LINE_LIMIT = 16 * 2**20
"""Bytes of the longest line."""

_BUFFER = 2**20


class _Source(TypedDict, total=False):
    base: Any
    human: Any
    patch: Any


class _Resources(TypedDict, total=False):
    gpus: Any


class _Outline(TypedDict, total=False):
    """The few fields of a record that a stub needs: the parser skips over all others without making Python values of them."""

    id: Any
    repo: Any
    language: Any
    marks: Any
    source: _Source
    resources: _Resources


@dataclass(frozen=True, slots=True)
class File:
    """The file that the lines are in, as it was when they were counted."""

    path: Path
    size: int
    modified: int

    def line(self, offset: int, length: int) -> bytes:
        """Read one line again. Raises TaskError when the file was changed meanwhile, or is gone."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                if (status.st_size, status.st_mtime_ns) != (self.size, self.modified):
                    raise TaskError("was changed after its tasks were collected; start again", path=self.path)
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise TaskError(f"cannot be read any more: {error.strerror}", path=self.path) from error


@dataclass(frozen=True, slots=True)
class LineBody:
    """A record as a piece of a file."""

    file: File
    offset: int
    length: int

    def load(self, path: Path, line: int) -> Task:
        return load_line(self.file.line(self.offset, self.length), path, line)


def load_line(data: bytes, path: Path, line: int) -> Task:
    """Return the task of one line. Raises TaskError."""
    raw = parse_line(data, path, line)
    value = raw.value
    if isinstance(value, dict) and "version" in value:
        check_version(value["version"], path, line)
        value = {name: field for name, field in value.items() if name != "version"}
    return validate(replace(raw, value=value), path)


def parse_line(data: bytes, path: Path, line: int) -> Raw:
    """Parse one line. Raises TaskError when it is no JSON."""
    text = decode(data, path=path, line=line).strip(" \t\r\n")
    check_syntax(text, path=path, line=line)
    return parse(text, skip(text, 0), line=line)


def read_jsonl(path: Path) -> Iterator[Stub]:
    """Yield the stubs of a file of JSON lines, holding one line at a time. Raises TaskError when the file as a whole is wrong."""
    with open_text(path, limit=LIMIT) as file:
        status = os.fstat(file.fileno())
        source = File(path, status.st_size, status.st_mtime_ns)
        count = 0
        for line, offset, data in _lines(file):
            if data is None:
                yield outline(None, path=path, line=line, body=Broken(f"is longer than the {LINE_LIMIT // 2**20} MiB that a line may have"))
            elif data.isspace():
                continue
            else:
                yield _stub(data, path, line, LineBody(source, offset, len(data)))
            count += 1
        if not count:
            raise TaskError("holds no tasks", path=path)


def _lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield number, offset and bytes of each line; None for the bytes of one that is too long."""
    number, offset = 0, 0
    while data := file.readline(LINE_LIMIT + 1):
        number, start, offset = number + 1, offset, offset + len(data)
        if len(data) <= LINE_LIMIT:
            yield number, start, data
        else:
            offset += _skip_rest(file, data)
            yield number, start, None


def _skip_rest(file: BinaryIO, data: bytes) -> int:
    skipped = 0
    while not data.endswith(b"\n") and (data := file.readline(_BUFFER)):
        skipped += len(data)
    return skipped


@functools.cache
def _fast() -> TypeAdapter[_Outline]:
    return TypeAdapter(_Outline)


def _stub(data: bytes, path: Path, line: int, body: Body) -> Stub:
    try:
        return outline(_fast().validate_json(data), path=path, line=line, body=body)
    except ValidationError:
        return outline(_anything(data, path, line), path=path, line=line, body=body)


def _anything(data: bytes, path: Path, line: int) -> object:
    """Parse a line that the fast way refused; None when it cannot be read at all, which its body will explain."""
    try:
        return parse_line(data, path, line).value
    except TaskError:
        return None
