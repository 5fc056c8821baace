"""Stubs: what collecting and choosing tests needs to know about a record, and where its body is."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pytest_isobench.errors import TaskError
from pytest_isobench.models.task import Task

RECORDS = 1_000_000
"""Records that one file, or data set, may have."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class Body(Protocol):
    """Where a record can be read again."""

    def load(self, path: Path, line: int) -> Task:
        """Read and validate the record. Raises TaskError."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Stub:
    """A record of a task file before its body is needed; a broken record has one too, and tells its trouble when loaded."""

    path: Path
    """The task file; for a data set of the hub the downloaded one."""
    line: int
    """Line of a text file, row of a Parquet file; from 1."""
    id: str
    """The record's id; `line-17` when it has none that can be used."""
    body: Body
    repo: str = ""
    language: str = "python"
    marks: tuple[str, ...] = ()
    base: str = ""
    """The base commit, version or folder as the record has it; empty when it leaves the choice to the source."""
    human: str = ""
    """The human's commit, version, folder or patch file as the record has it."""
    gpus: int = 0

    def load(self) -> Task:
        """Read and validate the whole record. Raises TaskError that names file, line and field."""
        return self.body.load(self.path, self.line)


@dataclass(frozen=True, slots=True)
class Broken:
    """The body of a record that is refused whatever it holds."""

    message: str
    field: str | None = None

    def load(self, path: Path, line: int) -> Task:
        raise TaskError(self.message, path=path, line=line, field=self.field)


def outline(value: object, *, path: Path, line: int, body: Body) -> Stub:
    """Make the stub of a parsed record. Never fails: what does not fit is left out, and shows when the stub is loaded."""
    record = value if isinstance(value, Mapping) else {}
    source, resources = _mapping(record, "source"), _mapping(record, "resources")
    gpus = resources.get("gpus")
    return Stub(
        path=path,
        line=line,
        id=_id(record.get("id")) or f"line-{line}",
        body=body,
        repo=sys.intern(_text(record, "repo")),
        language=sys.intern(_text(record, "language") or "python"),
        marks=_marks(record.get("marks")),
        base=_text(source, "base"),
        human=_text(source, "human") or _text(source, "patch"),
        gpus=gpus if isinstance(gpus, int) and gpus > 0 else 0,
    )


def refuse_duplicates(stubs: Iterator[Stub]) -> Iterator[Stub]:
    """Pass stubs on, each id once: every later record with the same id becomes a broken one that names both places."""
    seen: dict[str, Stub] = {}
    for stub in stubs:
        if len(seen) == RECORDS:
            raise TaskError(f"is one of more than {RECORDS:,} tasks, which are more than pytest can hold", path=stub.path, line=stub.line)
        unique = stub if stub.id not in seen else _distinguish(stub, seen)
        seen[unique.id] = unique
        yield unique


def _distinguish(stub: Stub, seen: Mapping[str, Stub]) -> Stub:
    """Return a stub under an id of its own; broken, unless its id was made up because the record has none."""
    first = seen[stub.id]
    place = f"line {first.line}" if first.path == stub.path else f"{first.path}:{first.line}"
    message = f"{stub.id!r} is given twice, on {place} and here on line {stub.line}; ids are unique"
    nameless = stub.id == f"line-{stub.line}"
    name = stub.id if nameless else f"{stub.id[:90]}-line-{stub.line}"
    if nameless or name in seen:
        # Several records on one line.
        name = f"{name}-{len(seen)}"
    return replace(stub, id=name, body=stub.body if nameless else Broken(message, "id"))


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def _mapping(record: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _marks(value: object) -> tuple[str, ...]:
    return tuple(sys.intern(mark) for mark in value if isinstance(mark, str)) if isinstance(value, list | tuple) else ()
