"""Task files in YAML: a mapping with `version` and `tasks`.

Values are built from the parser's events rather than by PyYAML's constructors: that gives every value its line, shares what aliases repeat
instead of copying it, keeps a broken record's trouble to itself, and knows plain data only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pytest_isobench.dataset.records import DEPTH, FIELDS, Location, Problem, Raw, check_version, show, unknown_field, validate
from pytest_isobench.dataset.stubs import Stub, outline
from pytest_isobench.dataset.text import read_text
from pytest_isobench.errors import TaskError
from pytest_isobench.models.task import Task

LIMIT = 16 * 2**20
"""Bytes of the largest file."""

VALUES = 1_000_000
"""Values in one file."""

EXPANDED = 32 * 2**20
"""Characters that one record may have when its aliases are written out."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null", "seq", "map")} | {"!"}
_MAKERS = {_TAG + name: f"construct_yaml_{name}" for name in ("int", "float", "bool", "null")}
_NUMBER_LENGTH = 64
"""Characters of the longest plain word that may be a number."""


@dataclass(frozen=True, slots=True)
class YamlBody:
    """A record in memory."""

    raw: Raw

    def load(self, path: Path, line: int) -> Task:
        # The record knows the line of each of its values.
        del line
        return validate(self.raw, path)


def read_yaml(path: Path) -> Iterator[Stub]:
    """Yield the stubs of a YAML file. Raises TaskError when the file as a whole is wrong."""
    text = read_text(path, limit=LIMIT)
    try:
        records = _Reader(text, path).read()
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, path) from None
    for raw in records:
        yield outline(raw.value, path=path, line=raw.line, body=YamlBody(raw))


def _syntax_error(error: yaml.YAMLError, text: str, path: Path) -> TaskError:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        inside = f" ({error.context} that starts on line {error.context_mark.line + 1})" if error.context and error.context_mark else ""
        line = min(error.problem_mark.line, text.rstrip("\n").count("\n"))
        return TaskError(f"is not YAML: {error.problem}{inside}", path=path, line=line + 1)
    if isinstance(error, yaml.reader.ReaderError):
        line = 1 + text.encode().count(b"\n", 0, error.position)
        return TaskError(f"holds the character {error.character!r}, which YAML does not allow", path=path, line=line)
    return TaskError(f"is not YAML: {error}", path=path)


@dataclass(slots=True)
class _Built:
    value: Any
    size: int


