"""How many rounds a difference takes to be found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from pytest_isobench.measuring.statistics.intervals import Method, interval, method_for, robust_spread, spread
from pytest_isobench.measuring.statistics.stopping import Look

EFFICIENCY: dict[Method, float] = {"signed_rank": 0.955, "sign": 0.64}
"""How well each test uses a round, relative to the t test under normal noise."""

FEWEST = 8
"""Rounds before the first look."""


def planned_rounds(sd: float, effect: float, alpha: float = 0.05, power: float = 0.9, method: Method = "signed_rank") -> int:
    """Return how many rounds find a relative effect (0.05 for 5 %) with a probability of `power`.

    `sd` is the standard deviation of the rounds' log ratios. ValueError: an effect of zero or less, a negative or infinite sd, or a
    probability outside 0 to 1.
    """
    if not (math.isfinite(sd) and sd >= 0 and math.isfinite(effect) and effect > 0 and 0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"cannot plan with {sd=}, {effect=}, {alpha=}, {power=}; the effect must be positive, probabilities inside 0 to 1")
    z = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)
    return max(FEWEST, math.ceil((z * sd / math.log1p(effect)) ** 2 / EFFICIENCY[method]))


def underpowered(human_vs_baseline: Sequence[float], margin: float, looks: Sequence[Look], power: float = 0.9) -> bool:
    """Tell from the rounds up to the first look whether the cap will come before a verdict is likely.

    So it is when neither the margin nor the human's distance from it, as far as it can be estimated, can be found within the looks:
    the task is then marked before the agents' budget is spent. A large gain on a noisy machine is not underpowered. With
    more rounds than the first look takes the answer is no: a race that was begun is run.
    """
    if len(human_vs_baseline) > looks[0].rounds:
        return False
    alpha = sum(look.alpha for look in looks)
    method = method_for(human_vs_baseline)
    sd = robust_spread(human_vs_baseline) if method == "sign" else spread(human_vs_baseline)
    beyond = interval(human_vs_baseline, alpha).estimate - math.log1p(margin)
    effect = max(margin, math.expm1(beyond))
    return planned_rounds(sd, effect, alpha, power, method) > looks[-1].rounds
