"""The `python` workload: functions of one file, called in resident workers that take turns, call by call."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.models.task import Metric, Task
from pytest_isobench.models.trial import Trial
from pytest_isobench.models.workload import PythonWorkload
from pytest_isobench.sandboxes.base import Turn
from pytest_isobench.workloads.base import TRUSTED, Bench, RoundPlan, Schedule, Statistic
from pytest_isobench.workloads.observed import ObservedArm, refuse_untrustworthy
from pytest_isobench.workloads.oracle import Oracle, encode, read_script, worker

TURNS = 7
"""Turns of a round; the first is a warm-up."""
SAMPLE = 0.025
"""Seconds that a sample should take at least: below it the cost of a turn shows."""
LONGEST = 0.1
"""Seconds that the baseline's sample may take for the sake of a much faster human."""
HOPELESS, HOPELESS_FLOOR = 20, 2.0
"""A sample may take so many times as long as the slowest trusted arm's, and so many seconds at least: no patch spends everybody's time."""
ECHOES = 20


class ResidentWorkload:
    """Plays ping-pong rounds: in every turn each arm prepares and runs the same fresh inputs, all the others frozen."""

    schedule: Schedule = "pingpong"
    statistic: Statistic = "min"
    metrics: tuple[Metric, ...] = ()
    asks = False

    def __init__(self, task: Task, folder: Path) -> None:
        if not isinstance(task.workload, PythonWorkload):
            raise TypeError(f"not a python workload: {task.workload.kind}")
        self._task, self._reference = task, task.workload.reference
        self._script = read_script(task.workload.file, task.workload.code, folder)
        self.digest = self._script.digest
        self.sizing = task.workload.calls or 0
        self.overhead: float | None = None

    @property
    def command(self) -> str:
        return f"python:{self._script.filename} run() x {self.sizing or 'auto'}"

    def open(self, bench: Bench, arms: Sequence[str], seed: str, sizing: int = 0) -> None:
        self._oracle = Oracle(bench, self._task, self._script)
        self.sizing = sizing or self.sizing
        trial_run = RoundPlan(index=0, seed=f"{seed}:size", arms=tuple(arm for arm in arms if arm in TRUSTED) or tuple(arms))
        trials = self._play(bench, trial_run, self.sizing or 1, bench.timeout)
        times = {arm: min(trial.samples) for arm, trial in trials.items()}
        self.sizing = self.sizing or fitting_calls(times)
        self._limit = max(HOPELESS_FLOOR, HOPELESS * self.sizing * max(times.values()))

    def play(self, bench: Bench, plan: RoundPlan) -> Mapping[str, Trial]:
        return self._play(bench, plan, self.sizing, min(bench.timeout, self._limit))

    def _play(self, bench: Bench, plan: RoundPlan, calls: int, limit: float) -> dict[str, Trial]:
        arms = {arm: ObservedArm(arm=arm, position=position) for position, arm in enumerate(plan.arms)}
        try:
            self._start(bench, arms)
            if self.overhead is None:
                self.overhead = self._echo(bench, plan.arms[0])
            inputs = self._take_turns(bench, plan, arms, calls, limit)
        finally:
            remains = bench.sandbox.supervisor.stop(plan.arms)
        for name, arm in arms.items():
            arm.remains = remains.get(name)
        self._check(arms, inputs)
        trials = {name: arm.trial(bench.campaign, plan.index, calls) for name, arm in arms.items()}
        refuse_untrustworthy(trials)
        return trials

    def _start(self, bench: Bench, arms: Mapping[str, ObservedArm]) -> None:
        for name in arms:
            bench.sandbox.supervisor.start(name, worker(bench, self._task, name, cores=bench.cores))
        request = self._script.request(self._task.environment.pythonpath)
        for name, arm in arms.items():
            arm.loaded = bench.sandbox.supervisor.ask(name, "load", request, timeout=bench.timeout)

    def _echo(self, bench: Bench, arm: str) -> float:
        """Seconds of a request and its answer when there is nothing to do; asked of a trusted arm."""
        return median(bench.sandbox.supervisor.ask(arm, "echo", b"", timeout=bench.timeout).seconds for _ in range(ECHOES))

    def _take_turns(self, bench: Bench, plan: RoundPlan, arms: Mapping[str, ObservedArm], calls: int, limit: float) -> list[list[Any]]:
        """Let the arms that loaded take their turns, each sample within the limit of seconds; the inputs of each turn."""
        values = self._oracle.inputs(plan.seed, TURNS * calls)
        inputs = [values[turn * calls : (turn + 1) * calls] for turn in range(TURNS)]
        playing = [name for name, arm in arms.items() if arm.failure() is None]
        order = random.Random(f"{plan.seed}:turns")
        turns = [Turn(order=tuple(order.sample(playing, len(playing))), inputs=encode(given)) for given in inputs]
        for replies in bench.sandbox.supervisor.turns(turns, timeout=limit):
            for name, reply in replies.items():
                arms[name].replies.append(reply)
        return inputs

    def _check(self, arms: Mapping[str, ObservedArm], inputs: Sequence[Sequence[Any]]) -> None:
        """Judge every answer of every turn, the warm-up's as well."""
        if self._reference not in arms:
            return
        reference = arms[self._reference]
        if (failure := reference.failure()) is not None:
            raise NotEvaluableError(f"the {self._reference}'s answers are the reference, but it failed: {failure.message}")
        for turn, given in enumerate(inputs):
            judged = [name for name, arm in arms.items() if arm.answered(turn) and (not arm.fault or arm is reference)]
            answers = {name: arms[name].replies[turn].payload for name in judged}
            for name, fault in self._oracle.faults(given, answers, self._reference).items():
                arms[name].fault = arms[name].fault or fault


def fitting_calls(times: Mapping[str, float]) -> int:
    """Return how many calls make a sample, from the seconds of one call per arm.

    The fastest arm fills a sample, unless the slowest one's would get too long; that one always fills a sample.
    """
    fastest, slowest = max(min(times.values()), 1e-7), max(*times.values(), 1e-7)
    return max(1, math.ceil(max(SAMPLE / slowest, min(SAMPLE / fastest, LONGEST / slowest))))


