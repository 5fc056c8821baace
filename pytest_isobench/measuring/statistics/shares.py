"""Which share of the human's gain a patch keeps: ``theta_BA / theta_BH``."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_isobench.measuring.statistics.intervals import interval, method_for, points, rank


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the human's gain with its interval: 1 is all of it, 0 none, below 0 a loss."""

    estimate: float
    low: float
    high: float


def share_of_gain(agent_vs_baseline: Sequence[float], human_vs_baseline: Sequence[float], alpha: float) -> Share | None:
    """Invert the test: the share is f where the differences ``agent - f * human`` are compatible with zero.

    Both sequences hold one difference per round, of the same rounds in the same order. None when the human's own gain is not shown at this
    level, as then no share is defined. ValueError: unequal lengths, or as `interval`.
    """
    if len(agent_vs_baseline) != len(human_vs_baseline):
        raise ValueError(f"{len(agent_vs_baseline)} rounds of the agent, {len(human_vs_baseline)} of the human; give the same of both")
    agent, human = interval(agent_vs_baseline, alpha), interval(human_vs_baseline, alpha)
    pairs = list(zip(agent_vs_baseline, human_vs_baseline, strict=True))

    def rest(share: float) -> list[float]:
        return sorted(a - share * h for a, h in pairs)

    # One test for every f: the choice is made once, where the differences are close to pure noise.
    guess = agent.estimate / human.estimate if human.estimate else 0.0
    method = method_for(rest(guess))
    c = rank(method, len(pairs), alpha)
    if c == 0 or points(method, sorted(human_vs_baseline))[c - 1] <= 0:
        return None
    return Share(
        _zero(lambda share: statistics.median(points(method, rest(share))), guess),
        _zero(lambda share: points(method, rest(share))[c - 1], guess),
        _zero(lambda share: points(method, rest(share))[-c], guess),
    )


def _zero(falling: Callable[[float], float], guess: float) -> float:
    """Return where a continuous function that falls from above zero to below crosses it."""
    low = high = guess
    step = 1.0
    while falling(low) < 0:
        low, step = low - step, 2 * step
    step = 1.0
    while falling(high) > 0:
        high, step = high + step, 2 * step
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if falling(middle) <= 0 else (middle, high)
    return (low + high) / 2
