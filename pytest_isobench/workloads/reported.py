"""The `reported` workload: a script or suite that times itself, run unchanged, and cross-checked with the supervisor's clock.

What it reports is the candidate's own word. So every result says that it is self-reported, no run may report more seconds than it
took, and what a patch gains by its own account must show in the time of its whole runs (`measuring.borne_out`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.models.result import Finding, Outcome
from pytest_isobench.models.task import Metric, Task
from pytest_isobench.models.trial import ArmFailure, Trial
from pytest_isobench.models.workload import ReportedWorkload
from pytest_isobench.workloads.base import HUMAN, ORACLE, REPORTED, WALL, Bench, RoundPlan, Schedule, Statistic
from pytest_isobench.workloads.fetched import Fetched, fetch
from pytest_isobench.workloads.formats.base import BadReportError, ForgedReportError, Format, Report
from pytest_isobench.workloads.formats.scripts import GsoFormat, IsoBenchFormat
from pytest_isobench.workloads.formats.suites import AsvFormat, PytestBenchmarkFormat
from pytest_isobench.workloads.observed import SHOWN, busy_ratio, refuse_untrustworthy

FORMATS: Mapping[str, Callable[[ReportedWorkload, Path], Format]] = {
    "isobench": IsoBenchFormat,
    "gso": GsoFormat,
    "pytest_benchmark": PytestBenchmarkFormat,
    "asv": AsvFormat,
}
HOPELESS, HOPELESS_FLOOR = 20, 10.0
"""A run may take so many times as long as the reference's, and so many seconds at least: no patch spends everybody's time."""
LIMIT = 64 * 2**20
"""Bytes of a run's output, and of the files that it stores."""
NOTE = Finding(kind="self_reported", severity="note", message="the times are what the benchmark itself reports, in the patch's own process")


class ReportedRounds:
    """Plays rounds of fresh processes, one arm after another, and reads what they report."""

    schedule: Schedule = "rounds"
    statistic: Statistic = "median"
    overhead: float | None = None
    asks = False

    def __init__(self, task: Task, made: Format) -> None:
        self._task, self._format = task, made
        self.digest, self.command = self._format.digest, " ".join(self._format.argv)
        changed = Finding(kind="command_changed", severity="note", message="; ".join(self._format.notes))
        self._notes = (NOTE, changed) if self._format.notes else (NOTE,)
        self.sizing = 1
        self.metrics: tuple[Metric, ...] = ()

    def open(self, bench: Bench, arms: Sequence[str], seed: str, sizing: int = 0) -> None:  # noqa: ARG002 - nothing is sized
        if not bench.sandbox.runs:
            raise NotEvaluableError("benchmarks that time themselves must really be run; this sandbox runs nothing")
        self._format.prepare(bench, self._task, seed)
        arm = HUMAN if self._task.workload.reference == "human" else ORACLE
        run = self._run(bench, arm, bench.timeout)
        failure = self._failure(run)
        try:
            if failure is not None:
                raise BadReportError(failure.message)
            self._reference = self._format.read(run)
        except BadReportError as error:
            raise NotEvaluableError(f"the benchmark fails on the {self._task.workload.reference}: {error}") from error
        self._limit = max(HOPELESS_FLOOR, HOPELESS * run.wall)
        self._format.trust(bench, self._task, run)
        self.metrics = (*self._format.metrics(self._reference), Metric(name=WALL), Metric(name=REPORTED))

    def play(self, bench: Bench, plan: RoundPlan) -> Mapping[str, Trial]:
        runs = {arm: self._run(bench, arm, min(bench.timeout, self._limit)) for arm in plan.arms}
        trials = {arm: self._trial(bench, plan, arm, run) for arm, run in runs.items()}
        refuse_untrustworthy(trials)
        return trials

    def _run(self, bench: Bench, arm: str, timeout: float) -> Fetched:
        made = self._format
        return fetch(
            bench,
            self._task,
            arm,
            made.argv,
            files=made.files,
            placed=made.placed,
            variables=made.variables,
            timeout=timeout,
            limit=LIMIT,
        )

    def _trial(self, bench: Bench, plan: RoundPlan, arm: str, run: Fetched) -> Trial:
        place = Trial(campaign=bench.campaign, round=plan.index, arm=arm, position=plan.arms.index(arm), findings=self._notes)
        try:
            report = self._judged(bench, run)
        except BadReportError as error:
            forged = (Finding(kind="forged_report", severity="cheat", message=str(error)),) if isinstance(error, ForgedReportError) else ()
            failure = self._failure(run) or ArmFailure(outcome=Outcome.INCORRECT, message=str(error)[:SHOWN])
            return place.model_copy(update={"failure": failure, "findings": (*self._notes, *forged)})
        metrics = {**report.values, WALL: run.wall, REPORTED: report.total}
        return place.model_copy(
            update={
                "samples": (report.values.get(self._task.metric.name, report.primary),),
                "metrics": {name: (value,) for name, value in metrics.items()},
                "busy": busy_ratio(run.wall, run.cpu),
            }
        )

    def _failure(self, run: Fetched) -> ArmFailure | None:
        """Say why a run does not count, if so."""
        if run.timed_out:
            return ArmFailure(outcome=Outcome.TIMED_OUT, message=f"still running after {run.wall:.1f} s")
        if run.spoiled:
            return ArmFailure(outcome=Outcome.CRASHED, message=run.spoiled[:SHOWN])
        if run.returncode:
            outcome = Outcome.INCORRECT if run.returncode in self._format.wrong else Outcome.CRASHED
            return ArmFailure(outcome=outcome, message=f"ended with status {run.returncode}\n{said_by(run)}".strip())
        if run.truncated or run.left:
            message = f"printed or stored more than {LIMIT} bytes, or something that is no file"
            return ArmFailure(outcome=Outcome.INCORRECT, message=message)
        return None

    def _judged(self, bench: Bench, run: Fetched) -> Report:
        """Read a run's report, and hold it and its answer against the reference. Raises `BadReportError` for what does not count."""
        if (failure := self._failure(run)) is not None:
            raise BadReportError(failure.message)
        report = self._format.read(run)
        if (fault := differences(report, self._reference) or self._format.fault(bench, self._task, run)) is not None:
            raise BadReportError(fault)
        if report.total > run.wall:
            raise ForgedReportError(f"reports {report.total:.3g} s of work in a run that took {run.wall:.3g} s")
        return report


def make_reported(task: Task, folder: Path) -> ReportedRounds:
    """Make the workload of a task whose script or suite times itself. Raises `TaskError` when the script cannot be read."""
    workload = task.workload
    if not isinstance(workload, ReportedWorkload):
        raise TypeError(f"not a workload that times itself: {workload.kind}")
    return ReportedRounds(task, FORMATS[workload.format](workload, folder))


def said_by(run: Fetched) -> str:
    """Return the last words of a run."""
    return b"\n".join((run.stdout[-SHOWN:], run.stderr[-SHOWN:])).decode(errors="replace").strip()[-SHOWN:]


def differences(report: Report, reference: Report) -> str | None:
    """Say in what a report is not one of the same benchmarks, if so."""
    if missing := sorted(set(reference.values) - set(report.values)):
        return f"reports no {', '.join(missing)}"
    if extra := sorted(set(report.values) - set(reference.values)):
        return f"reports {', '.join(extra)}, which the reference does not"
    other = [name for name, value in reference.facts.items() if report.facts.get(name) != value]
    return f"reports {other[0]} as {report.facts.get(other[0])!r:.80}, not {reference.facts[other[0]]!r:.80}" if other else None
