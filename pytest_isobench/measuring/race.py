"""The state of a campaign's race: the rounds so far, and what they have settled. Pure: no clock, no disk, no sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from statistics import median

from pytest_isobench.errors import ComparisonRefusedError, NotEvaluableError
from pytest_isobench.measuring.borne_out import borne_out
from pytest_isobench.measuring.contenders import Contender
from pytest_isobench.measuring.moved_work import moved_work, slower_start
from pytest_isobench.measuring.statistics import (
    Interval,
    alpha_at,
    interval,
    judge_agent,
    judge_gain,
    judge_task,
    looks,
    narrow,
    ping_pong_difference,
    quantised,
    redo,
    settled,
    trial_value,
    underpowered,
)
from pytest_isobench.measuring.statistics.contamination import WALL_PER_CPU, Redo
from pytest_isobench.models.result import Configuration, TaskState
from pytest_isobench.models.task import Metric
from pytest_isobench.models.trial import Trial
from pytest_isobench.workloads.base import BASELINE, CONTROL, HUMAN, TRUSTED, Schedule, Statistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How what was measured is compared."""

    schedule: Schedule
    metric: Metric
    statistic: Statistic = "min"


class Race:
    """Takes rounds in, and tells who races on, when to look, and what the verdicts are."""

    def __init__(self, contenders: Sequence[Contender], scale: Scale, configuration: Configuration, margin: float) -> None:
        self.contenders, self.scale, self.margin = contenders, scale, margin
        self.confidence = configuration.confidence
        self.looks = looks(scale.schedule, self.confidence)
        self.rounds: list[Mapping[str, Trial]] = []
        self.state: TaskState | None = None
        self.human_vs_baseline: Interval | None = None
        self.control: Interval | None = None
        self.redone = 0
        """Rounds that were measured and do not count."""
        self._cpu_bound: bool | None = None

    @property
    def limit(self) -> int:
        """Rounds after which there is a verdict on everything."""
        return self.looks[-1].rounds

    def arms(self, trusted: Sequence[str]) -> list[str]:
        """Return the arms of the next round: the control plays until the first look is over."""
        kept = [arm for arm in trusted if arm != CONTROL or self.control is None]
        return [*kept, *(contender.arm for contender in self.contenders if contender.racing)]

    def take(self, trials: Mapping[str, Trial]) -> None:
        """Add a round. Raises `ComparisonRefusedError` when its trials are not of one campaign and one round."""
        places = {(trial.campaign, trial.round) for trial in trials.values()}
        if len(places) != 1 or places != {(next(iter(places))[0], len(self.rounds))}:
            raise ComparisonRefusedError(f"trials of different rounds or campaigns are never compared: {sorted(places)}")
        self.rounds.append(trials)
        for contender in self.contenders:
            if contender.arm in trials:
                trial = trials[contender.arm]
                contender.note(trial.findings)
                contender.failure = contender.failure or trial.failure

    def counted(self, wanted: int, *, final: bool = False) -> Redo:
        """Tell which rounds count towards `wanted`, and whether another one is needed."""
        return redo([self._flags(trials) for trials in self.rounds], TRUSTED, wanted, final=final)

    def look(self, wanted: int, *, final: bool) -> bool:
        """Judge on the rounds that count; True when everything is settled."""
        chosen = self.counted(wanted, final=final)
        rounds, self.redone = [self.rounds[index] for index in chosen.counted], chosen.redone
        self._demand_fine(rounds)
        if self.control is None:
            self.control = self._contrast(None, rounds, BASELINE, CONTROL, final=final)
        self._judge_task(rounds, final=final)
        for contender in self.contenders:
            if contender.racing:
                self._judge(contender, rounds, final=final)
        return self.state is not None and not any(contender.racing for contender in self.contenders)

    def provisional(self) -> dict[str, Interval]:
        """Return the estimates so far, for the eye only: of each case against the human, and of 'human' against the baseline."""
        pairs = {"human": (BASELINE, HUMAN)} | {contender.entrant.case: (HUMAN, contender.arm) for contender in self.contenders}
        found = {name: self._differences(self.rounds, *pair) for name, pair in pairs.items()}
        return {name: interval(differences, 1 - self.confidence) for name, differences in found.items() if differences}

    def typical(self, field: str) -> dict[str, float]:
        """Return the median over all rounds of a trial's `samples`, `setup` or `prepare`, per arm; seconds."""
        values: dict[str, list[float]] = {}
        for trials in self.rounds:
            for arm, trial in trials.items():
                value = median(trial.samples) if field == "samples" and trial.samples else getattr(trial, field)
                if isinstance(value, float):
                    values.setdefault(arm, []).append(value)
        return {arm: median(found) for arm, found in values.items()}

    def median_of(self, *, name: str, arm: str) -> float | None:
        """Return the median over all rounds of an arm's median of a metric."""
        found = [median(trials[arm].metrics[name]) for trials in self.rounds if arm in trials and trials[arm].metrics.get(name)]
        return median(found) if found else None

    def secondary(self, metric: Metric, x: str, y: str) -> Interval | None:
        """Return the contrast of two arms in another metric, over all rounds; its level is not shared with the looks."""
        found = [
            (trials[x].metrics.get(metric.name, ()), trials[y].metrics.get(metric.name, ()))
            for trials in self.rounds
            if x in trials and y in trials
        ]
        scale = replace(self.scale, metric=metric)
        differences = [_difference(scale, one, other) for one, other in found if _positive(one) and _positive(other)]
        return interval(differences, 1 - self.confidence) if differences else None

    def _demand_fine(self, rounds: Sequence[Mapping[str, Trial]]) -> None:
        """Raise `NotEvaluableError` when a metric that was read takes too few values to show anything."""
        read = [trials[BASELINE] for trials in rounds if BASELINE in trials and trials[BASELINE].metrics]
        values = [exp(trial_value(trial.samples, self.scale.statistic)) for trial in read if trial.samples]
        if quantised(values, self.margin):
            name, distinct = self.scale.metric.name, len(set(values))
            told = f"{distinct} values in {len(values)} rounds of the baseline"
            raise NotEvaluableError(f"{name} is too coarse: {told}; declare another metric")

    def _judge_task(self, rounds: Sequence[Mapping[str, Trial]], *, final: bool) -> None:
        self.human_vs_baseline = self._contrast(self.human_vs_baseline, rounds, BASELINE, HUMAN, final=final)
        if self.human_vs_baseline is None:
            return
        self.state = judge_task(self.human_vs_baseline, self.margin, final)
        if self.state is None and underpowered(self._differences(rounds, BASELINE, HUMAN), self.margin, self.looks):
            self.state = TaskState.UNDERPOWERED

    def _judge(self, contender: Contender, rounds: Sequence[Mapping[str, Trial]], *, final: bool) -> None:
        look = moved_work if self.scale.schedule == "pingpong" else slower_start
        contender.note(look(rounds, contender.arm, [arm for arm in (BASELINE, HUMAN) if arm in rounds[0]] if rounds else []))
        doubts = borne_out(rounds, contender.arm, BASELINE, self.scale.metric)
        open_question = not final and any(finding.severity == "alarm" for finding in doubts)
        contender.note(() if open_question else doubts)
        versus_human = self._contrast(contender.versus_human, rounds, HUMAN, contender.arm, final=final)
        versus_baseline = self._contrast(contender.versus_baseline, rounds, BASELINE, contender.arm, final=final)
        if versus_human is None or versus_baseline is None:
            return
        contender.versus_human, contender.versus_baseline = versus_human, versus_baseline
        contender.outcome = judge_agent(versus_human, self.margin, final)
        contender.gain = judge_gain(versus_baseline, self.margin, final)
        contender.settled = final or (settled(self.state, contender.outcome, contender.gain) and not open_question)

    def _contrast(
        self, before: Interval | None, rounds: Sequence[Mapping[str, Trial]], slower: str, faster: str, *, final: bool
    ) -> Interval | None:
        """Narrow what the looks before have shown of two arms by this look."""
        differences = self._differences(rounds, slower, faster)
        if not differences:
            return before
        return narrow(before, interval(differences, alpha_at(self.looks, len(differences), final=final)))

    def _differences(self, rounds: Sequence[Mapping[str, Trial]], x: str, y: str) -> list[float]:
        pairs = [(trials[x].samples, trials[y].samples) for trials in rounds if x in trials and y in trials]
        return [_difference(self.scale, one, other) for one, other in pairs if one and other]

    def _flags(self, trials: Mapping[str, Trial]) -> dict[str, bool]:
        """Tell which arms were disturbed; none where the workload waits by itself, as the first round shows."""
        if self._cpu_bound is None:
            first = [trial.busy for arm, trial in self.rounds[0].items() if arm in TRUSTED and trial.busy is not None]
            self._cpu_bound = bool(first) and min(first) <= WALL_PER_CPU
        return {arm: self._cpu_bound and (trial.busy or 0.0) > WALL_PER_CPU for arm, trial in trials.items()}


def _difference(scale: Scale, x: Sequence[float], y: Sequence[float]) -> float:
    """Return by how much Y is better than X in one round, as a log ratio."""
    if scale.schedule == "pingpong":
        difference = ping_pong_difference(x, y)
    else:
        difference = trial_value(x, scale.statistic) - trial_value(y, scale.statistic)
    return difference if scale.metric.better == "lower" else -difference


def _positive(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0
