"""The journal: every trial, round and result of a campaign, on disk as soon as it ends."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pytest_isobench.jsonl import Line, LineFile, dumps, note, read_lines

KINDS: Mapping[str, Mapping[str, type]] = {
    "trial": {"campaign": str, "round": int, "arm": str},
    "round": {"campaign": str, "round": int},
    "result": {"key": str, "result": dict},
}
"""What an entry may be, and the fields that it has at least."""

_FIRST_BYTES = b'{"entry":'
_STARTED = time.time_ns()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal that proved whole."""

    kind: str
    fields: Mapping[str, Any]
    path: Path
    line: int


class Journal:
    """This process's own file in a folder of journals: append-only, one JSON entry a line, numbered and with a checksum.

    All methods raise `JournalError` when the disk refuses; the file then holds every entry that was acknowledged before.
    """

    def __init__(self, folder: Path) -> None:
        started = time.strftime("%Y%m%dT%H%M%S", time.gmtime(_STARTED // 10**9))
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:60]
        self._file = LineFile(folder / f"{started}.{_STARTED % 10**9:09}-{host}-{os.getpid()}.jsonl")
        self._turn = threading.Lock()

    @property
    def path(self) -> Path:
        return self._file.path

    def append(self, kind: str, /, **fields: object) -> None:
        """Write one entry and wait until it is on disk. Raises ValueError or TypeError for an entry that no reader would accept."""
        if objection := _objection(kind, fields):
            raise ValueError(f"journal entry: {objection}")
        with self._turn:
            body = {"entry": self._file.lines, "kind": kind, "fields": fields}
            self._file.append({**body, "crc": _checksum(body)})

    def close(self) -> None:
        """Let go of the file, and remove it when nothing was written. Idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def read(folder: Path, refused: list[str] | None = None) -> Iterator[Entry]:
        """Yield the entries of all files in a folder, the oldest process first; none when there is no such folder.

        A torn last line is what a crash leaves and is passed over. Every other line that cannot be believed is named in
        `refused` with its file, number and reason, and its neighbours are kept.
        """
        for path in sorted(folder.glob("*.jsonl")):
            if path.is_symlink():
                note(refused, f"{path}: is a link, and no journal is")
                continue
            try:
                yield from _entries(path, refused)
            except OSError as error:
                note(refused, f"{path}: cannot be read: {error.strerror or error}")


def _entries(path: Path, refused: list[str] | None) -> Iterator[Entry]:
    expected = broken = 0
    for line in read_lines(path):
        try:
            number, kind, fields = _parse(line)
            if number < expected:
                raise ValueError(f"entry {number} again")
        except ValueError as error:
            if not line.unfinished(_FIRST_BYTES):
                note(refused, f"{path}:{line.number}: {error}")
                broken += 1
            continue
        if number > expected + broken:
            note(refused, f"{path}:{line.number}: {number - expected - broken} entries before this line are missing")
        expected, broken = number + 1, 0
        yield Entry(kind, fields, path, line.number)


def _parse(line: Line) -> tuple[int, str, dict[str, Any]]:
    body = line.value()
    if not isinstance(body, dict) or set(body) != {"entry", "kind", "fields", "crc"}:
        raise ValueError("is no journal entry")
    checksum = body.pop("crc")
    number, kind, fields = body["entry"], body["kind"], body["fields"]
    if type(number) is not int or not isinstance(kind, str) or not isinstance(fields, dict):
        raise ValueError("is no journal entry")
    if checksum != _checksum(body):
        raise ValueError("was altered: its checksum does not fit")
    if objection := _objection(kind, fields):
        raise ValueError(objection)
    return number, kind, fields


def _checksum(body: Mapping[str, Any]) -> int:
    return zlib.crc32(dumps(body).encode())


def _objection(kind: str, fields: Mapping[str, Any]) -> str:
    if kind not in KINDS:
        return f"unknown kind {kind!r:.80}; known are {', '.join(KINDS)}"
    for name, kind_of in KINDS[kind].items():
        if name not in fields:
            return f"{kind}: {name!r} is missing"
        if not isinstance(fields[name], kind_of) or isinstance(fields[name], bool):
            return f"{kind}: {name!r} must be {kind_of.__name__}, not {type(fields[name]).__name__}"
    return ""
