"""Replay of measuring procedures on timing noise: recorded on real machines, or synthetic with a fixed seed.

A recording is one of three kinds. `stream`: processes of one program, one after another; every schedule can be imposed on it.
`rounds`: processes of several arms in random order with true extra work. `pingpong`: sessions of resident workers that take turns.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pytest_isobench.measuring.statistics import (
    Interval,
    Look,
    contaminated,
    hard_success,
    interval,
    judge_agent,
    judge_gain,
    judge_task,
    looks,
    narrow,
    ping_pong_difference,
    redo,
    settled,
    trial_value,
    underpowered,
)
from pytest_isobench.models.result import Gain, Outcome, TaskState

NOISES = ("normal", "heavy", "autocorrelated", "regimes", "drift")
"""Kinds of synthetic noise."""

Kind = Literal["stream", "rounds", "pingpong"]


@dataclass(frozen=True, slots=True)
class Process:
    """One fresh process: seconds of its samples without the warm-up, and of all of it."""

    times: tuple[float, ...]
    contaminated: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Session:
    """Resident workers that took turns: seconds of each arm's turns without the warm-up, and of all of it."""

    arms: tuple[tuple[float, ...], ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Noise to replay on; `slowdown` is the true extra work of a ping-pong recording's second arm."""

    name: str
    kind: Kind
    processes: tuple[Process, ...] = ()
    rounds: tuple[Mapping[str, Process], ...] = ()
    sessions: tuple[Session, ...] = ()
    slowdown: float = 0.0

    def __len__(self) -> int:
        return len(self.processes or self.rounds or self.sessions)


@dataclass(frozen=True, slots=True)
class Round:
    """Every arm once: its times, whether it was contaminated, and the seconds that all took."""

    times: Mapping[str, Sequence[float]]
    flags: Mapping[str, bool]
    seconds: float
    pingpong: bool

    def difference(self, x: str, y: str) -> float:
        """Return how much faster y was than x, as a log ratio."""
        if self.pingpong:
            return ping_pong_difference(self.times[x], self.times[y])
        return trial_value(self.times[x]) - trial_value(self.times[y])


@dataclass(frozen=True, slots=True)
class Contrast:
    """One contrast at a look: its interval, the rounds' differences behind it, and whether the cap is reached."""

    interval: Interval
    differences: Sequence[float]
    final: bool

    @property
    def excludes_zero(self) -> bool:
        limits = self.interval.limits
        return limits is not None and not limits[0] <= 0 <= limits[1]

    def covers(self, truth: float) -> bool:
        limits = self.interval.limits
        return limits is None or limits[0] <= truth <= limits[1]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a campaign found, and what it cost."""

    contrasts: Mapping[tuple[str, str], Contrast]
    counted: int
    trials: int
    seconds: float

    @property
    def only(self) -> Contrast:
        """The contrast of a campaign that has one."""
        (contrast,) = self.contrasts.values()
        return contrast


def load(path: Path) -> Recording:
    """Read a recording; its lines tell its kind."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    if "it" in lines[0]:
        slowdown = re.match(r"pptrue(\d+)_", path.name)
        sessions = tuple(Session(tuple(zip(*[turn[:2] for turn in line["it"][1:]], strict=True)), line["sec"]) for line in lines)
        return Recording(path.stem, "pingpong", sessions=sessions, slowdown=int(slowdown[1]) / 100 if slowdown else 0.0)
    if "arm" in lines[0]:
        rounds: dict[int, dict[str, Process]] = {}
        for line in lines:
            rounds.setdefault(line["round"], {})[line["arm"]] = _process(line)
        return Recording(path.stem, "rounds", rounds=tuple(rounds.values()))
    return Recording(path.stem, "stream", processes=tuple(map(_process, lines)))


def _process(line: dict[str, Any]) -> Process:
    wall, cpu = line["w"][1:], line["c"][1:]
    return Process(tuple(wall), contaminated(sum(wall), sum(cpu)), line["full"] / 1e9)


def synthetic(noise: str, kind: Literal["stream", "pingpong"], count: int, seed: int, arms: int = 3) -> Recording:
    """Make up a recording with one kind of noise around 20 ms."""
    rng = random.Random(f"{noise} {kind} {seed}")
    levels = _levels(noise, rng)
    name = f"{noise} (synthetic)"
    if kind == "stream":
        return Recording(name, kind, processes=tuple(_made_process(next(levels), noise, rng) for _ in range(count)))
    return Recording(name, kind, sessions=tuple(_made_session(islice(levels, 6), noise, rng, arms) for _ in range(count)))


def _levels(noise: str, rng: random.Random) -> Iterator[float]:
    """Yield how slow the machine is from one moment to the next, in logs."""
    level, fast = 0.0, True
    moment = 0
    while True:
        moment += 1
        if noise == "autocorrelated":
            level = 0.8 * level + rng.gauss(0, 0.03)
        elif noise == "regimes":
            fast = fast if rng.random() > 1 / 40 else not fast
            level = 0.0 if fast else math.log(1.17)
        elif noise == "drift":
            level = 0.1 * (moment % 20) / 20
        yield level


def _stall(noise: str, rng: random.Random) -> float:
    return rng.expovariate(1 / 0.3) if noise == "heavy" and rng.random() < 0.1 else 0.0


def _made_process(level: float, noise: str, rng: random.Random) -> Process:
    own = level + rng.gauss(0, 0.015)
    stalls = [_stall(noise, rng) for _ in range(5)]
    cpu = [0.02 * math.exp(own + rng.gauss(0, 0.005)) for _ in stalls]
    wall = [time * math.exp(stall) for time, stall in zip(cpu, stalls, strict=True)]
    return Process(tuple(wall), contaminated(sum(wall), sum(cpu)), 0.08 + sum(wall))


def _made_session(levels: Iterator[float], noise: str, rng: random.Random, arms: int) -> Session:
    own = [rng.gauss(0, 0.005) for _ in range(arms)]
    turns = [[0.02 * math.exp(level + mine + rng.gauss(0, 0.015) + _stall(noise, rng)) for mine in own] for level in levels]
    return Session(tuple(zip(*turns, strict=True)), 0.1 * arms + sum(map(sum, turns)))


def replay(recording: Recording, slowness: Mapping[str, float], start: int, rng: random.Random) -> Iterator[Round]:
    """Yield rounds from a moment of the recording on, with arms that are so many times as slow as the recorded program."""
    arms = list(slowness)
    for i in range(start, start + len(recording)):
        rng.shuffle(arms)
        if recording.kind == "pingpong":
            session = recording.sessions[i % len(recording)]
            turns = {arm: [time * slowness[arm] for time in times] for arm, times in zip(arms, session.arms, strict=False)}
            yield Round(turns, {}, session.seconds, pingpong=True)
        else:
            first = start + (i - start) * len(arms)
            own = {arm: recording.processes[(first + k) % len(recording)] for k, arm in enumerate(arms)}
            times = {arm: [time * slowness[arm] for time in process.times] for arm, process in own.items()}
            yield Round(times, _flags(own), sum(process.seconds for process in own.values()), pingpong=False)


def true_rounds(recording: Recording, arms: tuple[str, str], start: int) -> Iterator[Round]:
    """Yield recorded rounds as they were, with two of their arms, which did different work in truth."""
    for i in range(start, start + len(recording)):
        if recording.kind == "pingpong":
            session = recording.sessions[i % len(recording)]
            yield Round(dict(zip(arms, session.arms, strict=True)), {}, session.seconds, pingpong=True)
        else:
            own = {arm: recording.rounds[i % len(recording)][arm] for arm in arms}
            times = {arm: process.times for arm, process in own.items()}
            yield Round(times, _flags(own), sum(process.seconds for process in own.values()), pingpong=False)


def _flags(own: Mapping[str, Process]) -> dict[str, bool]:
    return {arm: process.contaminated for arm, process in own.items()}


def campaign(
    rounds: Iterator[Round],
    pairs: Sequence[tuple[str, str]],
    decided: Callable[[Mapping[tuple[str, str], Contrast]], bool],
    trusted: frozenset[str],
    plan: Sequence[Look] = looks("rounds", 0.95),
) -> Measured:
    """Measure until `decided` is content with the contrasts at a look, or to the cap."""
    done: list[Round] = []
    found: dict[tuple[str, str], Contrast] = {}
    choice = redo([], trusted, plan[0].rounds)
    for look in plan:
        choice = redo([one.flags for one in done], trusted, look.rounds)
        while choice.more:
            done.append(next(rounds))
            choice = redo([one.flags for one in done], trusted, look.rounds)
        for x, y in pairs:
            differences = [done[i].difference(x, y) for i in choice.counted]
            before = found[x, y].interval if (x, y) in found else None
            found[x, y] = Contrast(narrow(before, interval(differences, look.alpha)), differences, look is plan[-1])
        if decided(found):
            break
    return Measured(found, len(choice.counted), sum(len(one.times) for one in done), sum(one.seconds for one in done))


def find_difference(recording: Recording, slowdown: float, start: int, rng: random.Random) -> Measured | None:
    """Compare a program with one that is so much slower, until a difference is shown or the cap is reached.

    The slower one did more work in truth where the recording has such an arm, else its times are multiplied. None when the
    recording has only other true slowdowns.
    """
    rounds: Iterator[Round]
    x, y = "A", f"B{slowdown * 100:.0f}" if slowdown else "A2"
    if recording.kind == "rounds":
        if y not in recording.rounds[0]:
            return None
        rounds = true_rounds(recording, (x, y), start)
    elif recording.slowdown:
        if slowdown != recording.slowdown:
            return None
        rounds = true_rounds(recording, (x, y), start)
    else:
        rounds = replay(recording, {x: 1.0, y: 1 + slowdown}, start, rng)
    return campaign(rounds, [(x, y)], lambda found: found[x, y].excludes_zero, frozenset((x, y)))


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one replayed case."""

    state: TaskState
    outcome: Outcome
    hard_success: bool
    rounds: int

    @property
    def label(self) -> str:
        """The verdict, or the task's state where there is none."""
        return self.outcome if self.state is TaskState.EVALUABLE else self.state


def judge_case(recording: Recording, human: float, agent: float, start: int, rng: random.Random, margin: float = 0.05) -> Judged:
    """Measure and judge a human so many times as fast as the baseline, and an agent so many times as fast as the human."""
    pairs = [("B", "H"), ("H", "A"), ("B", "A")]
    plan = looks("rounds", 0.95)

    def judge(found: Mapping[tuple[str, str], Contrast]) -> tuple[TaskState | None, Outcome | None, Gain | None]:
        task, against, gain = (found[pair] for pair in pairs)
        state = judge_task(task.interval, margin, task.final)
        if state is None and underpowered(task.differences, margin, plan):
            state = TaskState.UNDERPOWERED
        return state, judge_agent(against.interval, margin, task.final), judge_gain(gain.interval, margin, task.final)

    rounds = replay(recording, {"B": 1.0, "H": 1 / human, "A": 1 / (human * agent)}, start, rng)
    end = campaign(rounds, pairs, lambda found: settled(*judge(found)), frozenset("BH"))
    state, outcome, _ = judge(end.contrasts)
    against, gain = end.contrasts["H", "A"].interval, end.contrasts["B", "A"].interval
    assert state is not None
    return Judged(state, outcome or Outcome.INCONCLUSIVE, hard_success(state, against, gain, margin, correct=True), end.counted)
