"""One record: from the plain values that a reader found to a validated task, or to an error that names the place."""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from pytest_isobench.errors import TaskError, nearest
from pytest_isobench.models.task import TASK_VERSION, Task

Location = tuple[str | int, ...]
"""Names and indices that lead to a value inside a record."""

DEPTH = 64
"""Levels of nesting that a record may have."""

VALUES = 100_000
"""Values that a record may have; text of any length is one."""

FIELDS = ("version", "tasks")
"""The fields of a task file."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxlevel = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """What a parser found wrong inside a record, without losing the records beside it."""

    message: str
    location: Location = ()
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A record as it stands in a file, parsed and nothing else."""

    value: object
    line: int
    problems: tuple[Problem, ...] = ()
    find_line: Callable[[Location], int] | None = None
    """Finds the line of a value inside the record, or of the closest thing around it that exists."""

    def line_of(self, location: Location) -> int:
        """Return the line of a value inside the record as exactly as the file's format allows."""
        return self.find_line(location) if self.find_line else self.line


def validate(raw: Raw, path: Path | str) -> Task:
    """Return the task. Raises TaskError that names file, line, field, value, and what is allowed."""
    for problem in raw.problems or too_much(raw.value):
        raise _error(problem, raw, path)
    if not isinstance(raw.value, Mapping):
        raise _error(Problem(f"a task is a mapping of fields, not {show(raw.value)}"), raw, path)
    try:
        return Task.model_validate_json(to_json(raw.value), strict=True)
    except ValidationError as error:
        raise _error(_first(error, raw.value), raw, path) from None
    except PydanticSerializationError as error:
        raise _error(Problem(f"holds text that is not Unicode: {error}"), raw, path) from None


def check_version(version: object, path: Path | str, line: int | None = None) -> None:
    """Raise TaskError unless this program knows the version of the task schema."""
    if version is None:
        raise TaskError(f"is missing; write 'version: {TASK_VERSION}'", path=path, line=line, field="version")
    if version != TASK_VERSION or isinstance(version, bool):
        raise TaskError(f"{show(version)} is unknown; known: {TASK_VERSION}", path=path, line=line, field="version")


def unknown_field(name: object) -> str:
    """Return what to say of a field that no task file has."""
    return f"unknown field {show(name)}{nearest(str(name), FIELDS)}; allowed: {', '.join(FIELDS)}"


def extent(value: object, levels: int) -> tuple[int, bool]:
    """Return how many values are in the first `levels` of nesting, and whether there are more levels."""
    level, count = [value], 1
    for _ in range(levels):
        level = [child for item in level if isinstance(item, dict | list) for child in (item.values() if isinstance(item, dict) else item)]
        count += len(level)
        if not level:
            return count, False
    return count, any(isinstance(item, dict | list) for item in level)


def too_much(value: object) -> tuple[Problem, ...]:
    """Say when a record has more levels or values than any task."""
    count, deeper = extent(value, DEPTH)
    if count > VALUES:
        return (Problem(f"has more than {VALUES:,} values"),)
    return (Problem(f"is nested deeper than {DEPTH} levels"),) if deeper else ()


def show(value: object) -> str:
    """Return a value as a short, printable text."""
    return _SHORT.repr(value)


def dotted(location: Location) -> str:
    """Return a location as people write it: `checks[0].command`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step if step.isprintable() else ascii(step)}"[:80] for step in location)
    return text.removeprefix(".")


def _error(problem: Problem, raw: Raw, path: Path | str) -> TaskError:
    line = problem.line or raw.line_of(problem.location)
    return TaskError(problem.message, path=path, line=line, field=dotted(problem.location) or None)


def _first(error: ValidationError, record: Mapping[str, Any]) -> Problem:
    """Choose the error to show: an unknown name first, since it explains what is missing."""
    errors = sorted(error.errors(include_url=False), key=lambda details: details["type"] != "extra_forbidden")
    problem = _problem(errors[0], record)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(problem.message + more, problem.location)


def _problem(details: ErrorDetails, record: Mapping[str, Any]) -> Problem:
    location = _plain(details["loc"], record)
    match details["type"]:
        case "extra_forbidden":
            names = _names(_node(location[:-1], record))
            return Problem(f"unknown field{nearest(str(location[-1]), names)}; allowed: {', '.join(names)}", location)
        case "missing":
            return Problem("is missing", location)
        case "union_tag_not_found" if isinstance(details["input"], dict):
            return Problem(f"is missing; allowed: {', '.join(_kinds(location, record))}", (*location, "kind"))
        case "union_tag_invalid":
            tag, kinds = details["ctx"]["tag"], _kinds(location, record)
            return Problem(f"unknown kind {tag!r}{nearest(tag, kinds)}; allowed: {', '.join(kinds)}", (*location, "kind"))
        case "value_error":
            return Problem(str(details["ctx"]["error"]), location)
        case _:
            return Problem(_sentence(details), location)


def _sentence(details: ErrorDetails) -> str:
    value, message = details["input"], details["msg"].removeprefix("Input ")
    if "discriminator" in message or "valid dictionary" in message:
        message = "should be a mapping"
    quotes = "; write it in quotes" if details["type"] == "string_type" and isinstance(value, int | float) else ""
    return f"{message[0].lower()}{message[1:]}, not {show(value)}{quotes}"


def _plain(location: Location, record: Mapping[str, Any]) -> Location:
    """Take out the steps that pydantic adds for the kind of a union."""
    steps: list[str | int] = []
    value: Any = record
    for step in location:
        if isinstance(value, Mapping) and step not in value and value.get("kind") == step:
            continue
        steps.append(step)
        value = _child(value, step)
    return tuple(steps)


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) and step < len(value) else None


@functools.cache
def _schema() -> dict[str, Any]:
    return Task.model_json_schema()


def _node(location: Location, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the schema that describes a location."""
    node, value = _schema(), record
    for step in location:
        value = _child(value, step)
        node = _resolve(_inner(node, step), value)
    return node


def _inner(node: dict[str, Any], step: str | int) -> dict[str, Any]:
    if isinstance(step, int):
        return node.get("items") or {}
    inner = node.get("properties", {}).get(step, node.get("additionalProperties"))
    return inner if isinstance(inner, dict) else {}


def _resolve(node: dict[str, Any], value: Any) -> dict[str, Any]:
    """Follow references, and the branch of a union that the value's kind chooses."""
    while "$ref" in node or "discriminator" in node:
        if "$ref" in node:
            node = _schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        elif isinstance(value, Mapping) and (ref := node["discriminator"]["mapping"].get(value.get("kind"))):
            node = {"$ref": ref}
        else:
            break
    return node


def _names(node: dict[str, Any]) -> list[str]:
    return list(node.get("properties", {}))


def _kinds(location: Location, record: Mapping[str, Any]) -> list[str]:
    return list(_node(location, record).get("discriminator", {}).get("mapping", {}))
