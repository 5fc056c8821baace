"""Whether a server did the work that the reference did, and gave the answers that it gave."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_isobench.benchmarks.results import BenchmarkResult
from pytest_isobench.benchmarks.sanity import different_work
from pytest_isobench.models.workload import Serving

SHOWN = 80
"""Characters of an answer that a message shows."""


def fault(found: Sequence[BenchmarkResult], wanted: Sequence[BenchmarkResult], serving: Serving) -> str | None:
    """Say what is wrong with an arm's runs, next to the reference's runs of the same requests; None when nothing is."""
    return next(filter(None, (_fault(*pair, serving) for pair in zip(found, wanted, strict=True))), None)


def _fault(found: BenchmarkResult, wanted: BenchmarkResult, serving: Serving) -> str | None:
    different = different_work({"reference": wanted, "this arm": found}, serving.tokens)
    if different:
        return f"did other work: {different[0]}"
    return None if serving.texts is None else _texts(found.generated_texts or (), wanted.generated_texts or (), serving.texts)


def _texts(found: Sequence[str], wanted: Sequence[str], share: float) -> str | None:
    """Compare the answers themselves, request by request."""
    if not wanted or len(found) != len(wanted):
        told = "have the client save them, or set serving.texts to null"
        return f"gave {len(found)} answers whose text is known, where the reference has {len(wanted)}; {told}"
    pairs = list(zip(found, wanted, strict=True))
    differing = [(got, want) for got, want in pairs if got != want]
    if len(differing) <= (1 - share) * len(pairs):
        return None
    got, want = differing[0]
    place = next((index for index, (one, other) in enumerate(zip(got, want, strict=False)) if one != other), min(len(got), len(want)))
    shown = f"{got[place : place + SHOWN]!r} where the reference has {want[place : place + SHOWN]!r}"
    return f"{len(differing)} of {len(pairs)} answers differ: from character {place} on, the first has {shown}"
