"""Reads reports back without trusting them: JSON reports, and the streams of sessions that were cut off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

import pytest_isobench
from pytest_isobench.errors import UsageError
from pytest_isobench.jsonl import Line, dumps, loads, note, read_lines
from pytest_isobench.models.base import Record
from pytest_isobench.models.result import MEASURED, REPORT_VERSION, Rate, Report, Result, Totals
from pytest_isobench.reports.stream import SUFFIX, End, Head
from pytest_isobench.reports.totals import totals_of

KNOWN_VERSIONS = (REPORT_VERSION,)
SIZE_LIMIT = 256 * 2**20
"""Bytes of the largest JSON report that is read."""

_LINE_STARTS = (b'{"result":', b'{"end":')

AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_report(path: Path) -> Report:
    """Read a report, or the stream of one.

    Results that cannot be believed are named in the report's `refused` and left out; totals are computed again from the results, and a
    difference is named there too. An unfinished report is completed from the stream beside it.

    Raises:
        UsageError: there is no such file, or it is no report, or one of an unknown version.
    """
    try:
        if _is_stream(path):
            return _read_stream(path)
        report = _read_json(path)
        stream = path.with_suffix(SUFFIX)
        return report if report.complete or not stream.is_file() else _read_stream(stream)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def _is_stream(path: Path) -> bool:
    first = next(iter(read_lines(path)), None)
    return path.suffix == SUFFIX or (first is not None and isinstance(value := _value(first), dict) and "session" in value)


def _value(line: Line) -> Any:
    try:
        return line.value()
    except ValueError:
        return None


def _read_json(path: Path) -> Report:
    if (size := path.stat().st_size) > SIZE_LIMIT:
        raise UsageError(f"{path}: {size} bytes are too many for a report; at most {SIZE_LIMIT} are read")
    try:
        data = loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path}: is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(values := data.pop("results", []), list):
        raise UsageError(f"{path}: is no report: it must be an object with a list of 'results'")
    claimed = data.pop("totals", None)
    head = _head(Report, data, path)
    refused = list(head.refused)
    results = _results([(f"{path}: results[{number}]", value) for number, value in enumerate(values)], refused)
    report = _complete(head, results, refused)
    return report if claimed is None else report.model_copy(update={"refused": (*refused, *_differences(claimed, report.totals, path))})


def _read_stream(path: Path) -> Report:
    lines = read_lines(path)
    first = next(lines, None)
    value = _value(first) if first else None
    if not isinstance(value, dict) or not isinstance(session := value.get("session"), dict):
        raise UsageError(f"{path}: is no stream of results: its first line must be an object with a 'session'")
    head = _head(Head, session, path)
    refused: list[str] = []
    ends: list[End] = []
    results = _results(_stream_results(lines, path, ends, refused), refused)
    end = ends[0].model_dump() if ends else {}
    refused += end.pop("refused", ())
    return _complete(Report(**dict(head), **end), results, refused)


def _stream_results(lines: Iterable[Line], path: Path, ends: list[End], refused: list[str]) -> Iterator[tuple[str, Any]]:
    for line in lines:
        place = f"{path}:{line.number}"
        try:
            value = line.value()
            if ends:
                raise ValueError("follows the end of the session")
            match value:
                case {"result": result} if len(value) == 1:
                    yield place, result
                case {"end": end} if len(value) == 1:
                    ends.append(_record(End, end))
                case _:
                    raise ValueError("is neither a result nor an end")
        except ValueError as error:
            if not line.unfinished(*_LINE_STARTS):
                note(refused, f"{place}: {error}")


def _results(values: Iterable[tuple[str, Any]], refused: list[str]) -> tuple[Result, ...]:
    """Keep what can be believed; of a case that is there twice, the last."""
    results: dict[str, Result] = {}
    for place, value in values:
        try:
            result = _record(Result, value)
            _check(result)
        except ValueError as error:
            case = value.get("case") if isinstance(value, dict) else None
            note(refused, f"{place}: {f'{case!r:.200}: ' if case else ''}{error}")
            continue
        if results.pop(result.case, result) != result:
            note(refused, f"{place}: {result.case} is there more than once; the last result counts")
        results[result.case] = result
    return tuple(results.values())


def _check(result: Result) -> None:
    if result.failure and result.verdict:
        raise ValueError("has both a verdict and a failure of the machine")
    if result.verdict and result.verdict.hard_success and result.verdict.outcome not in MEASURED:
        raise ValueError(f"is called a success, and the patch's outcome is {result.verdict.outcome}")


def _head(kind: type[AnyRecord], data: dict[str, Any], path: Path) -> AnyRecord:
    version = data.get("version")
    if type(version) is not int or version not in KNOWN_VERSIONS:
        known = ", ".join(map(str, KNOWN_VERSIONS))
        raise UsageError(
            f"{path}: report version {version!r:.40} is not known; pytest-isobench {pytest_isobench.__version__} reads version {known}"
        )
    try:
        return _record(kind, data)
    except ValueError as error:
        raise UsageError(f"{path}: is no report: {error}") from error


def _record(kind: type[AnyRecord], value: Any) -> AnyRecord:
    """Validate what was parsed. Raises ValueError with one line."""
    try:
        # As JSON text: only there does pydantic's strict mode know arrays for tuples and strings for enumerations.
        return kind.model_validate_json(dumps(value), strict=True)
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        field = ".".join(map(str, first["loc"]))
        raise ValueError(f"{field + ': ' if field else ''}{first['msg']}{f' (and {len(others)} more)' if others else ''}") from None


def _complete(head: Report, results: tuple[Result, ...], refused: list[str]) -> Report:
    totals = totals_of(results, head.configuration.confidence)
    return head.model_copy(update={"results": results, "totals": totals, "refused": tuple(refused)})


def _differences(claimed: Any, totals: Totals, path: Path) -> Iterator[str]:
    try:
        given = _record(Totals, claimed)
    except ValueError as error:
        yield f"{path}: totals: {error}"
        return
    for name in Totals.model_fields:
        told, computed = getattr(given, name), getattr(totals, name)
        if not _same(told, computed):
            yield f"{path}: totals: {name} is given as {told}, and by the results it is {computed}"


def _same(told: object, computed: object) -> bool:
    if isinstance(told, Rate) and isinstance(computed, Rate):
        return all(_same(mine, theirs) for (_, mine), (_, theirs) in zip(told, computed, strict=True))
    if isinstance(told, float) and isinstance(computed, float):
        return math.isclose(told, computed, rel_tol=1e-9)
    return told == computed
