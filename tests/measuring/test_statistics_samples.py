import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.measuring.statistics import opposed, ping_pong_difference, quantised, rounded, single_request, trial_value

times = st.floats(1e-6, 1e3)
turns = st.lists(st.tuples(times, times), min_size=1, max_size=9)


@given(turns)
def test_a_ping_pong_difference_flips_with_the_arms(pairs):
    x, y = zip(*pairs, strict=True)
    assert ping_pong_difference(x, y) == -ping_pong_difference(y, x)


def test_the_faster_arm_has_a_positive_difference():
    assert ping_pong_difference([2.0, 2.2, 9.0], [1.0, 1.1, 1.0]) == pytest.approx(math.log(2))
    assert trial_value([2.0, 2.4]) - trial_value([1.0, 3.0]) == pytest.approx(math.log(2))


def test_a_trial_value_is_a_log():
    assert trial_value([3.0, 2.0, 5.0]) == math.log(2.0)
    assert trial_value([3.0, 2.0, 5.0], "median") == math.log(3.0)


@pytest.mark.parametrize("broken", [[], [0.0], [-1.0], [math.inf], [math.nan]])
def test_impossible_times_are_refused(broken):
    with pytest.raises(ValueError, match="time"):
        trial_value(broken)
    with pytest.raises(ValueError, match="time"):
        ping_pong_difference(broken, broken)


def test_arms_with_different_numbers_of_turns_are_refused():
    with pytest.raises(ValueError, match="2 times against 1"):
        ping_pong_difference([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([51.1, 102.2, 153.5, 204.7, 255.8, 972.5, 1023.7], True),  # multiples of a log line's step
        ([972.5, 1023.7, 972.5, 972.5, 1023.7, 972.5], True),
        ([1.0] * 6, True),
        ([1.0] * 5, False),  # too few to tell
        ([1000, 1001, 1003, 1004, 1007, 1009], False),  # a lattice, but a fine one
        ([100, 104, 108, 112, 120, 128], True),
    ],
)
def test_quantised(values, expected):
    assert quantised(values, 0.05) is expected


def test_ordinary_noise_is_not_quantised():
    rng = random.Random(1)
    runs = [[math.exp(rng.gauss(0, sd)) for _ in range(12)] for sd in (0.001, 0.02, 0.2) for _ in range(200)]
    assert sum(quantised(values, 0.05) for values in runs) == 0


def test_one_request_has_no_spread():
    assert single_request(32.05, 32.05, 32.05)
    assert not single_request(32.05, 32.05, 33.0)


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(0.1, -0.1, True), (-0.1, 0.1, True), (0.1, 0.1, False), (0.1, -0.01, False), (0.0, -0.1, False)]
)
def test_opposed(one, other, expected):
    assert opposed(one, other, 0.05) is expected


@pytest.mark.parametrize(
    ("ratio", "low", "high", "text"),
    [
        (1.3142, 1.2581, 1.3719, ("1.31", "1.26", "1.37")),
        (1.83, 1.2, 2.9, ("1.8", "1.2", "2.9")),
        (0.98, 0.95, 1.02, ("0.98", "0.95", "1.02")),
        (15.3, 12.1, 19.9, ("15", "12", "20")),
        (153.0, 121.0, 189.0, ("150", "120", "190")),
        (1.02134, 1.02091, 1.02176, ("1.0213", "1.0209", "1.0218")),
        (1.5, 1.5, 1.5, ("1.500000", "1.500000", "1.500000")),
        (1.314, None, None, ("1.3", "", "")),
        (0.0123, None, None, ("0.012", "", "")),
        (153.0, None, None, ("150", "", "")),
    ],
)
def test_digits_are_those_that_the_interval_supports(ratio, low, high, text):
    assert rounded(ratio, low, high) == text


@given(st.floats(0.01, 100), st.floats(1e-4, 1), st.floats(1e-4, 1))
def test_rounding_moves_no_end_by_more_than_half_the_half_width(ratio, below, above):
    low, high = ratio * (1 - below / 2), ratio * (1 + above)
    for value, text in zip((ratio, low, high), rounded(ratio, low, high), strict=True):
        assert abs(float(text) - value) <= (high - low) / 4 + 1e-6
