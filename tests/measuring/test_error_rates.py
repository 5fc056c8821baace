"""How often the procedure is wrong, on synthetic noise with fixed seeds and on recordings, against the figures it must keep.

The noises differ in what breaks measuring: heavy tails, autocorrelation, speed levels that switch, drift. No constant of the
procedure was chosen on them.
"""

import importlib.util
import math
import random
import sys
from collections import Counter
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean

import pytest

from pytest_isobench.measuring.statistics import Look, interval
from pytest_isobench.models.result import Outcome, TaskState

ROOT = Path(__file__).parents[2]
NOISE = ROOT / ".." / "shared" / "noise"
SLOWDOWNS = (0.0, 0.01, 0.02, 0.05, 0.10)


def _benchmark(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


replay = _benchmark("replay")


@cache
def recordings(origin):
    if origin == "synthetic":
        return [replay.synthetic(noise, kind, 1500, seed=1) for noise in replay.NOISES for kind in ("stream", "pingpong")]
    if not NOISE.is_dir():
        pytest.skip("the folder of recorded noise, shared/noise beside the checkout, is absent")
    return [replay.load(path) for path in sorted(NOISE.glob("*.jsonl"))]


@cache
def compared(origin, trials):
    """All comparisons of a program with one of a known slowdown: by recording and slowdown."""
    found = {}
    for recording in recordings(origin):
        rng = random.Random(recording.name)
        for slowdown in SLOWDOWNS:
            starts = [rng.randrange(len(recording)) for _ in range(trials)]
            answers = [replay.find_difference(recording, slowdown, start, rng) for start in starts]
            if None not in answers:
                found[recording, slowdown] = answers
    return found


@cache
def judged(origin, trials, human, agent):
    """All verdicts on a human and an agent of known speeds, from three arms that are measured together."""
    usable = [one for one in recordings(origin) if one.kind == "stream" or (one.sessions and len(one.sessions[0].arms) > 2)]
    rng = random.Random(f"{human} {agent}")
    return [replay.judge_case(one, human, agent, rng.randrange(len(one)), rng) for one in usable for _ in range(trials)]


def slack(share, trials):
    """Two standard errors of a share that was found in so many trials."""
    return 2 * math.sqrt(share * (1 - share) / trials)


def pick(found, slowdown, schedule):
    return [
        answer
        for (recording, true), answers in found.items()
        if true == slowdown and (recording.kind == "pingpong") == (schedule == "pingpong")
        for answer in answers
    ]


def power(answers):
    """How often the slower arm was called slower."""
    return fmean(one.only.excludes_zero and one.only.interval.high < 0 for one in answers)


def long(trials):
    """Repeat a test on both origins, so often that a share says something."""
    marks = {origin: [pytest.mark.soak, pytest.mark.xdist_group(f"rates-{origin}-{trials}")] for origin in ("synthetic", "recorded")}
    return pytest.mark.parametrize(("origin", "trials"), [pytest.param(origin, trials, marks=marks[origin]) for origin in marks])


ORIGINS, VERDICTS = long(500), long(250)


@ORIGINS
def test_equal_programs_are_told_apart_in_five_percent_at_most(origin, trials):
    found = compared(origin, trials)
    for schedule in ("rounds", "pingpong"):
        equal = pick(found, 0.0, schedule)
        assert fmean(one.only.excludes_zero for one in equal) <= 0.05 + slack(0.05, len(equal))
    for (recording, slowdown), answers in found.items():
        if slowdown == 0.0:
            assert fmean(one.only.excludes_zero for one in answers) <= 0.05 + slack(0.05, trials), recording.name


@ORIGINS
@pytest.mark.parametrize(
    ("schedule", "slowdown", "least", "rounds"), [("rounds", 0.05, 0.90, 20), ("pingpong", 0.05, 0.95, 12), ("pingpong", 0.02, 0.85, 20)]
)
def test_true_slowdowns_are_found_with_few_rounds(origin, trials, schedule, slowdown, least, rounds):
    slower = pick(compared(origin, trials), slowdown, schedule)
    assert power(slower) >= least - slack(least, len(slower))
    assert fmean(one.counted for one in slower) <= rounds


@ORIGINS
def test_larger_slowdowns_are_found_sooner(origin, trials):
    found = {key: answers for key, answers in compared(origin, trials).items() if not key[0].slowdown}
    for schedule in ("rounds", "pingpong"):
        rounds = [fmean(one.counted for one in pick(found, slowdown, schedule)) for slowdown in SLOWDOWNS]
        assert all(later <= earlier + 0.5 for earlier, later in pairwise(rounds))
        assert rounds[-1] < rounds[0] / 2


@ORIGINS
def test_the_printed_interval_covers_the_truth(origin, trials):
    found = compared(origin, trials)
    covers = {key: [one.only.covers(-math.log1p(key[1])) for one in answers] for key, answers in found.items()}
    pooled = [hit for hits in covers.values() for hit in hits]
    assert fmean(pooled) >= 0.94
    for recording in recordings(origin):
        own = [hit for (other, _), hits in covers.items() if other is recording for hit in hits]
        assert fmean(own) >= 0.92 - slack(0.08, len(own)), recording.name


@cache
def fixed(origin, trials, slowdown):
    """Comparisons after twenty rounds without looks before, where the arms can be chosen."""
    found = []
    for recording in recordings(origin):
        if recording.kind == "rounds" or recording.slowdown:
            continue
        rng = random.Random(recording.name)
        for _ in range(trials):
            rounds = replay.replay(recording, {"A": 1.0, "B": 1 + slowdown}, rng.randrange(len(recording)), rng)
            end = replay.campaign(rounds, [("A", "B")], lambda _: True, frozenset("AB"), (Look(20, 0.05),))
            found.append((recording.kind, end))
    return found


@ORIGINS
def test_a_fixed_number_of_rounds_keeps_its_level(origin, trials):
    equal = [end.only.excludes_zero for _, end in fixed(origin, trials, 0.0)]
    assert fmean(equal) <= 0.06 + slack(0.06, len(equal))


@ORIGINS
def test_twenty_rounds_of_fresh_processes_find_five_percent(origin, trials):
    slower = [end for kind, end in fixed(origin, trials, 0.05) if kind == "stream"]
    assert power(slower) >= 0.90 - slack(0.90, len(slower))
    assert fmean(end.trials for end in slower) <= 65


@VERDICTS
def test_the_verdicts_match_the_truth(origin, trials):
    def shares(human, agent):
        cases = judged(origin, trials, human, agent)
        return Counter({label: count / len(cases) for label, count in Counter(case.label for case in cases).items()}), len(cases)

    equal, total = shares(1.2, 1.0)
    assert equal[Outcome.BEATS] + equal[Outcome.SLOWER] <= 0.01 + slack(0.01, total)
    assert equal[Outcome.MATCHES] + equal[Outcome.NON_INFERIOR] >= 0.85 - slack(0.85, total)
    slower, total = shares(1.2, 0.9)
    assert slower[Outcome.SLOWER] >= 0.90 - slack(0.90, total)
    assert slower[Outcome.BEATS] == 0
    faster, total = shares(1.2, 1.1)
    assert faster[Outcome.BEATS] >= 0.88 - slack(0.88, total)
    assert faster[Outcome.SLOWER] == 0
    on_the_margin = judged(origin, trials, 1.2, 0.95)
    assert fmean(case.hard_success for case in on_the_margin) <= 0.05


@VERDICTS
@pytest.mark.parametrize("human", [1.0, 1.03, 1.05, 1.1, 1.3])
def test_an_agent_that_does_nothing_does_not_succeed(origin, trials, human):
    cases = judged(origin, trials, human, 1 / human)
    assert fmean(case.hard_success for case in cases) <= 0.025
    if human <= 1.05:
        assert fmean(case.state is not TaskState.EVALUABLE for case in cases) >= 0.97 - slack(0.03, len(cases))


@VERDICTS
def test_a_verdict_follows_from_the_printed_interval(origin, trials):
    for case in judged(origin, trials, 1.2, 1.0):
        assert case.state is not None
        assert case.rounds in {8, 12, 16, 20, 25, 30}
        assert not case.hard_success or case.outcome in {Outcome.BEATS, Outcome.MATCHES, Outcome.NON_INFERIOR}


@pytest.mark.parametrize("noise", ["drift", "regimes"])
@pytest.mark.parametrize("kind", ["stream", "pingpong"])
def test_drift_and_speed_levels_bias_nothing(noise, kind):
    recording = replay.synthetic(noise, kind, 1500, seed=2)
    rng = random.Random(3)
    estimates = []
    for _ in range(150):
        rounds = list(islice(replay.replay(recording, {"x": 1.0, "y": 1.05}, rng.randrange(len(recording)), rng), 20))
        estimates.append(interval([one.difference("x", "y") for one in rounds], 0.05).estimate)
    assert abs(fmean(estimates) + math.log(1.05)) < 0.005


@pytest.mark.parametrize("origin", ["synthetic", "recorded"])
def test_swapping_the_arms_flips_every_estimate_and_keeps_the_rounds(origin):
    for recording in recordings(origin):
        if recording.kind != "stream":
            continue
        rounds = list(islice(replay.replay(recording, {"x": 1.0, "y": 1.02}, 5, random.Random(4)), 80))
        there, back = (replay.campaign(iter(rounds), [pair], lambda _: False, frozenset("xy")) for pair in (("x", "y"), ("y", "x")))
        assert back.only.interval.limits == tuple(-end for end in reversed(there.only.interval.limits))
        assert back.only.interval.estimate == -there.only.interval.estimate
        assert (back.counted, back.trials) == (there.counted, there.trials)


def test_the_rules_in_use_fail_where_ours_hold():
    """The comparison that the table of `benchmarks/error_rates.py` makes: the noise is hard enough to tell procedures apart."""
    rates = _benchmark("error_rates")
    streams = [one for one in recordings("synthetic") if one.kind == "stream"]
    found = rates.tallies(streams, 25, seed=1)
    false = {name: float(tally.share(0.0)) for name, tally in found.items()}
    assert false["isobench rounds"] <= 5 + 100 * slack(0.05, 125)
    assert false["pyperf: pooled t, 20 x 3"] > 15
    assert false["one run each, ±5 %"] > 7.5
    assert set(false) == {"isobench rounds", *(rule.name for rule in rates.RULES)}
