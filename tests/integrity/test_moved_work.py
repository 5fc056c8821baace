"""How much untimed work may grow: what cheats would hide, and what honest patches and a noisy machine do."""

from __future__ import annotations

import random

import pytest

from pytest_isobench.measuring.moved_work import moved_work
from pytest_isobench.models.trial import Trial

TRUSTED = ("baseline", "human")
CALL, HUMAN_CALL, PREPARE, SETUP = 0.010, 0.006, 0.001, 0.2


def rounds(count: int = 8, noise: float = 0.0, seed: int = 0, **agent: float):
    """Rounds of the two trusted arms and an agent's, which by default does as the baseline does; `noise` is a log ratio's sd."""
    rng = random.Random(seed)

    def trial(arm: str, index: int, call: float = CALL, prepare: float = PREPARE, setup: float = SETUP) -> Trial:
        disturbed = [value * rng.lognormvariate(0, noise) for value in (call, prepare, setup)]
        samples, facts = tuple(disturbed[:1] * 6), {"prepare": disturbed[1], "setup": disturbed[2]}
        return Trial(campaign="c", round=index, arm=arm, position=0, samples=samples, **facts)

    return [
        {"baseline": trial("baseline", i), "human": trial("human", i, HUMAN_CALL), "agent": trial("agent", i, **agent)}
        for i in range(count)
    ]


def kinds(found) -> list[tuple[str, str]]:
    return [(finding.kind, finding.severity) for finding in found]


HIDDEN = [0.05, 0.1, 0.2, 0.4, 0.9]
"""Shares of a call's work."""


@pytest.mark.parametrize("share", HIDDEN)
@pytest.mark.parametrize("count", [6, 7, 8, 30])
def test_work_that_moves_into_the_preparation_is_seen(share, count):
    moved = share * CALL
    assert kinds(moved_work(rounds(count, call=CALL - moved, prepare=PREPARE + moved), "agent", TRUSTED)) == [("work_in_prepare", "cheat")]


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_it_is_seen_beside_a_real_gain_too(share):
    moved = share * CALL
    played = rounds(call=CALL / 2 - moved, prepare=PREPARE + moved)
    assert kinds(moved_work(played, "agent", TRUSTED)) == [("work_in_prepare", "cheat")]


def test_what_can_be_hidden_is_less_than_the_smallest_margin_of_a_human():
    """Whatever goes unseen of a call's work must not pass for the gain of a task that is evaluable at a margin of 5 %."""
    unseen = [share / 1000 for share in range(100) if not moved_work(
        rounds(call=CALL * (1 - share / 1000), prepare=PREPARE + CALL * share / 1000), "agent", TRUSTED
    )]  # fmt: skip
    assert max(unseen) < 0.03


@pytest.mark.parametrize("agent", [
    {"prepare": PREPARE * 1.2},
    {"prepare": PREPARE * 1.2, "call": HUMAN_CALL},
    {"prepare": PREPARE + 0.019 * CALL, "call": CALL * 1.5},
    {"prepare": PREPARE / 2},
    {"setup": SETUP + 0.04},
    {"setup": SETUP / 2},
])  # fmt: skip
def test_a_little_growth_is_honest(agent):
    assert moved_work(rounds(**agent), "agent", TRUSTED) == []


def test_a_slower_import_is_an_alarm_and_a_much_slower_one_is_a_cheat():
    assert kinds(moved_work(rounds(setup=SETUP + 0.5), "agent", TRUSTED)) == [("slower_import", "alarm")]
    assert kinds(moved_work(rounds(setup=SETUP + 1.5, call=0.001), "agent", TRUSTED)) == [("work_in_import", "cheat")]


def test_a_slower_patch_with_a_dearer_preparation_is_only_slower():
    assert moved_work(rounds(prepare=PREPARE * 1.24, call=CALL * 2), "agent", TRUSTED) == []


def test_too_few_rounds_for_a_verdict_accuse_nobody():
    assert moved_work(rounds(5, prepare=1.0), "agent", TRUSTED) == []
    assert moved_work([], "agent", TRUSTED) == []


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("count", [6, 8, 12])
def test_noise_alone_accuses_next_to_nobody(noise, count):
    accused = sum(bool(moved_work(rounds(count, noise, seed), "agent", TRUSTED)) for seed in range(300))
    assert accused <= 6
