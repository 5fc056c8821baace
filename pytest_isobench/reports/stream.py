"""The stream that a session writes beside its report: `{"session": head}`, then `{"result": …}` lines, then `{"end": …}`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pytest_isobench.errors import UsageError
from pytest_isobench.models.base import Record
from pytest_isobench.models.result import Configuration

SUFFIX = ".jsonl"


class Head(Record):
    """The first line: whose results follow."""

    version: Literal[1] = 1
    tool: str = "pytest-isobench"
    tool_version: str
    started: str
    configuration: Configuration


class End(Record):
    """The last line of a session that was not cut off."""

    finished: str
    complete: bool
    refused: tuple[str, ...] = ()


def stream_path(path: Path) -> Path:
    """Return where the stream of a report goes. Raises UsageError when both would be one file, or the report's path is a folder's."""
    if path.suffix == SUFFIX:
        raise UsageError(f"{path}: the report is a JSON file and {SUFFIX} is its stream's; name it {path.with_suffix('.json').name}")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file in it, such as {path / 'report.json'}")
    return path.with_suffix(SUFFIX)


def now() -> str:
    """Return the time as a report says it: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
