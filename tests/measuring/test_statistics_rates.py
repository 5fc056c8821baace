import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.measuring.statistics import geometric_mean, wilson


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(18, 39, 31.6, 61.4), (4, 15, 10.9, 52.0), (12, 15, 54.8, 93.0), (7, 39, 9.0, 32.7)],
)
def test_the_intervals_of_published_rates(successes, total, low, high):
    found = wilson(successes, total, 0.95)
    assert tuple(round(100 * end, 1) for end in found) == (low, high)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_scipy(counts, confidence):
    stats = pytest.importorskip("scipy.stats")
    oracle = stats.binomtest(*counts).proportion_ci(confidence, method="wilson")
    assert wilson(*counts, confidence) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.floats(0, n), st.just(n))))
def test_wilson_holds_its_share_and_mirrors(counts):
    successes, total = counts
    low, high = wilson(successes, total, 0.95)
    assert 0 <= low <= successes / total <= high <= 1
    assert wilson(total - successes, total, 0.95) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize(("total", "share"), [(15, 0.05), (39, 0.2), (54, 0.5)])
def test_wilson_covers(total, share):
    """Exactly, by summing the binomial distribution."""
    covered = 0.0
    for k in range(total + 1):
        low, high = wilson(k, total, 0.95)
        if low <= share <= high:
            covered += math.comb(total, k) * share**k * (1 - share) ** (total - k)
    assert covered >= 0.92


@pytest.mark.parametrize(("successes", "total"), [(0, 0), (2, 1), (-1, 5), (math.nan, 5)])
def test_impossible_counts_are_refused(successes, total):
    with pytest.raises(ValueError, match="successes of"):
        wilson(successes, total, 0.95)


def test_geometric_mean():
    assert geometric_mean([2.0, 0.5, 4.0, 0.25]) == pytest.approx(1.0)
    assert geometric_mean([1e300] * 50) == pytest.approx(1e300)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
def test_the_geometric_mean_of_inverses_is_the_inverse(ratios):
    assert geometric_mean(1 / ratio for ratio in ratios) == pytest.approx(1 / geometric_mean(ratios))


@pytest.mark.parametrize("ratios", [[], [1.0, 0.0], [-1.0], [math.inf], [math.nan]])
def test_a_mean_of_what_has_none_is_refused(ratios):
    with pytest.raises(ValueError, match="at least one ratio"):
        geometric_mean(ratios)
