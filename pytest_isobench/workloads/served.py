"""Whether a server did the work that the reference did, and gave the answers that it gave."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from statistics import fmean

from pytest_isobench.benchmarks.results import BenchmarkResult
from pytest_isobench.benchmarks.sanity import different_work
from pytest_isobench.models.workload import Serving

ROUNDING = 1e-9
SHOWN = 80
"""Characters of an answer that a message shows."""


def fault(
    found: Sequence[BenchmarkResult], wanted: Sequence[BenchmarkResult], serving: Serving, *, expected: float = 1.0
) -> str | None:
    """Say what is wrong with an arm's runs, next to the reference's runs of the same requests; None when nothing is.

    `expected` is how far two starts of the baseline agree.
    """
    return next(filter(None, (_fault(*pair, serving, expected) for pair in zip(found, wanted, strict=True))), None)


def agreement(found: Sequence[BenchmarkResult], wanted: Sequence[BenchmarkResult]) -> float | None:
    """Return how far two servers' answers agree, from 0 to 1: up to which part of an answer, on average; None where none were saved."""
    pairs = [pair for got, want in zip(found, wanted, strict=True) for pair in _pairs(got, want)]
    return fmean(_common(*pair) for pair in pairs) if pairs else None


def _fault(found: BenchmarkResult, wanted: BenchmarkResult, serving: Serving, expected: float) -> str | None:
    different = different_work({"reference": wanted, "this arm": found}, serving.tokens)
    if different:
        return f"did other work: {different[0]}"
    if serving.texts is None or not (wanted.generated_texts or found.generated_texts):
        return None
    return _texts(_pairs(found, wanted), serving.texts * expected)


def _pairs(found: BenchmarkResult, wanted: BenchmarkResult) -> list[tuple[str, str]]:
    """Return answers to the same requests: found and wanted. One that is missing is empty."""
    return list(zip_longest(found.generated_texts or (), wanted.generated_texts or (), fillvalue=""))


def _common(found: str, wanted: str) -> float:
    """Return the share of an answer that two have in common, from its beginning on."""
    longest = max(len(found), len(wanted))
    return _parting(found, wanted) / longest if longest else 1.0


def _parting(found: str, wanted: str) -> int:
    """Return the character from which on two texts differ."""
    pairs = enumerate(zip(found, wanted, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(found), len(wanted)))


def _texts(pairs: Sequence[tuple[str, str]], needed: float) -> str | None:
    """Compare the answers themselves, request by request."""
    share = fmean(_common(*pair) for pair in pairs)
    if share >= needed - ROUNDING:
        return None
    differing = [(got, want) for got, want in pairs if got != want]
    got, want = differing[0]
    place = _parting(got, want)
    shown = f"{got[place : place + SHOWN]!r} where the reference has {want[place : place + SHOWN]!r}"
    amount = f"they agree in {share:.0%}, and {needed:.0%} are needed"
    return f"{len(differing)} of {len(pairs)} answers differ ({amount}): from character {place} on, the first has {shown}"
