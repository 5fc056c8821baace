"""Which rounds count: those in which no arm was disturbed, as far as they can be had.

A trial is disturbed when its wall-clock time exceeds its CPU time by a tenth: something else had the core. The rule does not look at
how fast any arm was, and treats the arms alike, so it cannot move a comparison. It suits CPU-bound workloads only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

WALL_PER_CPU = 1.10
"""A trial above this ratio of wall-clock to CPU time is contaminated."""

ALLOWANCE = 3
"""How many more rounds a patch may spoil alone than the trusted arms have spoilt."""


@dataclass(frozen=True, slots=True)
class Redo:
    """What the rounds so far amount to."""

    counted: tuple[int, ...]
    more: bool
    redone: int


def contaminated(wall: float, cpu: float) -> bool:
    """Tell whether something else ran in a trial's place; both times in the same unit."""
    return wall > WALL_PER_CPU * cpu


def redo(rounds: Sequence[Mapping[str, bool]], trusted: Collection[str], wanted: int, *, final: bool = False) -> Redo:
    """Choose the rounds that count towards `wanted`, and tell whether one more must be measured.

    `rounds` says of every round which arms were contaminated; `trusted` names the arms that run no patch under test. At most
    `wanted` rounds are repeated; then, or when `final` says that no round will follow, contaminated ones fill up the
    number, the earliest first. `counted` is in the order of measuring.
    """
    spoilt = list(_spoilt(rounds, trusted))
    clean = [i for i, bad in enumerate(spoilt) if not bad][:wanted]
    more = len(clean) < wanted and len(rounds) < 2 * wanted and not final
    dirty = [] if more else [i for i, bad in enumerate(spoilt) if bad][: wanted - len(clean)]
    counted = tuple(sorted(clean + dirty))
    return Redo(counted, more, len(rounds) - len(counted))


def _spoilt(rounds: Sequence[Mapping[str, bool]], trusted: Collection[str]) -> Iterator[bool]:
    """Yield for each round whether it is to be repeated.

    A patch can make its own trial look contaminated, and so choose which rounds count. An honest one is disturbed no more often
    than the trusted arms are, so beyond that and an allowance its contaminated rounds count as they are.
    """
    by_trusted = 0
    alone: Counter[str] = Counter()
    for flags in rounds:
        bad = {arm for arm, flag in flags.items() if flag}
        if not bad.isdisjoint(trusted):
            by_trusted += 1
            yield True
        else:
            yield any(alone[arm] < by_trusted + ALLOWANCE for arm in bad)
            alone.update(bad)
