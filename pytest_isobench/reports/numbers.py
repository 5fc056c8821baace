"""Numbers as people read them, with the digits that their intervals support."""

from __future__ import annotations

import math

from pytest_isobench.measuring.statistics import rounded
from pytest_isobench.models.result import Estimate, Rate
from pytest_isobench.reports.text import DASH, TIMES

_PREFIXES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SANE = (1e-3, 1e6)
"""Ratios beyond are printed as powers of ten."""


def ratio_text(estimate: Estimate | None) -> str:
    """Return `x1.31` with a proper sign, or a dash."""
    return f"{TIMES}{_digits(estimate.ratio, estimate.low, estimate.high)[0]}" if estimate else DASH


def interval_text(estimate: Estimate | None) -> str:
    """Return `x1.31 [1.26, 1.37]`; without an interval `x1.3 [no interval]`, or a dash."""
    if estimate is None:
        return DASH
    ratio, low, high = _digits(estimate.ratio, estimate.low, estimate.high)
    return f"{TIMES}{ratio} [{low}, {high}]" if low else f"{TIMES}{ratio} [no interval]"


def mean_text(ratio: float | None) -> str:
    """Return a mean, which has no interval, as `x1.45`."""
    if ratio is None:
        return DASH
    return f"{TIMES}{ratio:.2f}" if 0.1 <= ratio < 1e4 else f"{TIMES}{ratio:.2g}"


def time_text(value: float | None, unit: str = "s", noise: float | None = None) -> str:
    """Return a median with its unit, down to the digit that the noise (half an interval's width, as a log ratio) supports."""
    if value is None:
        return DASH
    scale, unit = _scaled(value, unit)
    shown = value / scale
    ends = (shown * math.exp(-noise), shown * math.exp(noise)) if noise is not None and 0 < noise < 1 else (None, None)
    return f"{_digits(shown, *ends)[0]} {unit}"


def share_text(share: float) -> str:
    """Return a small share, or a log ratio, as `1.8 %`."""
    return f"{100 * share:.1f} %"


def rate_text(rate: Rate | None) -> str:
    """Return `5/8 (62 % [31, 86])`."""
    if rate is None or rate.share is None or rate.low is None or rate.high is None:
        return "0/0"
    return f"{rate.successes}/{rate.total} ({100 * rate.share:.0f} % [{100 * rate.low:.0f}, {100 * rate.high:.0f}])"


def _scaled(value: float, unit: str) -> tuple[float, str]:
    if unit != "s" or value <= 0:
        return 1.0, unit
    return next(((scale, name) for scale, name in _PREFIXES if value >= scale), _PREFIXES[-1])


def _digits(value: float, low: float | None, high: float | None) -> tuple[str, str, str]:
    ends = [end for end in (low, high) if end is not None]
    if all(_SANE[0] <= number < _SANE[1] for number in (value, *ends)):
        return rounded(value, low, high)
    texts = [f"{number:.2g}" for number in (value, *ends)]
    return (texts[0], texts[1], texts[2]) if len(texts) == 3 else (texts[0], "", "")
