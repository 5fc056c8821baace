"""Task files in Parquet: one record a row. Nested fields are columns of structs, or of JSON text."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_isobench.dataset.json_text import check_syntax, parse, skip
from pytest_isobench.dataset.records import Problem, Raw, check_version, validate
from pytest_isobench.dataset.stubs import Stub, outline
from pytest_isobench.dataset.text import open_regular
from pytest_isobench.errors import MissingExtraError, TaskError
from pytest_isobench.models.task import Task

if TYPE_CHECKING:
    from pyarrow import Table
    from pyarrow.parquet import ParquetFile

LIMIT = 16 * 2**30
"""Bytes of the largest file."""

_OUTLINE = ("id", "repo", "language", "marks", "source", "resources")
_NESTED = frozenset({"source", "environment", "workload", "metric", "tolerance", "checks", "resources", "marks"})
_BATCH = 512


@dataclass(frozen=True, slots=True)
class RowBody:
    """A record as a row of a row group."""

    path: Path
    modified: int
    group: int
    row: int

    def load(self, path: Path, line: int) -> Task:
        with _accusing(self.path):
            rows = _table(self.path, self.modified, self.group).slice(self.row, 1).to_pylist()
        record, problems = _record(rows[0])
        if "version" in record:
            check_version(record.pop("version"), path, line)
        return validate(Raw(value=record, line=line, problems=problems), path)


def read_parquet(path: Path) -> Iterator[Stub]:
    """Yield the stubs of a Parquet file. Raises TaskError when the file as a whole is wrong, MissingExtraError without pyarrow."""
    file, modified = _open(path)
    names = [name for name in _OUTLINE if name in file.schema_arrow.names]
    if file.metadata.num_rows == 0:
        raise TaskError("holds no tasks", path=path)
    if "id" not in names:
        raise TaskError(f"has no column 'id'; it has: {', '.join(file.schema_arrow.names)}", path=path)
    line = 0
    for group in range(file.num_row_groups):
        for row, record in enumerate(_rows(file, group, names, path)):
            line += 1
            yield outline(_record(record)[0], path=path, line=line, body=RowBody(path, modified, group, row))


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of any Parquet file as plain data. Raises TaskError when it is none, MissingExtraError without pyarrow."""
    file, _ = _open(path)
    for group in range(file.num_row_groups):
        yield from ({name: _plain(value) for name, value in row.items()} for row in _rows(file, group, file.schema_arrow.names, path))


def _rows(file: ParquetFile, group: int, names: list[str], path: Path) -> Iterator[dict[str, Any]]:
    with _accusing(path):
        for batch in file.iter_batches(batch_size=_BATCH, row_groups=[group], columns=names):
            yield from batch.to_pylist()


def _open(path: Path) -> tuple[ParquetFile, int]:
    open_regular(path, limit=LIMIT).close()
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise MissingExtraError(f"reading {path}", "hub") from None
    with _accusing(path):
        return ParquetFile(path), path.stat().st_mtime_ns


@contextmanager
def _accusing(path: Path) -> Iterator[None]:
    """Turn what pyarrow finds wrong into a TaskError."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, ValueError) as error:
        raise TaskError(f"is not Parquet, or is damaged: {error}", path=path) from error


@functools.lru_cache(maxsize=1)
def _table(path: Path, modified: int, group: int) -> Table:
    """Read a row group; cases come in the order of their rows, so the last one is kept."""
    file, now = _open(path)
    if now != modified:
        raise TaskError("was changed after its tasks were collected; start again", path=path)
    return file.read_row_group(group)


def _record(row: dict[str, Any]) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Return a row as a record: absent fields left out, JSON text in place of nested fields read."""
    record = {name: _plain(value) for name, value in row.items() if value is not None}
    problems: tuple[Problem, ...] = ()
    for name, value in record.items():
        if name in _NESTED and isinstance(value, str):
            raw = _json(value)
            record[name] = raw.value
            problems += tuple(Problem(problem.message, (name, *problem.location)) for problem in raw.problems)
    return record, problems


def _plain(value: Any) -> Any:
    """Return a value of Arrow as plain data: structs without their empty fields, maps as mappings."""
    if isinstance(value, dict):
        return {name: _plain(field) for name, field in value.items() if field is not None}
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return {name: _plain(field) for name, field in value}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _json(text: str) -> Raw:
    try:
        check_syntax(text, path="")
    except TaskError:
        # Not JSON, and so not what the field holds: the text itself is the value to complain about.
        return Raw(value=text, line=1)
    return parse(text, skip(text, 0), line=1)
