"""Digits that the intervals support."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.models.result import Estimate, Rate
from pytest_isobench.reports.numbers import interval_text, mean_text, rate_text, ratio_text, share_text, time_text


def estimate(ratio: float, low: float | None, high: float | None) -> Estimate:
    return Estimate(ratio=ratio, low=low, high=high, confidence=0.95, rounds=12, sd=0.01, method="signed_rank")


@pytest.mark.parametrize(
    ("numbers", "short", "long"),
    [
        ((1.3123, 1.2612, 1.3678), "x1.31", "x1.31 [1.26, 1.37]"),
        ((1.3123, 1.0, 1.8), "x1.3", "x1.3 [1.0, 1.8]"),
        ((0.98412, 0.98312, 0.98512), "x0.984", "x0.984 [0.983, 0.985]"),
        ((152.3, 120.1, 190.9), "x150", "x150 [120, 190]"),
        ((1.3123, None, None), "x1.3", "x1.3 [no interval]"),
        ((2e9, 1e9, 3e9), "x2e+09", "x2e+09 [1e+09, 3e+09]"),
        ((1e-300, None, None), "x1e-300", "x1e-300 [no interval]"),
        ((1.0, -1e308, 1e308), "x1", "x1 [-1e+308, 1e+308]"),
    ],
)
def test_ratios(numbers: tuple[Any, Any, Any], short: str, long: str) -> None:
    assert ratio_text(estimate(*numbers)).replace("\u00d7", "x") == short
    assert interval_text(estimate(*numbers)).replace("\u00d7", "x") == long


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS.filter(lambda value: value > 0), FLOATS, FLOATS)
def test_any_estimate_that_a_report_may_hold(ratio: float, low: float, high: float) -> None:
    assert len(interval_text(estimate(ratio, low, high))) < 60


@given(FLOATS, st.sampled_from(["s", "ms", "tokens/s"]), st.none() | FLOATS)
def test_any_time_that_a_report_may_hold(value: float, unit: str, noise: float | None) -> None:
    assert len(time_text(value, unit, noise)) < 40


@pytest.mark.parametrize(
    ("value", "unit", "noise", "shown"),
    [
        (0.0123456, "s", 0.01, "12.3 ms"),
        (0.0123456, "s", 0.0001, "12.346 ms"),
        (0.0123456, "s", 0.2, "12 ms"),
        (0.0123456, "s", None, "12 ms"),
        (0.00000123, "s", None, "1.2 \u00b5s"),
        (1.5e-11, "s", None, "0.015 ns"),
        (61.2, "s", None, "61 s"),
        (1234.5, "tokens/s", 0.001, "1234 tokens/s"),
        (None, "s", None, "\u2013"),
        (0.0, "s", None, "0 s"),
        (-1.0, "s", 0.1, "-1 s"),
    ],
)
def test_times(value: float | None, unit: str, noise: float | None, shown: str) -> None:
    assert time_text(value, unit, noise) == shown


def test_rates_means_and_shares() -> None:
    assert rate_text(Rate(successes=5, total=8, share=0.625, low=0.305, high=0.863)) == "5/8 (62 % [30, 86])"
    assert rate_text(Rate(successes=0, total=0, share=None, low=None, high=None)) == "0/0"
    assert rate_text(None) == "0/0"
    assert [mean_text(mean) for mean in (1.4523, 0.001, 12345.6, None)] == ["\u00d71.45", "\u00d70.001", "\u00d71.2e+04", "\u2013"]
    assert share_text(0.01789) == "1.8 %"
