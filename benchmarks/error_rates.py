"""How often a measuring procedure is wrong: ours beside the rules in use, replayed on recorded or synthetic noise.

    python benchmarks/error_rates.py                     # synthetic noise
    python benchmarks/error_rates.py noise/*.jsonl       # recordings

For every procedure: false differences between a program and itself; how often a true slowdown of 1, 2, 5 and 10 % is found (in the right
direction); how often the claimed 95 % interval covers the truth; and what it costs in processes and in seconds of the recording.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from replay import NOISES, Process, Recording, find_difference, judge_case, load, synthetic

SLOWDOWNS = (0.0, 0.01, 0.02, 0.05, 0.10)
BAND = math.log(1.05)
NO_OP = 1.0
"""The agent's speed as a multiple of the baseline's when it does nothing."""
TRUTHS = (
    *((1.2, agent) for agent in (0.8, 0.9, 0.95, 1.0, 1.05, 1.1)),
    (1.1, 1.0),
    *((human, NO_OP / human) for human in (1.1, 1.05, 1.03, 1.0)),
)
"""How many times as fast the human is as the baseline, and the agent as the human."""


class Answer(NamedTuple):
    """One comparison by a procedure: which way it says the second arm moved, whether its interval covers the truth, and the cost."""

    says: int
    covers: bool | None
    trials: int
    seconds: float


@dataclass
class Tally:
    """All answers of a procedure, by true slowdown."""

    answers: dict[float, list[Answer]] = field(default_factory=lambda: defaultdict(list))

    def share(self, slowdown: float) -> str:
        """Return how often a difference was claimed, in percent: any at all between equals, else the true one."""
        answers = self.answers[slowdown]
        hits = [answer.says != 0 if slowdown == 0 else answer.says < 0 for answer in answers]
        return f"{100 * statistics.fmean(hits):.1f}" if hits else "-"

    def coverage(self) -> str:
        """Return how often the interval covered the truth, in percent, over all slowdowns."""
        covers = [answer.covers for answers in self.answers.values() for answer in answers if answer.covers is not None]
        return f"{100 * statistics.fmean(covers):.1f}" if covers else "none"

    def cost(self, slowdown: float) -> str:
        """Return mean processes and seconds of one comparison."""
        answers = self.answers[slowdown]
        if not answers:
            return "-"
        return f"{statistics.fmean(a.trials for a in answers):.0f} / {statistics.fmean(a.seconds for a in answers):.1f} s"


@dataclass(frozen=True)
class Rule:
    """A rule in use: so many processes of one arm, then (after a gap) as many of the other, and a decision."""

    name: str
    processes: int
    gap: int
    decide: Callable[[Sequence[Process], Sequence[Process], float], tuple[float, float | None]]
    """Return the log ratio and, where the rule has an interval, its half width; given the second arm's slowness."""

    def answer(self, recording: Recording, slowdown: float, start: int) -> Answer:
        stream, count = recording.processes, self.processes
        x, y = (
            [stream[i % len(stream)] for i in range(first, first + count)]
            for first in (start, start + count + self.gap)
        )
        ratio, half = self.decide(x, y, 1 + slowdown)
        limit = BAND if half is None else half
        says = (ratio > limit) - (ratio < -limit)
        covers = None if half is None else abs(ratio + math.log1p(slowdown)) <= half
        return Answer(says, covers, 2 * count, sum(process.seconds for process in (*x, *y)))


def means(x: Sequence[Process], y: Sequence[Process], slowness: float) -> tuple[float, None]:
    """GSO: the ratio of the means of all runs."""
    first, second = (statistics.fmean(statistics.median(process.times) for process in arm) for arm in (x, y))
    return math.log(first / (second * slowness)), None


def medians(x: Sequence[Process], y: Sequence[Process], slowness: float) -> tuple[float, None]:
    """The ratio of the medians of all runs."""
    first, second = (statistics.median(statistics.median(process.times) for process in arm) for arm in (x, y))
    return math.log(first / (second * slowness)), None


def pooled_t(x: Sequence[Process], y: Sequence[Process], slowness: float) -> tuple[float, float]:
    """The comparison of pyperf: Student's t over three values of every process, as if all were independent."""
    first = [time for process in x for time in process.times[:3]]
    second = [time * slowness for process in y for time in process.times[:3]]
    middle, freedom = statistics.fmean(second), len(first) + len(second) - 2
    pooled = math.sqrt((statistics.variance(first) + statistics.variance(second)) / len(first))
    z = statistics.NormalDist().inv_cdf(0.975)
    quantile = z + (z**3 + z) / (4 * freedom)  # the first term of Fisher's expansion; exact to 0.1 % from 40 degrees of freedom
    return statistics.fmean(first) / middle - 1, quantile * pooled / middle


