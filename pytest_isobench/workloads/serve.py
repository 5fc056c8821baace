"""The `serve` workload: a server is the candidate, and a trusted client, in the baseline's tree, asks and times it.

A round starts every arm's server once and runs the client several times against it: both levels of variance reach the statistics.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_isobench.benchmarks.metrics import metric as known_metric
from pytest_isobench.benchmarks.refusals import Refusal
from pytest_isobench.benchmarks.resolving import fill, seed_number
from pytest_isobench.benchmarks.results import BenchmarkResult, read_results
from pytest_isobench.benchmarks.sanity import refusals
from pytest_isobench.errors import IsobenchError, NotEvaluableError, TaskError
from pytest_isobench.models.result import Finding, Outcome
from pytest_isobench.models.task import Metric, Task
from pytest_isobench.models.trial import ArmFailure, Trial
from pytest_isobench.models.workload import ServeWorkload, Serving
from pytest_isobench.workloads.base import BASELINE, Bench, RoundPlan, Schedule, Statistic
from pytest_isobench.workloads.fetched import RESULT, RESULT_PLACES, Fetched, fetch
from pytest_isobench.workloads.observed import SHOWN, refuse_untrustworthy
from pytest_isobench.workloads.served import agreement, fault
from pytest_isobench.workloads.server import Server, ServerError, client_cores, serving

LEAST = 0.05
"""How far the baseline must agree with itself, so that answers can be compared at all."""
ENDING = 2.0
"""Seconds in which a server comes to its end whose client has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is run, the same for every arm."""

    server: tuple[str, ...]
    client: tuple[str, ...]
    serving: Serving
    reference: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of both."""
    flush: str | None = None
    """Where the server's caches are emptied."""
    notes: tuple[str, ...] = ()
    """What was changed in the command that the task names."""

    @property
    def command(self) -> str:
        settings = "".join(f"{name}={shlex.quote(value)} " for name, value in self.variables.items())
        return f"{settings}{shlex.join(self.server)} & {settings}{shlex.join(self.client)}"


@dataclass(slots=True, kw_only=True)
class Served:
    """What one arm's server did in a round."""

    results: list[BenchmarkResult] = field(default_factory=list)
    """One for each run that counts."""
    setup: float | None = None
    failure: ArmFailure | None = None


