"""Time that is only moved within a request."""

from __future__ import annotations

import pytest

from pytest_isobench.measuring.spans import moved_time
from pytest_isobench.models.result import Comparison, Contrast, Estimate
from pytest_isobench.models.task import Metric


def comparison(metric: str, before: tuple[float, float], after: tuple[float, float], *, low: float = 1.2) -> Comparison:
    """Compare requests by the milliseconds until their first token and after it, ten tokens."""
    parts = {"baseline": before, "agent": after}
    values = {
        "mean_ttft_ms": {arm: first for arm, (first, _) in parts.items()},
        "mean_tpot_ms": {arm: rest / 10 for arm, (_, rest) in parts.items()},
        "mean_e2el_ms": {arm: sum(both) for arm, both in parts.items()},
    }
    return Comparison(
        campaign="c",
        metric=Metric(name=metric, unit="ms"),
        schedule="rounds",
        margin=0.05,
        agent_vs_baseline=Estimate(ratio=2.0, low=low, high=3.0, confidence=0.95, rounds=8, sd=0.1, method="signed_rank"),
        times=values.pop(metric, {}),
        secondary=tuple(Contrast(metric=Metric(name=name, unit="ms"), values=found) for name, found in values.items()),
    )


@pytest.mark.parametrize(
    ("metric", "before", "after", "seen"),
    [
        ("mean_ttft_ms", (100.0, 200.0), (50.0, 200.0), False),
        ("mean_ttft_ms", (100.0, 200.0), (50.0, 220.0), False),
        ("mean_ttft_ms", (100.0, 200.0), (1.0, 299.0), True),  # something is sent before anything is known
        ("mean_tpot_ms", (100.0, 200.0), (100.0, 100.0), False),
        ("mean_tpot_ms", (100.0, 200.0), (299.0, 1.0), True),  # everything is kept back until the end
        ("mean_e2el_ms", (100.0, 200.0), (299.0, 1.0), False),
    ],
)
def test_what_is_gained_in_a_part_is_gained_in_the_whole(metric, before, after, seen):
    found = moved_time(comparison(metric, before, after))
    assert [finding.kind for finding in found] == ["time_moved"] * seen


def test_a_gain_that_is_not_certain_is_nobodys_business():
    assert moved_time(comparison("mean_ttft_ms", (100.0, 200.0), (1.0, 299.0), low=0.9)) == ()


def test_without_whole_requests_nothing_is_known():
    silent = comparison("mean_ttft_ms", (100.0, 200.0), (1.0, 299.0))
    assert moved_time(silent.model_copy(update={"secondary": ()})) == ()