class _Reader:
    """Turns the events of one document into records."""

    def __init__(self, text: str, path: Path) -> None:
        self._loader = _Loader(text)
        self._path = path
        self._line = 1
        self._count = 0
        self._anchors: dict[str, _Built | None] = {}
        """What each anchor stands for; None while it is being built."""
        self._lines: dict[Location, int] = {}
        self._problems: list[Problem] = []

    def read(self) -> list[Raw]:
        """Return the records. Raises TaskError or YAMLError when the file as a whole is wrong."""
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise self._error("holds no tasks, only blank lines and comments")
        top = self._next()
        if isinstance(top, yaml.SequenceStartEvent):
            raise self._error("a task file is a mapping: put 'version: 1' first, and this list under 'tasks:'")
        if not isinstance(top, yaml.MappingStartEvent):
            raise self._error("the file is a mapping with 'version: 1' and 'tasks:'")
        records = self._top_level()
        self._next()
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise self._error("holds a second document ('---'); a task file is one document")
        return records

    def _top_level(self) -> list[Raw]:
        version, seen = None, dict[str, int]()
        records: list[Raw] | None = None
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            name, line = getattr(event, "value", None), self._line
            if name not in FIELDS:
                raise self._error(unknown_field(name))
            if name in seen:
                raise self._error("is given twice", field=name)
            seen[name] = line
            if name == "version":
                version = self._build(()).value
            else:
                records = self._records()
        check_version(version, self._path, seen.get("version"))
        if records is None:
            raise TaskError("is missing: a list of tasks", path=self._path, field="tasks")
        return records

    def _records(self) -> list[Raw]:
        if not isinstance(self._next(), yaml.SequenceStartEvent):
            raise self._error("should be a list of tasks", field="tasks")
        records = []
        while not isinstance(self._loader.peek_event(), yaml.SequenceEndEvent):
            self._lines, self._problems = {}, []
            built = self._build(())
            find_line = functools.partial(_line_of, self._lines)
            records.append(Raw(value=built.value, line=find_line(()), problems=tuple(self._problems), find_line=find_line))
        self._next()
        return records

    def _build(self, location: Location) -> _Built:
        event = self._next()
        self._lines[location] = self._line
        if len(location) > DEPTH:
            # Not the record's trouble alone: libyaml needs minutes to read a hundred thousand levels.
            raise self._error(f"is nested deeper than {DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "", location)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._check_tag(event.tag, location)
        if isinstance(event, yaml.ScalarEvent):
            built = _Built(self._scalar(event, location), 16 + len(event.value))
        else:
            built = self._sequence(location) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(location)
        if built.size > EXPANDED:
            self._note(f"grows beyond {EXPANDED // 2**20} MiB when its aliases are written out", location)
            built = _Built(None, 16)
        if event.anchor:
            self._anchors[event.anchor] = built
        return built

    def _alias(self, anchor: str, location: Location) -> _Built:
        if built := self._anchors.get(anchor):
            return built
        trouble = "is a part of itself" if anchor in self._anchors else "is used but not defined before"
        self._note(f"*{anchor} {trouble}", location)
        return _Built(None, 16)

    def _sequence(self, location: Location) -> _Built:
        items: list[Any] = []
        size = 16
        while not isinstance(self._loader.peek_event(), yaml.SequenceEndEvent):
            built = self._build((*location, len(items)))
            items.append(built.value)
            size += built.size
        self._next()
        return _Built(items, size)

    def _mapping(self, location: Location) -> _Built:
        fields: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        size = 16
        while not isinstance(self._loader.peek_event(), yaml.MappingEndEvent):
            name, line = self._name(location), self._line
            inside = (*location, name)
            known = name in fields
            built = self._build(inside)
            self._lines[inside] = line
            size += len(name) + built.size
            if name == "<<":
                merged = {**self._merge(built.value, inside), **merged}
            elif known:
                self._note(f"{name!r} is given twice", inside)
            else:
                fields[name] = built.value
        self._next()
        return _Built({**merged, **fields}, size)

    def _name(self, location: Location) -> str:
        built = self._build((*location, "?"))
        if isinstance(built.value, str):
            return built.value
        quotes = "" if isinstance(built.value, dict | list) else "; write it in quotes"
        self._note(f"the name of a field is text, not {show(built.value)}{quotes}", location)
        return show(built.value)

    def _merge(self, value: Any, location: Location) -> dict[str, Any]:
        """Return the fields that `<<` brings in; of several mappings the first counts most."""
        parts = value if isinstance(value, list) else [value]
        fields: dict[str, Any] = {}
        for part in reversed(parts):
            if isinstance(part, dict):
                # Merging copies, so it counts against the same limit as writing the fields out.
                self._advance(len(part))
                fields |= part
            else:
                self._note(f"takes a mapping or a list of mappings, not {show(part)}", location)
        return fields

    def _scalar(self, event: yaml.ScalarEvent, location: Location) -> Any:
        text: str = event.value
        tag = event.tag or (self._loader.resolve(yaml.ScalarNode, text, event.implicit) if len(text) <= _NUMBER_LENGTH else None)
        make = _MAKERS.get(tag or "")
        if tag is None or make is None:
            return text
        try:
            value = getattr(self._loader, make)(yaml.ScalarNode(tag, text))
        except (ValueError, KeyError, IndexError):
            self._note(f"{show(text)} is not a {tag.removeprefix(_TAG)}", location)
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._note(f"{text} is not a finite number", location)
            return None
        return value

    def _check_tag(self, tag: str | None, location: Location) -> None:
        if tag is not None and tag not in _PLAIN_TAGS:
            self._note(f"the tag {tag.replace(_TAG, '!!')} is not allowed; task files hold plain values", location)

    def _next(self) -> Any:
        event = self._loader.get_event()
        self._line = event.start_mark.line + 1
        self._advance(1)
        return event

    def _advance(self, values: int) -> None:
        self._count += values
        if self._count > VALUES:
            raise self._error(f"holds more than {VALUES:,} values; JSON lines (.jsonl) are for large data sets")

    def _note(self, message: str, location: Location) -> None:
        self._problems.append(Problem(message, location, self._line))

    def _error(self, message: str, field: str | None = None) -> TaskError:
        return TaskError(message, path=self._path, line=self._line, field=field)


def _line_of(lines: Mapping[Location, int], location: Location) -> int:
    while location not in lines:
        location = location[:-1]
    return lines[location]
