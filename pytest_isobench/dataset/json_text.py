"""JSON with positions: strict values, and the place of a value in the text."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_isobench.dataset.records import DEPTH, Location, Problem, Raw, extent, show
from pytest_isobench.errors import TaskError

_PLAIN = json.JSONDecoder()
_DIGITS = 64
"""Digits of the longest number: longer ones are mistakes, and slow to convert."""


def check_syntax(text: str, *, path: Path | str, line: int = 1) -> None:
    """Raise TaskError unless a text is one value of JSON, such as Python reads it; `line` is its first."""
    try:
        if extent(json.loads(text, parse_int=len, parse_float=len), 4 * DEPTH)[1]:
            # Less than Python's own limit, which depends on the depth of the caller.
            raise RecursionError
    except json.JSONDecodeError as error:
        raise TaskError(f"is not JSON: {error.msg} (column {error.colno})", path=path, line=line + error.lineno - 1) from None
    except RecursionError:
        raise TaskError("is nested too deeply", path=path, line=line) from None


def parse(text: str, at: int, *, line: int) -> Raw:
    """Parse the value at a position of valid JSON text, noting what JSON proper forbids: a name twice, NaN, infinities.

    `line` is the number of the line on which it starts.
    """
    problems: list[Problem] = []
    value = _strict(problems).raw_decode(text, at)[0]
    return Raw(
        value=value,
        line=line,
        problems=tuple(problems),
        find_line=lambda location: line + text.count("\n", at, find(text, at, location)),
    )


def find(text: str, at: int, location: Location) -> int:
    """Return the position of a member's name, or of an item, as deep inside the value at `at` as the location exists."""
    found = at
    for step in location:
        inside = next((place for place in members(text, at) if place[0] == step), None)
        if inside is None:
            break
        _, found, at = inside
    return found


def members(text: str, at: int) -> Iterator[tuple[str | int, int, int]]:
    """Yield name (or index), its position and the value's position of all members of the object or array at `at` of valid JSON text."""
    if text[at] not in "{[":
        return
    is_object, index, at = text[at] == "{", 0, skip(text, at + 1)
    while text[at] not in "}]":
        name, start = index, at
        if is_object:
            name, at = _PLAIN.raw_decode(text, at)
            at = skip(text, skip(text, at) + 1)
        yield name, start, at
        _, at = _PLAIN.raw_decode(text, at)
        at, index = skip(text, at), index + 1
        if text[at] == ",":
            at = skip(text, at + 1)


def skip(text: str, at: int) -> int:
    """Return the position of the next character that is not blank."""
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _strict(problems: list[Problem]) -> json.JSONDecoder:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            problems.append(Problem(f"the name {show(twice)} is given twice"))
        return value

    def constant(text: str) -> None:
        problems.append(Problem(f"{text} is not a number in JSON; leave the field out"))

    def number(text: str) -> float | int | None:
        if len(text) > _DIGITS:
            problems.append(Problem(f"{text[:20]}... has {len(text)} digits, too many for a number"))
            return None
        value = float(text) if set(text) & set(".eE") else int(text)
        if not math.isfinite(value):
            problems.append(Problem(f"{text} is too large for a number"))
            return None
        return value

    return json.JSONDecoder(object_pairs_hook=unique, parse_constant=constant, parse_float=number, parse_int=number)
