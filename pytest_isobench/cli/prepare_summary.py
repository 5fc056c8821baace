"""What `isobench prepare` says at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pytest_isobench.models.agent import AgentStatus
from pytest_isobench.models.preparing import RunSummary
from pytest_isobench.preparing.preparing import SUMMARY
from pytest_isobench.reports.text import Paper
from pytest_isobench.times import clock

CEILINGS = {"time": "--time-limit", "cost": "--max-usd"}
REASONS = 10
"""Kinds of failure that are listed."""


def print_summary(summary: RunSummary, folder: Path, on: Paper) -> None:
    """Print what became of a run, and where it is written down."""
    for text in summary_lines(summary):
        for line in on.wrapped(text):
            print(line)
    print(on.clean(f"{folder / SUMMARY}"))


def summary_lines(summary: RunSummary) -> Iterator[str]:
    """Yield the lines of a summary, each of any width."""
    states, statuses = summary.states, summary.statuses
    made = ", ".join(f"{count} {status.value.replace('_', ' ')}" for status, count in statuses.items())
    parts = [f"{states.get('made', 0)} made{f' ({made})' if made else ''}", f"{states.get('kept', 0)} kept"]
    parts += [f"{states[state]} {state.replace('_', ' ')}" for state in ("not_started", "failed") if state in states]
    parts += [f"{len(summary.refused)} refused"] if summary.refused else []
    yield ", ".join(parts)
    yield ", ".join(_costs(summary))
    if summary.ceilings:
        reached = " and ".join(CEILINGS[ceiling] for ceiling in summary.ceilings)
        yield f"stopped by {reached}: {states.get('not_started', 0)} attempts were not started; the same command goes on with them"
    if summary.interrupted:
        yield "interrupted: what was made is kept, and the same command goes on"
    yield from _failures(summary)


def _costs(summary: RunSummary) -> Iterator[str]:
    yield f"{clock(summary.seconds)} in all, {clock(summary.agent_seconds)} of agents"
    usage = summary.usage
    if usage.usd is not None:
        yield f"${usage.usd:.2f}" + (f" and {summary.unpriced} attempts of unknown cost" if summary.unpriced else "")
    elif summary.unpriced:
        yield "cost unknown"
    if usage.input_tokens is not None:
        yield f"{usage.input_tokens:,} tokens read"
    if usage.output_tokens is not None:
        yield f"{usage.output_tokens:,} tokens written"


def _failures(summary: RunSummary) -> Iterator[str]:
    """Yield what is in the way of attempts, each reason once: a key that is not set fails all of them alike."""
    lost = [item for item in summary.items if item.state == "failed" or (item.state == "made" and not item.final)]
    lost = [item for item in lost if item.status is not AgentStatus.INTERRUPTED]
    reasons = Counter(item.reason or (item.status.value if item.status else "") for item in lost)
    for reason, count in reasons.most_common(REASONS):
        yield f"{count} without a patch that counts: {reason}"
