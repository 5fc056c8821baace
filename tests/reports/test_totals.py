"""Sums and their denominators."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import LOST, comparison, every_outcome, failed, measured, result

from pytest_isobench.measuring.statistics import wilson
from pytest_isobench.models.result import Configuration, Gain, Outcome, Result, TaskState, Totals
from pytest_isobench.reports.totals import counts, shows_nothing, totals_of


def test_every_outcome() -> None:
    totals = totals_of(every_outcome(), 0.95)
    assert totals.cases == 20
    assert totals.failures == 1
    assert totals.not_evaluable == 4
    assert totals.task_states == {"evaluable": 15, "human_regression": 1, "not_evaluable": 1, "underpowered": 1, "weak": 1}
    assert set(totals.outcomes) == {outcome.value for outcome in Outcome}
    assert sum(totals.outcomes.values()) == 16, "the weak task's verdict is counted as an outcome, and in no rate"
    rate = totals.hard_success
    assert rate is not None
    assert (rate.successes, rate.total, rate.share) == (4, 15, 4 / 15)
    assert (rate.low, rate.high) == wilson(4, 15, 0.95)
    ratios = [2.83, 1.86, 1.76, 1.31, 1.0, 0.8, 1.19, 1.5, *[1.0] * 7]
    assert totals.geometric_mean_vs_baseline == pytest.approx(math.prod(ratios) ** (1 / 15))
    humans = [2.83 / 2.31, 1.86 / 1.87, 1.76 / 1.71, 1.31 / 1.68, 1 / 1.72, 0.8 / 1.69, 0.99, 1.0]
    assert totals.geometric_mean_vs_human == pytest.approx(math.prod(humans) ** (1 / 8))
    assert totals.measured == 8


def test_nothing() -> None:
    totals = totals_of([], 0.95)
    assert totals.hard_success is not None
    assert totals.hard_success.total == 0
    assert totals.hard_success.share is None
    assert totals == Totals(hard_success=totals.hard_success)


@pytest.mark.parametrize(
    ("fields", "counted", "nothing"),
    [
        pytest.param({"verdict": None}, False, True, id="could not be run here"),
        pytest.param({"failure": LOST}, False, False, id="machine failed"),
        pytest.param({"failure": LOST, "task_state": TaskState.EVALUABLE}, False, False, id="machine failed later"),
        pytest.param({"configuration": Configuration(only="human")}, False, False, id="one kind of arm alone"),
        pytest.param({"task_state": TaskState.WEAK}, False, True, id="weak"),
        pytest.param({"task_state": TaskState.EVALUABLE}, False, False, id="no verdict"),
    ],
)
def test_denominators_without_a_verdict(fields: dict[str, Any], counted: bool, nothing: bool) -> None:
    case = result(**fields)
    assert (counts(case), shows_nothing(case)) == (counted, nothing)


def test_a_patch_that_failed_before_the_task_was_measured_is_no_success() -> None:
    case = failed("task", Outcome.DOES_NOT_APPLY, "hunk 1", task_state=None, comparison=None)
    totals = totals_of([case], 0.95)
    assert totals.hard_success is not None
    assert (totals.hard_success.successes, totals.hard_success.total) == (0, 1)
    assert totals.geometric_mean_vs_baseline == 1.0


def test_a_cheat_gains_nothing_from_its_numbers() -> None:
    case = failed("task", Outcome.CHEATED, "memoised", comparison=comparison(2.0, 100.0))
    totals = totals_of([case], 0.95)
    assert totals.geometric_mean_vs_baseline == 1.0
    assert totals.geometric_mean_vs_human is None


def test_success_on_a_task_that_shows_nothing_does_not_count() -> None:
    case = measured("task", 1.01, 1.01, Outcome.MATCHES, Gain.FASTER)
    weak = case.model_copy(update={"task_state": TaskState.WEAK})
    assert weak.verdict is not None
    assert weak.verdict.hard_success
    totals = totals_of([case, weak], 0.95)
    assert totals.hard_success is not None
    assert (totals.hard_success.successes, totals.hard_success.total) == (1, 1)


CASES = st.lists(st.sampled_from(every_outcome()), max_size=30)


@given(CASES, st.randoms())
def test_order_does_not_matter(results: list[Result], random: Any) -> None:
    shuffled = random.sample(results, len(results))
    one, other = totals_of(results, 0.95), totals_of(shuffled, 0.95)
    means = ("geometric_mean_vs_baseline", "geometric_mean_vs_human")
    assert one.model_dump(exclude=set(means)) == other.model_dump(exclude=set(means))
    for name in means:
        assert getattr(one, name) == pytest.approx(getattr(other, name))


@given(CASES)
def test_the_parts_make_the_whole(results: list[Result]) -> None:
    totals = totals_of(results, 0.95)
    assert totals.hard_success is not None
    assert totals.failures + totals.not_evaluable + totals.hard_success.total == totals.cases == len(results)
    assert totals.measured <= totals.hard_success.total


@given(CASES, st.integers(1, 20))
def test_failures_of_the_machine_change_no_rate(results: list[Result], failures: int) -> None:
    without, more = totals_of(results, 0.95), totals_of([*results, *[result(failure=LOST)] * failures], 0.95)
    assert more.model_copy(update={"cases": without.cases, "failures": without.failures}) == without


@pytest.mark.parametrize("confidence", [0.5000001, 0.95, 1 - 1e-16])
def test_any_confidence_that_a_report_may_hold(confidence: float) -> None:
    totals = totals_of(every_outcome(), confidence)
    assert totals.hard_success is not None
    assert totals.hard_success.low is not None
    assert 0 <= totals.hard_success.low <= 4 / 15
