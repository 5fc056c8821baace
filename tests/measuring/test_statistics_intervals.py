import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.measuring.statistics import Interval, estimate, interval, narrow
from pytest_isobench.measuring.statistics.intervals import binomial_counts, method_for, points, rank, signed_rank_counts

# Multiples of 1/1024 add and halve without rounding, so that the properties hold exactly.
logs = st.integers(-2000, 2000).map(lambda k: k / 1024)
samples = st.lists(logs, min_size=1, max_size=25)
levels = st.sampled_from([0.2, 0.1, 0.05, 0.0189, 0.0056])


def span(low, high, **changes):
    return Interval(**{"estimate": (low + high) / 2, "low": low, "high": high, "n": 8, "sd": 0.1, "method": "signed_rank"} | changes)


def mirrored(found):
    low, high = (None, None) if found.limits is None else (-found.high, -found.low)
    return Interval(-found.estimate, low, high, found.n, found.sd, found.method)


@given(samples, levels)
def test_swapping_the_arms_flips_the_sign_exactly(differences, alpha):
    assert interval([-d for d in differences], alpha) == mirrored(interval(differences, alpha))


@given(samples, levels, logs)
def test_shifting_all_rounds_shifts_the_interval(differences, alpha, shift):
    before, after = interval(differences, alpha), interval([d + shift for d in differences], alpha)
    assert after.estimate == before.estimate + shift
    assert after.limits == (before.limits and tuple(end + shift for end in before.limits))
    assert (after.n, after.method, after.sd) == (before.n, before.method, before.sd)


@given(st.data(), levels)
def test_the_order_of_rounds_does_not_matter(data, alpha):
    differences = data.draw(samples)
    assert interval(data.draw(st.permutations(differences)), alpha) == interval(differences, alpha)


@given(samples)
def test_a_smaller_level_gives_a_wider_interval(differences):
    wide, slim = interval(differences, 0.01), interval(differences, 0.1)
    if wide.limits is not None:
        assert wide.low <= slim.low <= slim.estimate <= slim.high <= wide.high


@given(samples, levels)
def test_the_estimate_lies_inside(differences, alpha):
    found = interval(differences, alpha)
    assert found.limits is None or found.low <= found.estimate <= found.high
    assert min(differences) <= found.estimate <= max(differences)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 10])
