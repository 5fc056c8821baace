"""Files of records in any shape: one record, a list, a table by commit, lines, rows; broken ones named, and never in the way of others."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_isobench.dataset.commits import is_commit, read_commits
from pytest_isobench.dataset.documents import Document
from pytest_isobench.dataset.hub import PREFIX, fetch
from pytest_isobench.dataset.records import extent
from pytest_isobench.dataset.text import read_text
from pytest_isobench.errors import UsageError

LIMIT = 512 * 2**20
"""Bytes of the largest file."""
_SPACE = re.compile(r"\s+")
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")
LEVELS = 200
"""Levels of nesting that a record may have."""
LISTS = ("tasks", "items")
"""Fields that hold the records of a file which is one object."""
KEY = "commit_key"
"""Where a record keeps the name that it had in a table by commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A record as it was found, or what is wrong with it."""

    origin: str
    """File and line, or place in the file."""
    value: Mapping[str, Any]
    problem: str = ""


def read_items(place: str) -> Iterator[Item]:
    """Yield the records of a file, of the files of a folder, or of a data set `hub:ORG/NAME[@revision][:split]`.

    Raises:
        UsageError: there is no such file, its kind is unknown, or the hub has no such data set.
        SourceError: the hub cannot be reached.
    """
    if place.startswith(PREFIX):
        for file in fetch(place):
            yield from _read(file, f"{place}/{file.name}")
        return
    path = Path(place)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in READERS)
        if not files:
            raise UsageError(f"{path}: holds no files of records; they end in {', '.join(READERS)}")
        for file in files:
            yield from _read(file, f"{path.name}/{file.name}")
        return
    if path.suffix.lower() not in READERS:
        raise UsageError(f"{path}: {path.suffix or 'no ending'!r} is not a kind of file with records; allowed: {', '.join(READERS)}")
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    yield from _read(path, path.name)


def _read(path: Path, shown: str) -> Iterator[Item]:
    try:
        yield from READERS[path.suffix.lower()](path, shown)
    except UsageError as error:  # a broken file's TaskError too
        yield Item(origin=shown, value={}, problem=str(error).removeprefix(f"{path}:").strip())


def _item(origin: str, value: object, **more: object) -> Item:
    if not isinstance(value, dict):
        return Item(origin=origin, value={}, problem=f"a record is a mapping of fields, not {type(value).__name__}")
    return Item(origin=origin, value={**more, **{str(name): field for name, field in value.items()}})


def _json_lines(path: Path, shown: str) -> Iterator[Item]:
    for number, line in enumerate(read_text(path, limit=LIMIT).split("\n"), 1):
        if line.strip():
            for value, problem in _values(line):
                yield Item(origin=f"{shown}:{number}", value={}, problem=problem) if problem else _item(f"{shown}:{number}", value)


def _json(path: Path, shown: str) -> Iterator[Item]:
    for value, problem in _values(read_text(path, limit=LIMIT)):
        if problem:
            yield Item(origin=shown, value={}, problem=problem)
        else:
            yield from _spread(shown, value)


def _values(text: str) -> Iterator[tuple[Any, str]]:
    """Yield each value of a text, and what is wrong with the rest; `Infinity` and `NaN`, which are no JSON, are read as what they say."""
    decoder, at, text = json.JSONDecoder(), 0, text.strip()
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield None, f"is not JSON: {error}"
            return
        yield value, "is nested too deeply" if extent(value, LEVELS)[1] else ""
        space = _SPACE.match(text, at)
        at = space.end() if space else at


def _spread(shown: str, value: object) -> Iterator[Item]:
    """Yield the records of a value: a list of them, a table of them by commit or by name, or one."""
    if isinstance(value, list):
        for number, each in enumerate(value, 1):
            yield _item(f"{shown}[{number}]", each)
    elif isinstance(value, dict) and value and all(isinstance(each, dict) for each in value.values()):
        for name, each in value.items():
            yield _item(f"{shown}[{name}]", each, **({KEY: name} if is_commit(name) else {}))
    elif isinstance(value, dict) and (inner := next((name for name in LISTS if isinstance(value.get(name), list)), None)):
        shared = {"repo": value["repo"]} if isinstance(value.get("repo"), str) else {}
        for number, each in enumerate(value[inner], 1):
            yield _item(f"{shown}[{number}]", each, **shared)
    else:
        yield _item(shown, value)


def _yaml(path: Path, shown: str) -> Iterator[Item]:
    yield from _spread(shown, Document(path).value())


def _rows(path: Path, shown: str) -> Iterator[Item]:
    for number, row in enumerate(csv.DictReader(io.StringIO(read_text(path, limit=LIMIT))), 1):
        yield _item(f"{shown}:{number + 1}", {name: field for name, field in row.items() if name})


def _parquet(path: Path, shown: str) -> Iterator[Item]:
    from pytest_isobench.dataset.parquet_reader import rows

    for number, row in enumerate(rows(path), 1):
        yield _item(f"{shown}:{number}", row)


def _commits(path: Path, shown: str) -> Iterator[Item]:
    listed, texts = read_commits(path), read_text(path, limit=LIMIT).splitlines()
    for line in listed.lines:
        parent = {"parent_commit": line.base} if line.base else {"pre_parent_index": line.parent} if line.parent else {}
        dated = _DAY.search(texts[line.number - 1])
        yield _item(f"{shown}:{line.number}", {"commit_hash": line.name, **parent, **({"date": dated[0]} if dated else {})})
    for refused in listed.refused:
        yield Item(origin=shown, value={}, problem=refused.removeprefix(f"{path}:"))


READERS: dict[str, Callable[[Path, str], Iterator[Item]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".csv": _rows,
    ".txt": _commits,
    ".parquet": _parquet,
}
