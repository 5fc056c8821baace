import math
import random

import pytest

from pytest_isobench.measuring.statistics import interval, looks, planned_rounds, underpowered

LOOKS = looks("rounds", 0.95)


@pytest.mark.parametrize(("sd", "rounds"), [(0.0, 8), (0.02, 8), (0.05, 12), (0.08, 30), (0.11, 56)])
def test_rounds_for_five_percent(sd, rounds):
    assert planned_rounds(sd, 0.05, 0.05, 0.9) == rounds


def test_the_sign_test_needs_more():
    assert planned_rounds(0.08, 0.05, method="sign") == pytest.approx(30 * 0.955 / 0.64, abs=1)


@pytest.mark.parametrize(
    "changes", [{"effect": 0}, {"effect": -0.1}, {"sd": -1.0}, {"sd": math.nan}, {"sd": math.inf}, {"alpha": 0.0}, {"power": 1.0}]
)
def test_an_impossible_plan_is_refused(changes):
    with pytest.raises(ValueError, match="cannot plan"):
        planned_rounds(**{"sd": 0.05, "effect": 0.05} | changes)


@pytest.mark.parametrize(("sd", "effect"), [(0.05, 0.05), (0.08, 0.05)])
def test_the_planned_rounds_come_near_the_power(sd, effect):
    """The formula is that of many rounds; with a dozen, exact levels and the choice of the test cost some of the power."""
    rng = random.Random(1)
    n, trials = planned_rounds(sd, effect, power=0.9), 300
    found = sum(interval([rng.gauss(math.log1p(effect), sd) for _ in range(n)], 0.05).low > 0 for _ in range(trials))
    assert found / trials >= 0.8 - 2 * math.sqrt(0.8 * 0.2 / trials)


def alternating(middle, sd):
    return [middle + sign * sd for sign in (-1, 1, -0.9, 0.9, -1, 1, -0.9, 0.9)]


@pytest.mark.parametrize(
    ("gain", "sd", "expected"),
    [(1.0, 0.02, False), (1.0, 0.3, True), (1.1, 0.3, True), (2.0, 0.3, False), (0.5, 0.3, True)],
)
def test_underpowered(gain, sd, expected):
    assert underpowered(alternating(math.log(gain), sd), 0.05, LOOKS) is expected


def test_heavy_tails_are_planned_for_by_their_middle():
    assert not underpowered([0.0, 0.001, -0.001, 0.002, -0.002, 0.001, 5.0, -5.0], 0.05, LOOKS)


def test_a_race_that_was_begun_is_run():
    noise = alternating(0.0, 0.3)
    assert underpowered(noise, 0.05, LOOKS)
    assert not underpowered(noise + noise[:4], 0.05, LOOKS)
