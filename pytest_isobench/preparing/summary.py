"""Adding up what became of the items of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pytest_isobench.models.agent import Usage
from pytest_isobench.models.preparing import Ceiling, ItemSummary, Refused, RunSummary


def summarise(
    items: Iterable[ItemSummary],
    *,
    started: str,
    seconds: float,
    ceilings: Sequence[Ceiling],
    interrupted: bool,
    refused: Sequence[Refused],
) -> RunSummary:
    """Return the summary of a run."""
    ordered = sorted(items, key=lambda item: (item.task, item.agent, item.attempt))
    made = [item for item in ordered if item.state == "made"]
    return RunSummary(
        started=started,
        seconds=seconds,
        agent_seconds=sum(item.seconds for item in made),
        states=dict(sorted(Counter(item.state for item in ordered).items())),
        statuses=dict(sorted(Counter(item.status for item in made if item.status).items())),
        usage=add_up(item.usage for item in made),
        unpriced=sum(item.usage.usd is None for item in made),
        ceilings=tuple(ceilings),
        interrupted=interrupted,
        refused=tuple(refused),
        items=tuple(ordered),
    )


def add_up(usages: Iterable[Usage]) -> Usage:
    """Return the sum of what is known; what nobody knows stays unknown."""
    known = list(usages)
    sums = {}
    for name in Usage.model_fields:
        values = [value for usage in known if (value := getattr(usage, name)) is not None]
        sums[name] = sum(values) if values else None
    return Usage(**sums)


def problems(summary: RunSummary) -> int:
    """Return how many items have no patch for a reason that is not the agent's, refused records included."""
    without = sum(item.state in ("failed", "not_started") for item in summary.items)
    broken = sum(item.state == "made" and not item.final for item in summary.items)
    return without + broken + len(summary.refused)
