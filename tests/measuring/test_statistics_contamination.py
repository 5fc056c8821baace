from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.measuring.statistics import contaminated, redo

TRUSTED = frozenset({"baseline", "human"})
ARMS = ("baseline", "human", "agent", "other")


def rounds(*bad):
    """Rounds by the initials of their contaminated arms: 'b', 'ha', ''."""
    return [{arm: arm[0] in one for arm in ARMS} for one in bad]


@pytest.mark.parametrize(
    ("bad", "wanted", "counted", "more", "redone"),
    [
        ((), 2, (), True, 0),
        (("", ""), 3, (0, 1), True, 0),
        (("", "", ""), 3, (0, 1, 2), False, 0),
        (("", "b", ""), 3, (0, 2), True, 1),
        (("", "b", "", ""), 3, (0, 2, 3), False, 1),
        (("b", "h", "b", ""), 2, (0, 3), False, 2),
        (("b", "h", "b", "h"), 2, (0, 1), False, 2),
        (("", "", "", ""), 3, (0, 1, 2), False, 1),
    ],
)
def test_contaminated_rounds_are_redone_as_often_as_rounds_are_wanted(bad, wanted, counted, more, redone):
    found = redo(rounds(*bad), TRUSTED, wanted)
    assert (found.counted, found.more, found.redone) == (counted, more, redone)


def test_when_no_round_will_follow_contaminated_ones_fill_up():
    found = redo(rounds("", "b", "", "h"), TRUSTED, 8, final=True)
    assert (found.counted, found.more) == ((0, 1, 2, 3), False)
    assert redo(rounds("", "b", "", "h"), TRUSTED, 3, final=True).counted == (0, 1, 2)


def test_a_patch_cannot_choose_its_rounds():
    hostile = rounds(*["a"] * 20)
    assert redo(hostile, TRUSTED, 8).counted == tuple(range(3, 11))


def test_an_honest_patch_is_spared_like_the_trusted_arms():
    # Three rounds that the machine spoilt for trusted arms allow three more of the agent's.
    found = redo(rounds("b", "h", "b", *["a"] * 8, ""), TRUSTED, 7)
    assert found.counted == (9, 10, 11)


def test_each_patch_has_its_own_allowance():
    found = redo(rounds(*["a"] * 5, "o", "o", ""), TRUSTED, 5)
    assert found.counted == (3, 4, 7)
    assert redo(rounds(*["a"] * 4, "ao"), TRUSTED, 4).counted == (3,)


flags = st.integers(0, 15).map(lambda bits: {arm: bool(bits >> i & 1) for i, arm in enumerate(ARMS)})


@given(st.lists(flags, max_size=40), st.integers(1, 12), st.booleans())
def test_the_rule_is_bounded_and_ends(some, wanted, final):
    found = redo(some, TRUSTED, wanted, final=final)
    assert list(found.counted) == sorted(set(found.counted))
    assert len(found.counted) + found.redone == len(some)
    if found.more:
        assert not final
        assert len(found.counted) < wanted
        assert len(some) < 2 * wanted
    else:
        assert len(found.counted) == wanted or (final and len(found.counted) == len(some))


@given(st.lists(flags, max_size=30), st.integers(1, 12))
def test_a_patch_alone_spoils_few_rounds(some, wanted):
    by_agent = [flag | {"baseline": False, "human": False, "other": False} for flag in some]
    assert redo(by_agent, TRUSTED, wanted).redone <= max(3, len(some) - wanted)


@given(st.lists(flags, max_size=30), st.integers(1, 12))
def test_swapping_labels_keeps_the_rounds(some, wanted):
    found = redo(some, TRUSTED, wanted)
    for order in permutations(["baseline", "human"]):
        renamed = [dict(zip([*order, "other", "agent"], flag.values(), strict=True)) for flag in some]
        assert redo(renamed, TRUSTED, wanted) == found


@given(st.lists(flags, max_size=6), st.integers(1, 12))
def test_within_the_allowance_human_and_agent_are_treated_alike(some, wanted):
    few = [flag if i < 3 else dict.fromkeys(ARMS, False) for i, flag in enumerate(some)]
    swapped = [flag | {"human": flag["agent"], "agent": flag["human"]} for flag in few]
    assert redo(few, TRUSTED, wanted) == redo(swapped, TRUSTED, wanted)


@given(st.lists(flags, max_size=20), st.lists(flags, max_size=10))
def test_later_rounds_do_not_change_which_earlier_ones_were_clean(first, then):
    plenty = 100
    found = redo(first, TRUSTED, plenty).counted
    assert redo(first + then, TRUSTED, plenty).counted[: len(found)] == found


def test_arms_may_come_and_go():
    some = [{"baseline": False, "agent": False, "control": True}, {"baseline": False}, {"baseline": True}]
    assert redo(some, {"baseline", "control"}, 3).counted == (1,)


@pytest.mark.parametrize(
    ("wall", "cpu", "expected"), [(1.10, 1.0, False), (1.11, 1.0, True), (1.0, 1.0, False), (0.9, 1.0, False), (1.0, 0.0, True)]
)
def test_contaminated(wall, cpu, expected):
    assert contaminated(wall, cpu) is expected
