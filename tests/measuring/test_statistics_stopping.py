import math
import random
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_isobench.measuring.statistics import alpha_at, interval, judge_agent, judge_gain, judge_task, looks, narrow, sequential_interval
from pytest_isobench.models.result import Gain, Outcome, TaskState

LOOKS = looks("rounds", 0.95)


@pytest.mark.parametrize(
    ("schedule", "rounds", "alphas"),
    [
        ("pingpong", (8, 12, 16, 20, 25, 30), (0.0189, 0.0073, 0.0064, 0.0056, 0.0063, 0.0056)),
        ("rounds", (8, 12, 16, 20, 25, 30), (0.0189, 0.0073, 0.0064, 0.0056, 0.0063, 0.0056)),
        ("server", (8, 10, 12), (0.0382, 0.0063, 0.0056)),
    ],
)
def test_the_planned_looks(schedule, rounds, alphas):
    plan = looks(schedule, 0.95)
    assert tuple(look.rounds for look in plan) == rounds
    assert tuple(round(look.alpha, 4) for look in plan) == alphas


@given(st.sampled_from(["pingpong", "rounds", "server"]), st.floats(0.5, 0.9999))
def test_the_looks_spend_the_whole_error_and_no_more(schedule, confidence):
    plan = looks(schedule, confidence)
    assert sum(look.alpha for look in plan) == pytest.approx(1 - confidence, rel=1e-9)
    assert all(look.alpha > 0 for look in plan)


@pytest.mark.parametrize(("schedule", "confidence"), [("weekly", 0.95), ("rounds", 0.0), ("rounds", 1.0), ("rounds", 95.0)])
def test_an_impossible_plan_is_refused(schedule, confidence):
    with pytest.raises(ValueError, match=r"weekly|confidence is"):
        looks(schedule, confidence)


@pytest.mark.parametrize(
    ("rounds", "final", "alpha"),
    [
        (7, False, 0.0),
        (8, False, LOOKS[0].alpha),
        (9, False, 0.0),
        (30, False, LOOKS[-1].alpha),
        (31, False, 0.0),
        (6, True, 0.05),
        (8, True, 0.05),
        (9, True, 0.05 - LOOKS[0].alpha),
        (30, True, LOOKS[-1].alpha),
        (31, True, 0.0),
    ],
)
def test_a_last_look_gets_what_is_unspent(rounds, final, alpha):
    assert alpha_at(LOOKS, rounds, final=final) == pytest.approx(alpha)


def noise(n, seed):
    rng = random.Random(seed)
    return [rng.gauss(0.02, 0.05) for _ in range(n)]


def test_before_the_first_look_there_is_an_estimate_without_limits():
    found = sequential_interval(noise(7, 1), LOOKS)
    assert (found.limits, found.n) == (None, 7)
    assert found.estimate == interval(noise(7, 1), 0.05).estimate


def test_between_looks_the_limits_stay():
    assert sequential_interval(noise(11, 1), LOOKS).limits == sequential_interval(noise(8, 1), LOOKS).limits


def test_a_budget_that_ends_early_gives_one_interval_at_the_full_level():
    assert sequential_interval(noise(7, 1), LOOKS, final=True) == interval(noise(7, 1), 0.05)
    assert sequential_interval(noise(5, 1), LOOKS, final=True).limits is None


@pytest.mark.parametrize("n", [8, 11, 12, 20, 30])
def test_the_interval_is_the_intersection_of_the_looks(n):
    differences = noise(n, 2)
    parts = [interval(differences[: look.rounds], look.alpha) for look in LOOKS if look.rounds <= n]
    found = sequential_interval(differences, LOOKS)
    assert found.limits == (max(part.low for part in parts), min(part.high for part in parts))


def verdicts(found):
    return judge_task(found, 0.05, False), judge_agent(found, 0.05, False), judge_gain(found, 0.05, False)


SHARPER = {
    TaskState.NOT_EVALUABLE: {TaskState.WEAK, TaskState.HUMAN_REGRESSION},
    Gain.NO_CHANGE: {Gain.FASTER, Gain.REGRESSES},
}


@settings(max_examples=40)
@given(st.integers(0, 10**9), st.floats(-0.2, 0.2), st.sampled_from([0.01, 0.05, 0.2]))
def test_what_is_settled_stays_settled(seed, shift, sd):
    rng = random.Random(seed)
    differences = [rng.gauss(shift, sd) for _ in range(30)]
    before = (None, None, None)
    for n in (7, 8, 9, 12, 16, 20, 25, 29, 30):
        now = verdicts(sequential_interval(differences[:n], LOOKS))
        for old, new in zip(before, now, strict=True):
            assert old in (None, new) or new in SHARPER.get(old, ())
        before = now


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.booleans())
def test_swapping_the_arms_flips_the_sign_at_every_look(differences, final):
    found = sequential_interval(differences, LOOKS, final=final)
    swapped = sequential_interval([-d for d in differences], LOOKS, final=final)
    assert swapped.estimate == -found.estimate
    assert swapped.limits == (found.limits and (-found.high, -found.low))


@pytest.mark.parametrize("schedule", ["rounds", "server"])
def test_coverage_holds_wherever_the_measuring_stops(schedule):
    """An adversary stops at the look whose interval suits it best: the truth must still be inside often enough."""
    plan = looks(schedule, 0.8)  # a large error shows a violation in few trials
    rng = random.Random(5)
    trials = 300
    missed = 0
    for _ in range(trials):
        differences = [rng.gauss(0, 1) for _ in range(plan[-1].rounds)]
        looked = [interval(differences[: look.rounds], look.alpha) for look in plan]
        missed += any(one.low > 0 or one.high < 0 for one in accumulate(looked, narrow))
    assert missed / trials <= 0.2 + 2 * math.sqrt(0.2 * 0.8 / trials)


def test_every_measured_outcome_can_be_reached():
    def outcome(shift, sd, final=False):
        rng = random.Random(1)
        return judge_agent(sequential_interval([rng.gauss(shift, sd) for _ in range(30)], LOOKS), 0.05, final)

    assert outcome(0.2, 0.01) is Outcome.BEATS
    assert outcome(-0.2, 0.01) is Outcome.SLOWER
    assert outcome(0.0, 0.01) is Outcome.MATCHES
    assert outcome(0.05, 0.05, final=True) is Outcome.NON_INFERIOR
    assert outcome(0.0, 0.5, final=True) is Outcome.INCONCLUSIVE
    assert outcome(0.0, 0.5) is None
