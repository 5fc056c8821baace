"""Exact intervals for the log ratio of two arms, from one difference per round.

A difference is ``theta_XY = log(t_X / t_Y)``: the log of how many times faster Y is than X. Within a round the order of the arms
is random, so for two identical programs every difference is as likely positive as negative, whatever drift, autocorrelation or tails the
machine adds. That is all the signed-rank and the sign test need, and their intervals are exact for small numbers of rounds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import Literal

from pytest_isobench.models.result import Estimate

Method = Literal["signed_rank", "sign"]

NORMAL_MAD = 1.4826
"""Standard deviations per median absolute deviation of a normal distribution."""

HEAVY = 0.7
"""Below this ratio of robust to plain standard deviation the tails are heavy, and the sign test is the sharper one."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval, all in logs; without limits where there are too few rounds for the level."""

    estimate: float
    low: float | None
    high: float | None
    n: int
    sd: float
    method: Literal["signed_rank", "sign", "none"]

    @property
    def limits(self) -> tuple[float, float] | None:
        """Both ends, or nothing."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def half_width(self) -> float | None:
        """Half the distance between the ends, in logs."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def interval(differences: Sequence[float], alpha: float) -> Interval:
    """Estimate the median difference, with an interval that misses it with probability `alpha` at most.

    Heavy tails choose the sign test, else it is the signed-rank test; the estimate is the Hodges-Lehmann estimate of the chosen test (the
    median, or the median of the Walsh averages), so that it always lies inside. Level 0 gives no limits. ValueError: no differences, one
    that is not finite, or a level outside 0 to 1.
    """
    ordered = _ordered(differences, alpha)
    method = method_for(ordered)
    candidates = points(method, ordered)
    c = rank(method, len(ordered), alpha)
    low, high = (candidates[c - 1], candidates[-c]) if c else (None, None)
    return Interval(statistics.median(candidates), low, high, len(ordered), spread(ordered), method if c else "none")


def narrow(previous: Interval | None, current: Interval) -> Interval:
    """Intersect the interval of a look with those of the looks before it.

    The looks' intervals hold together with the confidence that the looks were planned for, so their intersection does as well. It only ever
    shrinks: what an earlier look has settled stays settled, and the printed interval agrees with the verdict. Should
    two looks contradict each other (which the confidence covers), the earlier one stands.
    """
    if previous is None or previous.limits is None:
        return current
    before = previous.limits
    now = current.limits or before
    low, high = max(before[0], now[0]), min(before[1], now[1])
    if low > high:
        low, high = before
    method = current.method if current.limits else previous.method
    return replace(current, estimate=min(max(current.estimate, low), high), low=low, high=high, method=method)


def estimate(interval: Interval, confidence: float) -> Estimate:
    """Turn logs into ratios: how many times faster, with the confidence (0 to 1) that the interval claims."""
    return Estimate(
        ratio=math.exp(interval.estimate),
        low=None if interval.low is None else math.exp(interval.low),
        high=None if interval.high is None else math.exp(interval.high),
        confidence=confidence,
        rounds=interval.n,
        sd=interval.sd,
        method=interval.method,
    )


def method_for(differences: Sequence[float]) -> Method:
    """Return the test that suits the tails of the differences."""
    return "sign" if robust_spread(differences) < HEAVY * spread(differences) else "signed_rank"


def spread(differences: Sequence[float]) -> float:
    """Return the standard deviation; 0 for a single difference."""
    return statistics.stdev(differences) if len(differences) > 1 else 0.0


def robust_spread(differences: Sequence[float]) -> float:
    """Return the median absolute deviation, scaled to be the standard deviation where the noise is normal."""
    middle = statistics.median(differences)
    return NORMAL_MAD * statistics.median(abs(difference - middle) for difference in differences)


def points(method: Method, ordered: Sequence[float]) -> list[float]:
    """Return the sorted values among which a test's interval has its ends: the differences, or their Walsh averages."""
    if method == "sign":
        return list(ordered)
    return sorted((low + high) / 2 for i, low in enumerate(ordered) for high in ordered[i:])


@cache
def rank(method: Method, n: int, alpha: float) -> int:
    """Return which point from either end bounds the interval of level `alpha`; 0 when `n` differences cannot reach it."""
    counts = binomial_counts(n) if method == "sign" else signed_rank_counts(n)
    half = (len(counts) + 1) // 2
    return sum(2 * below / 2**n <= alpha for below in accumulate(counts[:half]))


def binomial_counts(n: int) -> tuple[int, ...]:
    """Return in how many of the 2**n sign patterns k = 0..n differences are positive."""
    return tuple(math.comb(n, k) for k in range(n + 1))


@cache
def signed_rank_counts(n: int) -> tuple[int, ...]:
    """Return in how many of the 2**n sign patterns the positive ranks sum to 0..n(n+1)/2."""
    counts = [1]
    for added in range(1, n + 1):
        padding = [0] * added
        counts = [without + with_it for without, with_it in zip(counts + padding, padding + counts, strict=True)]
    return tuple(counts)


def _ordered(differences: Sequence[float], alpha: float) -> list[float]:
    if not 0 <= alpha < 1:
        raise ValueError(f"alpha is {alpha!r}; it must be at least 0 and below 1")
    if not differences:
        raise ValueError("there are no differences; measure at least one round")
    if broken := [difference for difference in differences if not math.isfinite(difference)]:
        raise ValueError(f"a difference is {broken[0]!r}; every round's log ratio must be a finite number")
    return sorted(differences)
