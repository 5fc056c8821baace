import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_isobench.measuring.statistics import share_of_gain
from pytest_isobench.measuring.statistics.intervals import points, rank


def measured(human, agent, sd, n, rng):
    """Differences against the baseline of a human and an agent with these true logs."""
    rounds = [[rng.gauss(0, sd) for _ in range(3)] for _ in range(n)]
    return [agent + b - a for b, _, a in rounds], [human + b - h for b, h, _ in rounds]


@pytest.mark.parametrize("share", [-0.5, 0.0, 0.5, 1.0, 3.0])
def test_an_exact_share_is_found_exactly(share):
    human = [0.2 + k / 100 for k in range(10)]
    found = share_of_gain([share * h for h in human], human, 0.05)
    assert (found.estimate, found.low, found.high) == pytest.approx((share, share, share), abs=1e-9)


def test_no_share_of_a_gain_that_is_not_there():
    rng = random.Random(1)
    assert share_of_gain(*measured(0.0, 0.1, 0.05, 20, rng), 0.05) is None
    assert share_of_gain(*measured(-0.3, 0.1, 0.05, 20, rng), 0.05) is None
    assert share_of_gain([0.1] * 5, [0.2] * 5, 0.05) is None


def test_different_rounds_are_refused():
    with pytest.raises(ValueError, match="7 rounds of the agent, 8 of the human"):
        share_of_gain([0.1] * 7, [0.1] * 8, 0.05)


@settings(max_examples=30)
@given(st.integers(0, 10**9), st.floats(0.0, 1.5))
def test_the_ends_are_where_the_test_turns(seed, share):
    agent, human = measured(0.3, 0.3 * share, 0.03, 12, random.Random(seed))
    found = share_of_gain(agent, human, 0.05)
    assert found.low <= found.estimate <= found.high

    def ends(method, share):
        candidates = points(method, sorted(a - share * h for a, h in zip(agent, human, strict=True)))
        c = rank(method, len(agent), 0.05)
        return candidates[c - 1], candidates[-c]

    assert any(abs(ends(m, found.low)[0]) < 1e-9 and abs(ends(m, found.high)[1]) < 1e-9 for m in ("signed_rank", "sign"))


def test_the_interval_covers():
    rng = random.Random(3)
    shares = [0.0, 0.5, 1.0] * 120
    found = [share_of_gain(*measured(0.2, 0.2 * share, 0.03, 10, rng), 0.05) for share in shares]
    covered = sum(one.low <= share <= one.high for one, share in zip(found, shares, strict=True) if one)
    trials = len(shares)
    assert all(found)
    assert covered / trials >= 0.95 - 2 * math.sqrt(0.05 * 0.95 / trials)
