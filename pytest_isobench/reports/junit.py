"""A result as JUnit properties."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_isobench.models.result import Estimate, Result


def properties(result: Result) -> list[tuple[str, str]]:
    """Return what a CI server should show of a case; ratios are dimensionless, above 1 is faster."""
    return [(f"isobench_{name}", text) for name, text in _facts(result)]


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    yield "case", result.case
    if result.task_state:
        yield "task_state", result.task_state.value
    if result.failure:
        yield "failure", result.failure.kind
    if result.verdict:
        yield "outcome", result.verdict.outcome.value
        yield "hard_success", str(result.verdict.hard_success).lower()
        if result.verdict.gain:
            yield "gain", result.verdict.gain.value
    if comparison := result.comparison:
        for name in ("human_vs_baseline", "agent_vs_baseline", "agent_vs_human"):
            yield from _estimate(name, getattr(comparison, name))
        yield "rounds", str(comparison.rounds)
    for finding in result.findings:
        yield f"finding_{finding.severity}", f"{finding.kind}: {finding.message}"


def _estimate(name: str, estimate: Estimate | None) -> Iterator[tuple[str, str]]:
    if estimate is None:
        return
    yield name, repr(estimate.ratio)
    if estimate.low is not None and estimate.high is not None:
        yield f"{name}_low", repr(estimate.low)
        yield f"{name}_high", repr(estimate.high)
