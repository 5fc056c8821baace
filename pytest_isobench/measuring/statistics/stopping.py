"""When to look at the results, and how much of the error each look may spend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pytest_isobench.measuring.statistics.intervals import Interval, interval, narrow

Schedule = Literal["pingpong", "rounds", "server"]

LOOKS: dict[Schedule, tuple[int, ...]] = {
    "pingpong": (8, 12, 16, 20, 25, 30),
    "rounds": (8, 12, 16, 20, 25, 30),
    "server": (8, 10, 12),
}
"""Rounds after which verdicts are tried; the last is the cap. Servers take minutes per round, so they get fewer."""


@dataclass(frozen=True, slots=True)
class Look:
    """A planned look: after how many rounds, and at which level its intervals are."""

    rounds: int
    alpha: float


def looks(schedule: Schedule, confidence: float) -> tuple[Look, ...]:
    """Plan the looks of a schedule so that their intervals all hold together with `confidence` (0 to 1).

    Up to the share t of the rounds, ``alpha * ln(1 + (e - 1) t)`` is spent (the Pocock-type spending function); each look gets
    the increment as its level, a Bonferroni bound over the looks. ValueError: an unknown schedule, or a confidence outside 0 to 1.
    """
    if schedule not in LOOKS:
        raise ValueError(f"there is no schedule {schedule!r}; allowed are {', '.join(LOOKS)}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}; it must lie between 0 and 1")
    rounds = LOOKS[schedule]
    spent = [0.0, *((1 - confidence) * math.log1p((math.e - 1) * n / rounds[-1]) for n in rounds)]
    return tuple(Look(n, now - before) for n, (before, now) in zip(rounds, pairwise(spent), strict=True))


def alpha_at(looks: Sequence[Look], rounds: int, *, final: bool = False) -> float:
    """Return the level of an interval after so many rounds: 0, which gives it no limits, when no look is due.

    `final` says that no round will follow, because the cap is reached or the time budget is spent: everything unspent goes
    into this last look. The end must not depend on which arm was faster in the rounds so far; a clock or a cap does not.
    """
    if final:
        return sum(look.alpha for look in looks if look.rounds >= rounds)
    return next((look.alpha for look in looks if look.rounds == rounds), 0.0)


def sequential_interval(differences: Sequence[float], looks: Sequence[Look], *, final: bool = False) -> Interval:
    """Return what all looks up to now have shown together: the interval that may be printed, and that verdicts rest on.

    It covers the truth with the looks' joint confidence whenever the measuring stops at a look or finally. Before the first
    look it has no limits. ValueError: as `interval`.
    """
    found: Interval | None = None
    for look in looks:
        if look.rounds < len(differences):
            found = narrow(found, interval(differences[: look.rounds], look.alpha))
    return narrow(found, interval(differences, alpha_at(looks, len(differences), final=final)))
