"""What programs print, read without trust: nothing here fails, whatever the text is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_isobench.agents.drivers.base import Account, End, Output
from pytest_isobench.models.agent import Usage

Line = dict[str, Any]

MOST = 2**53
"""No count is larger: beyond it, JSON's numbers are not exact."""
LONGEST = 600
"""Characters of what is quoted of a program."""
_CONTROL = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\))")
_PASSING = frozenset({408, 409, 429})
"""Statuses of requests that may be answered later, besides a server's own failures."""


def plain(text: str) -> str:
    """Return a text without a terminal's commands and without what is no character."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode("utf-8")


def record(text: str) -> Line | None:
    """Return a text that is a JSON object; None for any other."""
    try:
        value = json.loads(text, parse_constant=lambda _: None) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def lines(text: str) -> list[Line]:
    """Return the lines that are JSON objects; others, and one that was broken off, are left out."""
    return [line for line in map(record, plain(text).split("\n")) if line is not None]


def last(found: Iterable[Line], *kinds: str) -> Line | None:
    """Return the last line of some types."""
    return next((line for line in reversed(list(found)) if line.get("type") in kinds), None)


def dig(value: Any, *names: str) -> Any:
    """Return what lies inside of objects; None when something on the way is missing or no object."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def count(value: Any) -> int | None:
    """Return a number of things; None for anything else."""
    return value if type(value) is int and 0 <= value < MOST else None


def cost(value: Any) -> float | None:
    """Return an amount of money; None for anything else."""
    return float(value) if type(value) in (int, float) and 0 <= value < MOST else None


def total(counts: Iterable[int | None]) -> int | None:
    """Return the sum of those counts that are known; None when none is."""
    known = [one for one in counts if one is not None]
    return sum(known) if known else None


def words(value: Any) -> str:
    """Return what is a text, shortened for people, else nothing."""
    return excerpt(value) if isinstance(value, str) else ""


def excerpt(text: str) -> str:
    """Return a text's beginning and end, where programs say what went wrong."""
    text = plain(text).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} […] {text[-LONGEST // 2 :]}"


def names(values: Iterable[Any]) -> tuple[str, ...]:
    """Return the different texts in order, not more than a few."""
    return tuple(dict.fromkeys(filter(None, map(words, values))))[:16]


def first(values: Iterable[Any]) -> str:
    """Return the first text, else nothing."""
    return next(filter(None, map(words, values)), "")


def passing(status: int | None) -> bool:
    """Tell whether a failure of the model's service may pass: by its HTTP status, None for a connection that failed."""
    return status is None or status in _PASSING or status >= 500


def unfinished(output: Output, found: list[Line]) -> Account:
    """Judge a program that left no record of its end: it did not start, or was stopped."""
    if output.timed_out:
        return Account(end=End.UNKNOWN)
    end = End.UNKNOWN if found else End.PROGRAM_FAILURE
    said = excerpt(output.stderr) or ("" if found else excerpt(output.stdout))
    return Account(end=end, reason=f"{ending(output.returncode)} without a record of its end" + (f": {said}" if said else ""))


def ending(returncode: int) -> str:
    """Return how a process ended, in words."""
    return f"ended by signal {-returncode}" if returncode < 0 else f"exit status {returncode}"


def spent(parts: Iterable[Usage], usd: float | None = None) -> Usage:
    """Return the usage of several models or requests together."""
    known = list(parts)
    return Usage(
        input_tokens=total(part.input_tokens for part in known),
        cached_tokens=total(part.cached_tokens for part in known),
        output_tokens=total(part.output_tokens for part in known),
        reasoning_tokens=total(part.reasoning_tokens for part in known),
        usd=usd,
    )


def objects(value: Any) -> Iterator[Line]:
    """Yield the objects of a list, or of an object's values."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from (one for one in inner if isinstance(one, dict))
