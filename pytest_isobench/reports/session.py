"""Writes a session's report: each result to a stream as it comes, and the whole at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest_isobench
from pytest_isobench.jsonl import LineFile, accusing, sync_folder
from pytest_isobench.models.base import Record
from pytest_isobench.models.result import Configuration, Report, Result
from pytest_isobench.reports.stream import End, Head, now, stream_path
from pytest_isobench.reports.totals import totals_of


class ReportWriter:
    """The report of one session at `path`, and its stream beside it with the suffix `.jsonl`.

    From the start there is a report at `path` that says `complete: false`, so that an older session's is never taken for this one's.
    All methods raise `JournalError` when the disk refuses.
    """

    def __init__(self, path: Path, configuration: Configuration) -> None:
        """Begin both files, over what was there. Raises `UsageError` for a path that cannot be a report's."""
        self.path = path
        self.stream = stream_path(path)
        self._results: dict[str, Result] = {}
        self._repeated: list[str] = []
        self._head = Head(tool_version=pytest_isobench.__version__, started=now(), configuration=configuration)
        self._lines = LineFile(self.stream, fresh=True)
        self._append("session", self._head)
        write_report(path, self.report())

    def add(self, result: Result) -> None:
        """Take a result, on disk when this returns. Of a case that is reported twice the last result counts, and the report says so."""
        self._append("result", result)
        if self._results.pop(result.case, result) != result:
            self._repeated.append(f"{result.case}: reported more than once in this session; the last result counts")
        self._results[result.case] = result

    def report(self, refused: Iterable[str] = ()) -> Report:
        """Return the report as it stands now."""
        results = tuple(self._results.values())
        return Report(
            **dict(self._head),
            results=results,
            totals=totals_of(results, self._head.configuration.confidence),
            refused=(*self._repeated, *refused),
        )

    def finish(self, refused: Iterable[str] = (), *, complete: bool = True, update: Callable[[Report], Report] | None = None) -> Report:
        """Write the report and close the stream; `complete` is false for a session that was interrupted, `update` has the last word."""
        report = self.report(refused).model_copy(update={"finished": now(), "complete": complete})
        report = update(report) if update else report
        write_report(self.path, report)
        self._append("end", End(finished=report.finished or now(), complete=report.complete, refused=report.refused))
        self._lines.close()
        return report

    def _append(self, part: str, record: Record) -> None:
        self._lines.append({part: record.model_dump(mode="json")})


def write_report(path: Path, report: Report) -> None:
    """Put a report in place of what is at `path`, whole or not at all. Raises `JournalError`."""
    text = report.model_dump_json(indent=2) + "\n"
    with accusing(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
                os.fchmod(descriptor, 0o644)
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        sync_folder(path.parent)