def test_the_signed_rank_null_is_the_count_of_all_sign_patterns(n):
    sums = [sum(r for r, positive in enumerate(signs, 1) if positive) for signs in product([False, True], repeat=n)]
    assert signed_rank_counts(n) == tuple(sums.count(total) for total in range(n * (n + 1) // 2 + 1))


@pytest.mark.parametrize("n", [8, 12, 20, 30, 60])
@pytest.mark.parametrize("alpha", [0.05, 0.0189, 0.0079])
def test_the_nulls_agree_with_scipy(n, alpha):
    stats = pytest.importorskip("scipy.stats")
    values = [float(k) for k in range(1, n + 1)]
    c = rank("signed_rank", n, alpha)
    # The rank statistic c - 1 is the last that rejects: reach it by making the matching ranks negative.
    assert two_sided(stats, values, c - 1) <= alpha < two_sided(stats, values, c)
    c = rank("sign", n, alpha)
    assert stats.binomtest(c - 1, n).pvalue <= alpha < stats.binomtest(c, n).pvalue


def two_sided(stats, values, negative_ranks):
    left, signed = negative_ranks, []
    for value in reversed(values):
        take = value <= left
        left -= value * take
        signed.append(-value if take else value)
    assert left == 0
    return stats.wilcoxon(signed, method="exact").pvalue


@given(st.lists(st.integers(-10_000, 10_000).filter(bool), min_size=6, max_size=25, unique_by=abs), levels)
def test_zero_is_excluded_exactly_when_scipy_rejects(values, alpha):
    stats = pytest.importorskip("scipy.stats")
    differences = [value / 1024 for value in values]
    found = interval(differences, alpha)
    if found.method == "signed_rank":
        pvalue = stats.wilcoxon(differences, method="exact").pvalue
    elif found.method == "sign":
        pvalue = stats.binomtest(sum(d > 0 for d in differences), len(differences)).pvalue
    else:
        return
    assert (not found.low <= 0 <= found.high) == (pvalue <= alpha * (1 + 1e-12))


@pytest.mark.parametrize("method", ["signed_rank", "sign"])
@pytest.mark.parametrize(("n", "alpha"), [(6, 0.05), (8, 0.0189), (8, 0.05), (10, 0.05), (11, 0.0073)])
def test_the_error_over_all_sign_patterns_is_at_most_alpha_and_no_higher_rank_keeps_it(method, n, alpha):
    sizes = [2.0**k for k in range(n)] if method == "sign" else [1 + k / 16 for k in range(n)]
    patterns = [sorted(s * d for s, d in zip(signs, sizes, strict=True)) for signs in product([-1, 1], repeat=n)]
    candidates = [points(method, ordered) for ordered in patterns]

    def error(c):
        return sum(found[c - 1] > 0 or found[-c] < 0 for found in candidates) / 2**n

    c = rank(method, n, alpha)
    assert error(c) <= alpha < error(c + 1)


@pytest.mark.parametrize("n", range(1, 6))
def test_fewer_than_six_rounds_give_no_interval(n):
    found = interval([0.01 * k for k in range(1, n + 1)], 0.05)
    assert (found.limits, found.method, found.half_width, found.n) == (None, "none", None, n)
    assert found.estimate == pytest.approx(0.005 * (n + 1))


def test_six_rounds_are_enough_at_five_percent():
    assert interval([0.01, 0.02, 0.03, 0.04, 0.05, 0.06], 0.05).limits == (0.01, 0.06)


def test_level_zero_has_no_limits():
    assert interval([0.1] * 30, 0.0).limits is None


def test_equal_rounds_give_a_point():
    found = interval([0.25] * 8, 0.05)
    assert (found.estimate, found.low, found.high, found.sd, found.method) == (0.25, 0.25, 0.25, 0.0, "signed_rank")


def test_zeros_and_ties_keep_zero_inside():
    assert interval([0.0] * 20, 0.05).limits == (0.0, 0.0)
    found = interval([0.0] * 8 + [0.5, 0.5], 0.05)
    assert found.low <= 0 <= found.high


def test_heavy_tails_choose_the_sign_interval_and_its_median():
    differences = [-0.01, -0.005, 0.0, 0.0025, 0.005, 0.01, 0.015, 3.0, -2.0, 0.02]
    found = interval(differences, 0.05)
    assert (found.method, found.limits, found.estimate) == ("sign", (-0.01, 0.02), 0.00375)


@pytest.mark.parametrize(
    ("differences", "method"), [([1.0] * 9 + [2.0], "sign"), ([1.0, 2.0, 3.0, 4.0], "signed_rank"), ([1.0], "signed_rank")]
)
def test_the_tails_choose_the_test(differences, method):
    assert method_for(differences) == method


@pytest.mark.parametrize(
    ("differences", "alpha", "message"),
    [
        ([], 0.05, "at least one round"),
        ([0.1, math.nan], 0.05, "nan"),
        ([0.1, math.inf], 0.05, "inf"),
        ([0.1], 1.0, r"alpha is 1\.0"),
        ([0.1], -0.1, "alpha"),
        ([0.1], math.nan, "alpha"),
    ],
)
def test_what_cannot_be_used_is_refused(differences, alpha, message):
    with pytest.raises(ValueError, match=message):
        interval(differences, alpha)


def test_binomial_counts():
    assert binomial_counts(4) == (1, 4, 6, 4, 1)


def test_an_estimate_is_a_ratio():
    found = estimate(span(math.log(1.26), math.log(1.37), n=12, sd=0.018), 0.95)
    assert (found.low, found.high) == pytest.approx((1.26, 1.37))
    assert found.ratio == pytest.approx(math.sqrt(1.26 * 1.37))
    assert (found.confidence, found.rounds, found.sd, found.method) == (0.95, 12, 0.018, "signed_rank")


def test_an_estimate_without_limits_has_none():
    found = estimate(interval([0.1, 0.2], 0.05), 0.95)
    assert (found.low, found.high, found.method, found.rounds) == (None, None, "none", 2)


OPEN = Interval(0.5, None, None, 12, 0.2, "none")


@pytest.mark.parametrize(
    ("previous", "current", "limits", "middle"),
    [
        (None, span(0.1, 0.3), (0.1, 0.3), 0.2),
        (OPEN, span(0.1, 0.3), (0.1, 0.3), 0.2),
        (span(0.0, 0.25), span(0.1, 0.3), (0.1, 0.25), 0.2),
        (span(0.0, 0.25), OPEN, (0.0, 0.25), 0.25),
        (span(0.0, 0.1), span(0.05, 0.5), (0.05, 0.1), 0.1),
        (span(0.0, 0.1), span(0.2, 0.3), (0.0, 0.1), 0.1),
    ],
)
def test_narrowing_intersects_and_never_empties(previous, current, limits, middle):
    found = narrow(previous, current)
    assert (found.limits, found.estimate, found.n) == (limits, pytest.approx(middle), current.n)


ends = st.tuples(logs, logs).map(lambda pair: span(min(pair), max(pair)))


@given(st.lists(ends, min_size=2, max_size=6))
def test_narrowed_intervals_only_shrink_and_hold_their_estimate(intervals):
    found = None
    for current in intervals:
        before, found = found, narrow(found, current)
        assert found.low <= found.estimate <= found.high
        assert before is None or (before.low <= found.low and found.high <= before.high)


@given(ends, ends)
def test_narrowing_does_not_prefer_an_arm(one, other):
    assert narrow(mirrored(one), mirrored(other)) == mirrored(narrow(one, other))
