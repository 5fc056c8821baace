"""A result as JUnit properties."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_isobench.models.result import Estimate, Result
from pytest_isobench.reports.words import verdict_word

CONTRASTS = {"speedup": "agent_vs_baseline", "speedup_vs_human": "agent_vs_human", "human_speedup": "human_vs_baseline"}


def properties(result: Result) -> list[tuple[str, str]]:
    """Return what a CI server should show of a case; speed-ups are dimensionless, above 1 is faster, with the ends of their intervals."""
    return list(_facts(result))


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    yield "task", result.task
    yield "agent", result.agent
    yield "attempt", str(result.attempt)
    yield "verdict", verdict_word(result)
    if result.verdict:
        yield "hard_success", str(result.verdict.hard_success).lower()
        if result.verdict.gain:
            yield "gain", result.verdict.gain.value
    if comparison := result.comparison:
        for name, contrast in CONTRASTS.items():
            yield from _estimate(name, getattr(comparison, contrast))
        yield "rounds", str(comparison.rounds)
    for finding in result.findings:
        yield f"finding_{finding.severity}", f"{finding.kind}: {finding.message}"


def _estimate(name: str, estimate: Estimate | None) -> Iterator[tuple[str, str]]:
    if estimate is None:
        return
    yield name, f"{estimate.ratio:.6g}"
    if estimate.low is not None and estimate.high is not None:
        yield f"{name}_low", f"{estimate.low:.6g}"
        yield f"{name}_high", f"{estimate.high:.6g}"
