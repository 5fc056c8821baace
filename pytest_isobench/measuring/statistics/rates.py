"""Shares and means over many cases."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist, fmean


def wilson(successes: float, total: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's interval of a share; `successes` may be a sum of shares per task.

    ValueError: no cases, or more successes than cases.
    """
    if total < 1 or not 0 <= successes <= total:
        raise ValueError(f"{successes} successes of {total}: there must be at least one case, and no more successes than cases")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, shrink = successes / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / shrink
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / shrink
    # Rounding must not push an end past the share, nor out of 0 to 1.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def geometric_mean(ratios: Iterable[float]) -> float:
    """Return the geometric mean of ratios, computed in logs so that nothing overflows. ValueError: none, or one not above 0."""
    found = list(ratios)
    if not found or not all(0 < ratio < math.inf for ratio in found):
        raise ValueError(f"the geometric mean needs at least one ratio, each above 0 and finite; got {found!r}")
    return math.exp(fmean(math.log(ratio) for ratio in found))
