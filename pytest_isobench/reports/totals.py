"""The report's sums: every aggregate with its own denominator, the machine's failures in none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pytest_isobench.measuring.statistics import geometric_mean, wilson
from pytest_isobench.models.result import MEASURED, Rate, Result, TaskState, Totals


def totals_of(results: Sequence[Result], confidence: float) -> Totals:
    """Sum up a session; `confidence` is the level of the rate's interval."""
    sound = [result for result in results if result.failure is None]
    counted = [result for result in sound if counts(result)]
    measured = [ratio for result in counted if (ratio := _ratio_to_human(result)) is not None]
    return Totals(
        cases=len(results),
        outcomes=_count(result.verdict.outcome for result in sound if result.verdict),
        task_states=_count(result.task_state for result in sound if result.task_state),
        failures=len(results) - len(sound),
        not_evaluable=sum(map(shows_nothing, sound)),
        hard_success=_rate(sum(bool(result.verdict and result.verdict.hard_success) for result in counted), len(counted), confidence),
        geometric_mean_vs_baseline=geometric_mean(map(_ratio_to_baseline, counted)) if counted else None,
        geometric_mean_vs_human=geometric_mean(measured) if measured else None,
        measured=len(measured),
    )


def counts(result: Result) -> bool:
    """Whether a case stands in the denominator of the success rate: it has a verdict, and its task is not known to show nothing."""
    return result.failure is None and result.verdict is not None and not shows_nothing(result)


def shows_nothing(result: Result) -> bool:
    """Whether the task told nothing about the patch here: its human's gain was not shown, or it could not be run at all."""
    if result.task_state is None:
        return result.verdict is None and result.failure is None and result.configuration.only is None
    return result.task_state is not TaskState.EVALUABLE


def _ratio_to_baseline(result: Result) -> float:
    """A patch that failed, or for which there is no number, counts as no change."""
    estimate = result.comparison and result.comparison.agent_vs_baseline
    return estimate.ratio if estimate and _is_measured(result) else 1.0


def _ratio_to_human(result: Result) -> float | None:
    estimate = result.comparison and result.comparison.agent_vs_human
    return estimate.ratio if estimate and _is_measured(result) else None


def _is_measured(result: Result) -> bool:
    return result.verdict is not None and result.verdict.outcome in MEASURED


def _rate(successes: int, total: int, confidence: float) -> Rate:
    if not total:
        return Rate(successes=0, total=0, share=None, low=None, high=None)
    # Nearer to 1 the normal quantile is infinite in floating point.
    low, high = wilson(successes, total, min(confidence, 1 - 1e-9))
    return Rate(successes=successes, total=total, share=successes / total, low=low, high=high)


def _count(names: Iterable[str]) -> dict[str, int]:
    return {str(name): number for name, number in sorted(Counter(names).items())}
