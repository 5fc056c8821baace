"""Task files in JSON: one object with `version` and `tasks`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.dataset.json_text import check_syntax, members, parse, skip
from pytest_isobench.dataset.records import FIELDS, check_version, unknown_field, validate
from pytest_isobench.dataset.stubs import Stub, outline
from pytest_isobench.dataset.text import read_text
from pytest_isobench.errors import TaskError
from pytest_isobench.models.task import Task

LIMIT = 64 * 2**20
"""Bytes of the largest file: it is held in memory. JSON lines have no such limit."""


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A record inside a text that stays in memory."""

    text: str
    at: int

    def load(self, path: Path, line: int) -> Task:
        return validate(parse(self.text, self.at, line=line), path)


def read_json(path: Path) -> Iterator[Stub]:
    """Yield the stubs of a JSON file. Raises TaskError when the file as a whole is wrong."""
    text = read_text(path, limit=LIMIT)
    check_syntax(text, path=path)
    top = skip(text, 0)
    if text[top] != "{":
        raise TaskError('the file holds one object: {"version": 1, "tasks": [...]}', path=path, line=1)
    line, last = 1, 0
    for at in _tasks(text, top, path):
        line, last = line + text.count("\n", last, at), at
        yield outline(parse(text, at, line=line).value, path=path, line=line, body=JsonBody(text, at))


def _tasks(text: str, top: int, path: Path) -> list[int]:
    """Return the positions of the records, after checking everything around them."""
    places: dict[str | int, int] = {}
    for name, start, at in members(text, top):
        line = 1 + text.count("\n", 0, start)
        if name not in FIELDS:
            raise TaskError(unknown_field(name), path=path, line=line)
        if name in places:
            raise TaskError("is given twice", path=path, line=line, field=str(name))
        places[name] = at
    version = places.get("version")
    check_version(parse(text, version, line=1).value if version else None, path, 1 + text.count("\n", 0, version))
    if "tasks" not in places or text[places["tasks"]] != "[":
        raise TaskError("should be a list of tasks", path=path, field="tasks")
    return [at for _, _, at in members(text, places["tasks"])]
