"""From samples to the one number per round, and whether the numbers are fit for it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

FEW = 3
"""A metric with no more distinct values than this in six runs is quantised."""

ENOUGH = 6
"""Runs that it takes to call a metric quantised."""

LATTICE = 0.05
"""How far from whole a gap may be, in steps of the lattice."""


def ping_pong_difference(times_x: Sequence[float], times_y: Sequence[float]) -> float:
    """Return how much faster Y was than X in one round, as a log ratio: the median over the turns that both took.

    ValueError: unequal or no turns, or a time that is not positive and finite.
    """
    if len(times_x) != len(times_y):
        raise ValueError(f"{len(times_x)} times against {len(times_y)}; the arms of a round take the same number of turns")
    return statistics.median(x - y for x, y in zip(_logs(times_x), _logs(times_y), strict=True))


def trial_value(times: Sequence[float], statistic: Literal["min", "median"] = "min") -> float:
    """Return a trial's value, a log time: `min` for programs that do the same work every time, `median` for servers.

    The difference of a round is X's value less Y's. ValueError: no times, or one that is not positive and finite.
    """
    logs = _logs(times)
    return min(logs) if statistic == "min" else statistics.median(logs)


def quantised(values: Sequence[float], margin: float) -> bool:
    """Tell whether a metric takes too few values to show differences of the (relative) margin; judge runs of one arm.

    Six runs or more with three distinct values at most, or values on a lattice whose step exceeds half of the margin.
    """
    if len(values) < ENOUGH:
        return False
    distinct = sorted(set(values))
    return len(distinct) <= FEW or _lattice_step(distinct) > margin / 2 * abs(statistics.median(values))


def single_request(mean: float, median: float, p99: float) -> bool:
    """Tell whether a latency summary rests on one request: no spread at all."""
    return mean == median == p99


def opposed(one: float, other: float, margin: float) -> bool:
    """Tell whether two metrics' log speed-ups point in opposite directions, each by more than the (relative) margin."""
    return one * other < 0 and min(abs(one), abs(other)) > math.log1p(margin)


def _lattice_step(distinct: Sequence[float]) -> float:
    """Return the step of the lattice that sorted values lie on, or 0 when they lie on none."""
    gaps = [high - low for low, high in pairwise(distinct)]
    smallest = min(gaps)
    # The smallest gap carries its own rounding error; the whole range divided by its steps carries much less.
    step = sum(gaps) / sum(round(gap / smallest) for gap in gaps)
    return step if all(abs(gap / step - round(gap / step)) <= LATTICE for gap in gaps) else 0.0


def _logs(times: Sequence[float]) -> list[float]:
    if not times:
        raise ValueError("there are no times; a trial has at least one sample")
    if broken := [time for time in times if not 0 < time < math.inf]:
        raise ValueError(f"a time is {broken[0]!r}; times must be positive and finite")
    return [math.log(time) for time in times]
