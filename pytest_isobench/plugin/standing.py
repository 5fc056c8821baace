"""From a result to a test's outcome: passed, failed (the patch's fault), error (the machine's) or skipped (nobody's)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_isobench.models.result import MEASURED, Gain, Outcome, Result
from pytest_isobench.reports.numbers import interval_text
from pytest_isobench.reports.words import GAINS, words

NEEDED = {
    "match": "not slower than the human by more than the margin, and faster than the baseline",
    "improve": "faster than the baseline",
    "correct": "measured with correct answers",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a test makes of a result."""

    outcome: Literal["passed", "failed", "error", "skipped"]
    message: str = ""


def standing(result: Result) -> Standing:
    """Judge a result by what the session requires.

    A patch that does not work fails on every task, one that works on evaluable tasks only.
    """
    if result.failure:
        return Standing("error", f"{result.failure.kind}: {result.failure.message}")
    if result.verdict is None:
        return Standing("passed") if result.configuration.only else Standing("skipped", _reason(result))
    if result.verdict.outcome is Outcome.NO_PATCH:
        return Standing("skipped", _reason(result))
    if result.verdict.outcome not in MEASURED:
        return Standing("failed", summary(result))
    return Standing("passed") if passes(result) else Standing("failed", summary(result))


def passes(result: Result) -> bool:
    """Tell whether a judged patch is as good as `--isobench-require` asks."""
    verdict, require = result.verdict, result.configuration.require
    if verdict is None or verdict.outcome not in MEASURED:
        return False
    return {"match": verdict.hard_success, "improve": verdict.gain is Gain.FASTER, "correct": True}[require]


def summary(result: Result) -> str:
    """Say in a few lines what became of a patch, and what would have passed."""
    said, verdict, comparison = words(result), result.verdict, result.comparison
    lines = [f"{said.label}: {said.reason}" if said.reason else said.label]
    if verdict and verdict.gain and comparison:
        rounds = f"{comparison.rounds} rounds" + (f", {comparison.redone} redone" if comparison.redone else "")
        lines = [
            f"{verdict.outcome.replace('_', ' ')}: {interval_text(comparison.agent_vs_human)} of the human's speed",
            f"{GAINS[verdict.gain]}: {interval_text(comparison.agent_vs_baseline)} of the baseline's speed ({rounds})",
        ]
    lines += [f"{finding.severity}: {finding.message}" for finding in result.findings if finding.message not in said.reason]
    lines.append(f"needed: {NEEDED[result.configuration.require]} (--isobench-require={result.configuration.require})")
    return "\n".join(lines)


def _reason(result: Result) -> str:
    said = words(result)
    return f"{said.label}: {said.reason}" if said.reason else said.label
