"""The `command` workload: a program's whole run, from its start to its end, in a fresh process."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.models.result import Outcome
from pytest_isobench.models.task import Metric, Task
from pytest_isobench.models.trial import ArmFailure, Trial
from pytest_isobench.models.workload import CommandWorkload
from pytest_isobench.sandboxes.base import ExecResult
from pytest_isobench.workloads.base import TRUSTED, Bench, RoundPlan, Schedule, Statistic
from pytest_isobench.workloads.observed import SHOWN, busy_ratio, refuse_untrustworthy
from pytest_isobench.workloads.oracle import Oracle, encode, read_script

ROUND_TIME = 0.3
"""Seconds of one arm's runs in a round; a quick command is run several times and its fastest run counts."""
MOST_RUNS = 5
OUTPUT_LIMIT = 64 * 2**20
"""Bytes that a command may print."""


class CommandRounds:
    """Plays rounds of fresh processes, one arm after another; every arm gets the same fresh input."""

    schedule: Schedule = "rounds"
    statistic: Statistic = "min"
    metrics: tuple[Metric, ...] = ()
    asks = False
    overhead: float | None = None

    def __init__(self, task: Task, folder: Path) -> None:
        if not isinstance(task.workload, CommandWorkload):
            raise TypeError(f"not a command workload: {task.workload.kind}")
        self._task, self._workload = task, task.workload
        self._script = read_script(task.workload.file, None, folder) if task.workload.file else None
        self.digest = self._script.digest if self._script else ""
        self.sizing = 0
        self.command = " ".join(task.workload.command)

    def open(self, bench: Bench, arms: Sequence[str], seed: str, sizing: int = 0) -> None:
        self._oracle = Oracle(bench, self._task, self._script) if self._script else None
        self.sizing = sizing or 1
        trial_run = RoundPlan(index=0, seed=f"{seed}:size", arms=tuple(arm for arm in arms if arm in TRUSTED) or tuple(arms))
        slowest = max(min(trial.samples) for trial in self.play(bench, trial_run).values())
        self.sizing = sizing or max(1, min(MOST_RUNS, math.floor(ROUND_TIME / slowest)))

    def play(self, bench: Bench, plan: RoundPlan) -> Mapping[str, Trial]:
        inputs = self._oracle.inputs(plan.seed, self.sizing) if self._oracle else [None] * self.sizing
        results = {arm: self._run_arm(bench, arm, inputs) for arm in plan.arms}
        faults = self._faults(inputs, results)
        trials = {
            arm: self._trial(bench, plan, position, arm, results[arm], faults.get(arm)) for position, arm in enumerate(plan.arms)
        }
        refuse_untrustworthy(trials)
        return trials

    def _run_arm(self, bench: Bench, arm: str, inputs: Sequence[Any]) -> list[ExecResult]:
        """Run the command on every input until it fails."""
        results: list[ExecResult] = []
        for given in inputs:
            stdin, arguments = command_input(given)
            process = bench.sandbox.process(
                arm,
                [*self._workload.command, *arguments],
                resources=self._task.resources,
                variables=self._task.environment.variables,
                cores=bench.cores,
            )
            results.append(bench.sandbox.supervisor.run(process, stdin=stdin, timeout=bench.timeout, output_limit=OUTPUT_LIMIT))
            if failure_of(results[-1]) is not None:
                break
        return results

    def _faults(self, inputs: Sequence[Any], results: Mapping[str, list[ExecResult]]) -> dict[str, str]:
        """Compare what the commands printed with what the reference's printed, run by run."""
        reference = self._workload.reference
        if reference not in results:
            return {}
        if (failure := failure_of(results[reference][-1])) is not None:
            raise NotEvaluableError(f"the {reference}'s output is the reference, but it failed: {failure.message}")
        faults: dict[str, str] = {}
        for run, given in enumerate(inputs):
            done = {arm: runs[run] for arm, runs in results.items() if run < len(runs) and failure_of(runs[run]) is None}
            for arm, fault in self._compare(given, {arm: result.stdout for arm, result in done.items()}).items():
                faults.setdefault(arm, fault)
        return faults

    def _compare(self, given: Any, printed: Mapping[str, bytes]) -> dict[str, str]:
        wanted = printed[self._workload.reference]
        if self._oracle is None or not self._oracle.has_check:
            return {arm: f"printed {text[:80]!r}..., not {wanted[:80]!r}..." for arm, text in printed.items() if text != wanted}
        answers = {arm: json.dumps([text.decode(errors="replace")]).encode() for arm, text in printed.items()}
        return self._oracle.faults([given], answers, self._workload.reference)

    def _trial(self, bench: Bench, plan: RoundPlan, position: int, arm: str, runs: Sequence[ExecResult], fault: str | None) -> Trial:
        failure = failure_of(runs[-1]) or (ArmFailure(outcome=Outcome.INCORRECT, message=fault) if fault else None)
        times = () if failure else tuple(run.wall for run in runs)
        busy = None if failure else busy_ratio(sum(times), sum(run.user + run.system for run in runs))
        return Trial(campaign=bench.campaign, round=plan.index, arm=arm, position=position, samples=times, busy=busy, failure=failure)


def command_input(given: Any) -> tuple[bytes, list[str]]:
    """Return stdin and further arguments: an input is text for stdin, or `{"stdin": ..., "arguments": [...]}`, or None."""
    stdin, arguments = (given.get("stdin"), given.get("arguments", [])) if isinstance(given, dict) else (given, [])
    if stdin is not None and not isinstance(stdin, str):
        stdin = encode(stdin).decode()
    return (stdin or "").encode(), [str(argument) for argument in arguments]


def failure_of(result: ExecResult) -> ArmFailure | None:
    """Say why a run of the command does not count, if so."""
    if result.timed_out:
        return ArmFailure(outcome=Outcome.TIMED_OUT, message=f"still running after {result.wall:.1f} s")
    if result.returncode:
        said = result.stderr.decode(errors="replace").strip()[-SHOWN:]
        return ArmFailure(outcome=Outcome.CRASHED, message=f"ended with status {result.returncode}\n{said}".strip())
    if result.truncated:
        return ArmFailure(outcome=Outcome.INCORRECT, message=f"printed more than {OUTPUT_LIMIT} bytes")
    return None