RULES = (
    Rule("one run each, ±5 %", 1, 0, means),
    Rule("one run each, 400 runs between, ±5 %", 1, 400, means),
    Rule("GSO: means of 5 + 5, 0.95", 5, 0, means),
    Rule("medians of 5 + 5, ±5 %", 5, 0, medians),
    Rule("medians of 10 + 10, ±5 %", 10, 0, medians),
    Rule("pyperf: pooled t, 20 x 3", 20, 0, pooled_t),
)


def ours(recording: Recording, slowdown: float, start: int, rng: random.Random) -> Answer | None:
    """Measure by the schedule that the recording allows."""
    measured = find_difference(recording, slowdown, start, rng)
    if measured is None:
        return None
    contrast = measured.only
    says = (1 if contrast.interval.estimate > 0 else -1) if contrast.excludes_zero else 0
    return Answer(says, contrast.covers(-math.log1p(slowdown)), measured.trials, measured.seconds)


def tallies(recordings: Sequence[Recording], trials: int, seed: int) -> dict[str, Tally]:
    """Let every procedure answer on every recording, from random moments on."""
    found: dict[str, Tally] = defaultdict(Tally)
    names = {"stream": "rounds", "rounds": "rounds, true extra work", "pingpong": "ping-pong"}
    for recording in recordings:
        rng = random.Random(f"{recording.name} {seed}")
        label = f"isobench {names[recording.kind]}{', true extra work' if recording.slowdown else ''}"
        for slowdown in SLOWDOWNS:
            for _ in range(trials):
                start = rng.randrange(len(recording))
                if (answer := ours(recording, slowdown, start, rng)) is not None:
                    found[label].answers[slowdown].append(answer)
                for rule in RULES if recording.kind == "stream" else ():
                    found[rule.name].answers[slowdown].append(rule.answer(recording, slowdown, start))
    return found


def rate_table(found: dict[str, Tally]) -> Iterator[str]:
    """Yield the lines of the table of error rates."""
    yield "| procedure | false % | finds 1 % | 2 % | 5 % | 10 % | covers % | cost: equal | 5 % slower |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, tally in sorted(found.items(), key=lambda item: item[0].startswith("isobench")):
        shares = " | ".join(tally.share(slowdown) for slowdown in SLOWDOWNS)
        yield f"| {name} | {shares} | {tally.coverage()} | {tally.cost(0.0)} | {tally.cost(0.05)} |"


def verdict_table(recordings: Sequence[Recording], trials: int, seed: int) -> Iterator[str]:
    """Yield the lines of the table of verdicts, beside what one run each with a band of 5 % says of the agent and the human."""
    yield "| human, agent against human | isobench | Hard Success | rounds | one run each, ±5 % |"
    yield "|---|---|---|---|---|"
    one_run = RULES[0]
    for human, agent in TRUTHS:
        rng = random.Random(f"{human} {agent} {seed}")
        judged, labels = [], Counter[str]()
        for recording in recordings:
            for _ in range(trials):
                start = rng.randrange(len(recording))
                judged.append(judge_case(recording, human, agent, start, rng))
                labels[("matches", "beats", "slower")[one_run.answer(recording, 1 / agent - 1, start).says]] += 1
        ours = Counter(case.label for case in judged)
        success = 100 * statistics.fmean(case.hard_success for case in judged)
        spent = statistics.fmean(case.rounds for case in judged)
        yield f"| x{human:.2f}, x{agent:.2f} | {_shares(ours)} | {success:.1f} % | {spent:.1f} | {_shares(labels)} |"


def _shares(counts: Counter[str]) -> str:
    total = counts.total()
    return ", ".join(f"{name.replace('_', '-')} {100 * count / total:.1f}" for name, count in counts.most_common())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="*", type=Path, help="recordings (.jsonl); none: synthetic noise")
    parser.add_argument("--trials", type=int, default=200, help="comparisons per recording, procedure and slowdown (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    recordings = [load(path) for path in options.recordings] or [
        synthetic(noise, kind, 1500, options.seed, arms=2) for noise in NOISES for kind in ("stream", "pingpong")
    ]
    print("On", ", ".join(dict.fromkeys(recording.name for recording in recordings)))
    print(f"{options.trials} comparisons per recording, procedure and slowdown; seed {options.seed}\n")
    print(*rate_table(tallies(recordings, options.trials, options.seed)), sep="\n")
    if streams := [recording for recording in recordings if recording.kind == "stream"]:
        print("\nVerdicts in percent, with the schedule `rounds`:\n")
        print(*verdict_table(streams, options.trials, options.seed), sep="\n")


if __name__ == "__main__":
    main()
