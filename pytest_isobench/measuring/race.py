"""The state of a campaign's race: the rounds so far, and what they have settled. Pure: no clock, no disk, no sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from pytest_isobench.errors import ComparisonRefusedError
from pytest_isobench.measuring.contenders import Contender
from pytest_isobench.measuring.moved_work import moved_work
from pytest_isobench.measuring.statistics import (
    Interval,
    judge_agent,
    judge_gain,
    judge_task,
    looks,
    ping_pong_difference,
    redo,
    sequential_interval,
    settled,
    trial_value,
    underpowered,
)
from pytest_isobench.measuring.statistics.contamination import WALL_PER_CPU
from pytest_isobench.models.result import Configuration, TaskState
from pytest_isobench.models.trial import Trial
from pytest_isobench.workloads.base import BASELINE, CONTROL, HUMAN, TRUSTED, Schedule


class Race:
    """Takes rounds in, and tells who races on, when to look, and what the verdicts are."""

    def __init__(self, contenders: Sequence[Contender], schedule: Schedule, configuration: Configuration, margin: float) -> None:
        self.contenders, self.schedule, self.margin = contenders, schedule, margin
        self.looks = looks(schedule, configuration.confidence)
        self.rounds: list[Mapping[str, Trial]] = []
        self.state: TaskState | None = None
        self.human_vs_baseline: Interval | None = None
        self.control: Interval | None = None
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

    def counted(self, wanted: int) -> tuple[tuple[int, ...], bool]:
        """Return the rounds that count towards `wanted`, and whether another one is needed."""
        chosen = redo([self._flags(trials) for trials in self.rounds], TRUSTED, wanted)
        return chosen.counted, chosen.more

    @property
    def redone(self) -> int:
        """Rounds that were measured and do not count."""
        return len(self.rounds) - len(self.counted(self.limit)[0])

    def look(self, wanted: int, *, final: bool) -> bool:
        """Judge on the rounds that count; True when everything is settled."""
        rounds = [self.rounds[index] for index in self.counted(wanted)[0]]
        if self.control is None:
            self.control = self._contrast(rounds, BASELINE, CONTROL, final=final)
        self._judge_task(rounds, final=final)
        for contender in self.contenders:
            if contender.racing:
                self._judge(contender, rounds, final=final)
        return self.state is not None and not any(contender.racing for contender in self.contenders)

    def provisional(self) -> dict[str, Interval]:
        """Return the estimates so far, for the eye only: of each case against the human, and of 'human' against the baseline."""
        shown = {"human": self._contrast(self.rounds, BASELINE, HUMAN, final=False)}
        for contender in self.contenders:
            shown[contender.entrant.case] = self._contrast(self.rounds, HUMAN, contender.arm, final=False)
        return {name: interval for name, interval in shown.items() if interval is not None}

    def typical(self, field: str) -> dict[str, float]:
        """Return the median over all rounds of a trial's `samples`, `setup` or `prepare`, per arm; seconds."""
        values: dict[str, list[float]] = {}
        for trials in self.rounds:
            for arm, trial in trials.items():
                value = median(trial.samples) if field == "samples" and trial.samples else getattr(trial, field)
                if isinstance(value, float):
                    values.setdefault(arm, []).append(value)
        return {arm: median(found) for arm, found in values.items()}

    def _judge_task(self, rounds: Sequence[Mapping[str, Trial]], *, final: bool) -> None:
        differences = self._differences(rounds, BASELINE, HUMAN)
        if not differences:
            return
        self.human_vs_baseline = sequential_interval(differences, self.looks, final=final)
        self.state = judge_task(self.human_vs_baseline, self.margin, final)
        if self.state is None and underpowered(differences, self.margin, self.looks):
            self.state = TaskState.UNDERPOWERED

    def _judge(self, contender: Contender, rounds: Sequence[Mapping[str, Trial]], *, final: bool) -> None:
        contender.note(moved_work(rounds, contender.arm, [arm for arm in (BASELINE, HUMAN) if arm in rounds[0]] if rounds else []))
        versus_human = self._contrast(rounds, HUMAN, contender.arm, final=final)
        versus_baseline = self._contrast(rounds, BASELINE, contender.arm, final=final)
        if versus_human is None or versus_baseline is None:
            return
        contender.versus_human, contender.versus_baseline = versus_human, versus_baseline
        contender.outcome = judge_agent(versus_human, self.margin, final)
        contender.gain = judge_gain(versus_baseline, self.margin, final)
        contender.settled = final or settled(self.state, contender.outcome, contender.gain)

    def _contrast(self, rounds: Sequence[Mapping[str, Trial]], slower: str, faster: str, *, final: bool) -> Interval | None:
        differences = self._differences(rounds, slower, faster)
        return sequential_interval(differences, self.looks, final=final) if differences else None

    def _differences(self, rounds: Sequence[Mapping[str, Trial]], x: str, y: str) -> list[float]:
        pairs = [(trials[x].samples, trials[y].samples) for trials in rounds if x in trials and y in trials]
        return [self._difference(one, other) for one, other in pairs if one and other]

    def _difference(self, x: Sequence[float], y: Sequence[float]) -> float:
        if self.schedule == "pingpong":
            return ping_pong_difference(x, y)
        return trial_value(x) - trial_value(y)

    def _flags(self, trials: Mapping[str, Trial]) -> dict[str, bool]:
        """Tell which arms were disturbed; none where the workload waits by itself, as the first round shows."""
        if self._cpu_bound is None:
            first = [trial.busy for arm, trial in self.rounds[0].items() if arm in TRUSTED and trial.busy is not None]
            self._cpu_bound = bool(first) and min(first) <= WALL_PER_CPU
        return {arm: self._cpu_bound and (trial.busy or 0.0) > WALL_PER_CPU for arm, trial in trials.items()}