class ServeRounds:
    """Plays rounds of servers, one arm after another; every arm is asked the same, anew in every round."""

    schedule: Schedule = "rounds"
    statistic: Statistic = "median"
    overhead: float | None = None
    asks = True

    def __init__(self, task: Task, setup: Setup) -> None:
        self._task, self._setup = task, setup
        self.command = setup.command
        self.digest = hashlib.sha256(self.command.encode()).hexdigest()
        self.sizing = setup.serving.runs
        self.metrics: tuple[Metric, ...] = ()
        self._compared, self._expected = False, 1.0
        """Whether answers can be compared, and how far the baseline agrees with itself."""

    def open(self, bench: Bench, arms: Sequence[str], seed: str, sizing: int = 0) -> None:  # noqa: ARG002 - nothing is sized
        """See how far the baseline agrees with itself: two starts, asked the same."""
        if self._setup.serving.texts is None or BASELINE not in arms:
            return
        plan = RoundPlan(index=0, seed=f"{seed}:agreement", arms=(BASELINE,))
        one, other = (self._serve(bench, plan, BASELINE, f"opening-{start}.{BASELINE}") for start in (1, 2))
        failure = one.failure or other.failure
        if failure:
            raise NotEvaluableError(f"the {BASELINE} itself is {failure.outcome}: {failure.message}")
        found = agreement(one.results, other.results)
        if found is not None and found < LEAST:
            told = f"two starts of the {BASELINE} agree in {found:.0%} of their answers only"
            raise NotEvaluableError(f"{told}; make the client ask for greedy answers, or set serving.texts to null")
        self._compared, self._expected = found is not None, 1.0 if found is None else found

    def play(self, bench: Bench, plan: RoundPlan) -> Mapping[str, Trial]:
        served = {arm: self._serve(bench, plan, arm, f"{plan.index}.{arm}") for arm in plan.arms}
        self._compare(served)
        trials = {arm: self._trial(bench.campaign, plan.index, position, arm, served[arm]) for position, arm in enumerate(plan.arms)}
        refuse_untrustworthy(trials)
        self.metrics = self.metrics or tuple(map(known_metric, next((trial.metrics for trial in trials.values() if trial.metrics), ())))
        return trials

    def _serve(self, bench: Bench, plan: RoundPlan, arm: str, label: str) -> Served:
        """Start an arm's server and ask it all that a round asks."""
        served, server, setup = Served(), None, self._setup
        try:
            with serving(bench, self._task, arm, setup.server, setup.variables, label) as server:
                server.wait(setup.serving.health, setup.serving.ready)
                served.setup = server.setup
                for run in range(-setup.serving.warmups, setup.serving.runs):
                    if setup.flush:
                        server.flush(setup.flush)
                    found = self._ask(bench, server, f"{plan.seed}:{run}")
                    if run >= 0:
                        served.results.append(found)
        except ServerError as error:
            served.failure = server.failure(error) if server else None
        return served

    def _ask(self, bench: Bench, server: Server, seed: str) -> BenchmarkResult:
        """Run the client once. Raises `ServerError` when what comes of it says something against the server."""
        places = {**server.places, "seed": seed_number(seed), **RESULT_PLACES}
        done = fetch(
            bench,
            self._task,
            bench.companion(server.arm),
            fill(self._setup.client, places),
            files=[RESULT],
            variables=self._setup.variables,
            cores=client_cores(bench.cores),
            joint=True,
            hidden=True,
        )
        server.demand(ENDING if done.returncode else 0.0)
        return self._read(done)

    def _read(self, done: Fetched) -> BenchmarkResult:
        if done.timed_out:
            raise ServerError(Outcome.TIMED_OUT, f"the client has not ended after {done.wall:.0f} s")
        said = done.stderr.decode(errors="replace").strip()[-SHOWN:]
        if done.spoiled:
            raise ServerError(Outcome.CRASHED, f"the client was disturbed: {done.spoiled}")
        if done.returncode or RESULT not in done.files:
            raise ServerError(Outcome.CRASHED, f"the client ended with status {done.returncode} and without a result\n{said}")
        found = read_results(done.files[RESULT])[-1]
        if isinstance(found, Refusal):
            raise ServerError(Outcome.CRASHED, f"the client's result cannot be used: {found}\n{said}")
        for refusal in refusals(found, failed_share=self._setup.serving.failures):
            raise ServerError(Outcome.INCORRECT, str(refusal))
        if self._task.metric.name not in found.metrics:
            given = ", ".join(found.metrics) or "none"
            raise ServerError(Outcome.INCORRECT, f"the client measures no {self._task.metric.name}; it measures: {given}")
        return found

    def _compare(self, served: Mapping[str, Served]) -> None:
        """Refuse who did other work than the reference, or answered something else."""
        reference = served.get(self._setup.reference)
        if reference is None or reference.failure:
            return
        for arm in served.values():
            if arm.failure is None and (message := self._fault(arm.results, reference.results)):
                arm.failure = ArmFailure(outcome=Outcome.INCORRECT, message=message)

    def _fault(self, found: Sequence[BenchmarkResult], wanted: Sequence[BenchmarkResult]) -> str | None:
        return fault(found, wanted, self._setup.serving, expected=self._expected)

    def _trial(self, campaign: str, index: int, position: int, arm: str, served: Served) -> Trial:
        metrics = {} if served.failure else _by_metric(served.results)
        return Trial(
            campaign=campaign,
            round=index,
            arm=arm,
            position=position,
            samples=metrics.get(self._task.metric.name, ()),
            metrics=metrics,
            setup=served.setup,
            failure=served.failure,
            findings=self._findings(),
        )

    def _findings(self) -> tuple[Finding, ...]:
        told = {
            "command_changed": "; ".join(self._setup.notes),
            "answers_not_compared": "" if self._compared else "the answers were not compared: the client saves none, or the task says so",
        }
        return tuple(Finding(kind=kind, severity="note", message=message) for kind, message in told.items() if message)


def make_serve(task: Task, folder: Path) -> ServeRounds:
    """Make the workload of a task whose server and client are given. Raises `TaskError` for a metric that no client measures."""
    workload = task.workload
    if not isinstance(workload, ServeWorkload):
        raise TypeError(f"not a serve workload: {workload.kind}")
    demand_metric(task, folder)
    setup = Setup(
        server=workload.server,
        client=workload.client,
        serving=workload.serving,
        reference=workload.reference,
        flush=workload.serving.flush,
    )
    return ServeRounds(task, setup)


def demand_metric(task: Task, folder: Path) -> None:
    """Raise `TaskError` unless a task's metric is one that clients measure, told rightly."""
    try:
        known = known_metric(task.metric.name)
    except IsobenchError as error:
        raise TaskError(str(error), path=folder, field="metric.name") from error
    if known != task.metric:
        right, told = (f"{metric.unit}, {metric.better} is better" for metric in (known, task.metric))
        raise TaskError(f"{task.id}: {known.name} is measured in {right}; the task says {told}", path=folder, field="metric")


def _by_metric(results: Sequence[BenchmarkResult]) -> dict[str, tuple[float, ...]]:
    """Return what all runs measured, by metric."""
    names = [name for name in results[0].metrics if all(name in result.metrics for result in results)]
    return {name: tuple(result.metrics[name] for result in results) for name in names}
