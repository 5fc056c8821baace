"""What becomes of the results: travelled from the tests to the process that writes the report, and shown at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_isobench.errors import JournalError, UsageError
from pytest_isobench.models.result import Failure, Report, Result
from pytest_isobench.plugin.cases import deselection_text
from pytest_isobench.plugin.scheduler import CASE
from pytest_isobench.reports.session import ReportWriter
from pytest_isobench.reports.words import verdict_word

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_isobench.plugin.run import Run



class Reporting:
    """Writes one session's report, in the process that the person started; its hooks are called by pytest.

    A disk that refuses ends the session as failed; what was reported before stays readable.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._report: Report | None = None
        self._problem = ""
        """Why the report could not be written to its end."""
        self._refused: list[str] = []
        self._deselected: dict[str, int] = {}
        try:
            self._writer = ReportWriter(run.settings.report, run.settings.configuration)
        except JournalError as error:
            raise UsageError(f"--isobench-report={run.settings.report}: {error}") from error

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the result that travels with a test's report."""
        data = getattr(report, "isobench", None)
        if data is None:
            return
        result = Result.model_validate(data)
        self._guarded(partial(self._writer.add, result))
        self._run.config.hook.pytest_isobench_result(config=self._run.config, result=result)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Take what a worker has to say beside its results."""
        said: dict[str, Any] = getattr(node, "workeroutput", {}).get("isobench", {})
        self._refused += [line for line in said.get("refused", ()) if line not in self._refused]
        self._deselected |= said.get("deselected", {})

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Make the death of a worker an error with a result, since no patch is to blame."""
        # xdist names no phase; a failure is an error only in one beside the call.
        report.when = "setup"
        if found := CASE.search(crashitem):
            failure = Failure(kind="WorkerDied", message=str(report.longrepr))
            known = {"task": found["task"], "agent": found["agent"], "attempt": int(found["attempt"])}
            case = f"{found['task']}:{found['agent']}:{found['attempt']}"
            configuration = self._run.settings.configuration
            send(report, Result.model_validate({"case": case, **known, "failure": failure, "configuration": configuration}))

    def finish(self, refused: list[str], *, complete: bool) -> None:
        """Write the report."""
        self._refused += refused
        self._guarded(partial(self._finish, complete))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the table of all cases."""
        verbosity, writer = self._run.config.get_verbosity(), self._run.config.get_terminal_writer()
        if verbosity < -1:
            return
        terminalreporter.section("isobench")
        for line in self._lines(width=writer.fullwidth, verbosity=verbosity, color=writer.hasmarkup):
            terminalreporter.write_line(line)

    def _finish(self, complete: bool) -> None:
        self._report = self._writer.finish(self._refused, complete=complete, update=self._updated)

    def _updated(self, report: Report) -> Report:
        config = self._run.config
        changed: Report | None = config.hook.pytest_isobench_update_report(config=config, report=report)
        return changed or report

    def _lines(self, *, width: int, verbosity: int, color: bool) -> Iterator[str]:
        from pytest_isobench.reports.terminal import summary_lines

        if self._report:
            yield from summary_lines(self._report, width=width, verbosity=verbosity, color=color, ascii_only=_ascii_only())
        if self._deselected:
            yield deselection_text(self._deselected)
        if self._problem:
            yield f"not written to its end: {self._problem}"
        yield f"report: {self._run.report_name}"

    def _guarded(self, step: Callable[[], object]) -> None:
        if self._problem:
            return
        try:
            step()
        except JournalError as error:
            self._problem = str(error)
            self._run.stop(f"the report cannot be written: {error}")


def send(report: pytest.TestReport, result: Result) -> None:
    """Let a result travel with a test's report, as plain data: nothing else gets through from an xdist worker."""
    report.isobench = result.model_dump(mode="json")  # type: ignore[attr-defined]


def attach(report: pytest.TestReport, result: Result | None) -> None:
    """Send a result with the report of the phase that decides its test: the set-up's when that does not pass, else the call's."""
    if result is not None and (report.when == "call" or (report.when == "setup" and not report.passed)):
        send(report, result)


def status(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """Show the verdict beside the outcome in a verbose run."""
    result = Result.model_validate(report.isobench)
    verdict = verdict_word(result).replace("_", " ")
    if report.passed:
        return "passed", ".", f"PASSED ({verdict})"
    if report.failed and getattr(report, "when", "") == "call":
        return "failed", "F", f"FAILED ({verdict})"
    return None


def _ascii_only() -> bool:
    return "utf" not in (getattr(sys.__stdout__, "encoding", None) or "").lower()
