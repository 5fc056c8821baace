"""How many digits of a ratio to print: those that its interval supports."""

from __future__ import annotations

import math

MOST = 6
"""Decimals that are ever printed."""


def rounded(ratio: float, low: float | None, high: float | None) -> tuple[str, str, str]:
    """Return a ratio and the ends of its interval as text, down to the first digit of the interval's half width.

    ``1.31 [1.26, 1.37]``, ``1.8 [1.2, 2.9]``, ``150 [120, 190]``. Without an interval: two significant digits, and empty ends.
    """
    if low is None or high is None:
        return _text(ratio, 1 - _magnitude(ratio)), "", ""
    decimals = -_magnitude((high - low) / 2) if high > low else MOST
    return _text(ratio, decimals), _text(low, decimals), _text(high, decimals)


def _magnitude(value: float) -> int:
    return math.floor(math.log10(value))


def _text(value: float, decimals: int) -> str:
    return f"{round(value, decimals):.{min(max(decimals, 0), MOST)}f}"
