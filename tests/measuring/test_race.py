"""The race: which arms play, when it ends, what the verdicts are. Pure, on made-up trials."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pytest_isobench.agents.base import Submission
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.errors import ComparisonRefusedError, NotEvaluableError
from pytest_isobench.measuring.contenders import Contender, Entrant, contenders
from pytest_isobench.measuring.moved_work import slower_start
from pytest_isobench.measuring.race import Race, Scale
from pytest_isobench.models.result import Configuration, Finding, Gain, Outcome, TaskState
from pytest_isobench.models.task import Metric
from pytest_isobench.models.trial import ArmFailure, Trial
from pytest_isobench.workloads.base import BASELINE, CONTROL, HUMAN

BASE = Version(label="base", tree=Path("tree"), environment=BuiltEnvironment(path=Path("env"), digest="e"), digest="b")
TRUSTED = [BASELINE, HUMAN, CONTROL]


SCALE = Scale(schedule="pingpong", metric=Metric())


def agents(count: int) -> list[Contender]:
    entrants = [Entrant(case=f"t:a:{i}", agent="a", attempt=i, submission=Submission(patch=str(i))) for i in range(count)]
    return contenders(entrants, BASE)


def run(speeds: dict[str, float], *, noise: float = 0.01, busy: float = 1.0, setup: dict[str, float] | None = None) -> Race:
    """Race arms of given speeds (1.0: the baseline's) to the end."""
    racing = agents(sum(name.startswith("agent") for name in speeds))
    race = Race(racing, SCALE, Configuration(), 0.05)
    draw = random.Random(0)
    for look in race.looks:
        while race.counted(look.rounds).more:
            index, arms = len(race.rounds), race.arms(TRUSTED)
            race.take({arm: trial(index, arm, speeds.get(arm, 1.0), draw, noise, busy, setup or {}) for arm in arms})
        if race.look(look.rounds, final=look.rounds == race.limit):
            break
    return race


def trial(index: int, arm: str, speed: float, draw: random.Random, noise: float, busy: float, setup: dict[str, float]) -> Trial:
    samples = tuple(0.03 / speed * draw.lognormvariate(0, noise) for _ in range(6))
    return Trial(campaign="c", round=index, arm=arm, position=0, samples=samples, setup=setup.get(arm, 0.1), prepare=1e-4, busy=busy)


@pytest.mark.parametrize(
    ("human", "agent", "state", "outcome", "gain"),
    [
        (1.5, 2.0, TaskState.EVALUABLE, Outcome.BEATS, Gain.FASTER),
        (1.5, 1.5, TaskState.EVALUABLE, Outcome.MATCHES, Gain.FASTER),
        (1.5, 1.2, TaskState.EVALUABLE, Outcome.SLOWER, Gain.FASTER),
        (1.5, 1.0, TaskState.EVALUABLE, Outcome.SLOWER, Gain.NO_CHANGE),
        (1.5, 0.7, TaskState.EVALUABLE, Outcome.SLOWER, Gain.REGRESSES),
        (1.02, 1.5, TaskState.WEAK, None, None),
        (1.0, 1.0, TaskState.NOT_EVALUABLE, None, None),
        (0.8, 1.0, TaskState.HUMAN_REGRESSION, None, None),
    ],
)
def test_every_speed_has_its_verdict(human, agent, state, outcome, gain):
    race = run({HUMAN: human, "agent-0": agent})
    assert race.state is state
    if outcome is not None:
        assert (race.contenders[0].outcome, race.contenders[0].gain) == (outcome, gain)


def test_a_patch_on_the_margin_is_non_inferior_at_the_cap():
    race = run({HUMAN: 1.5, "agent-0": 1.575}, noise=0.03)
    assert (race.contenders[0].outcome, len(race.rounds)) == (Outcome.NON_INFERIOR, 30)


def test_a_settled_arm_races_no_more_and_the_control_leaves_after_the_first_look():
    race = run({HUMAN: 1.5, "agent-0": 2.0, "agent-1": 1.575}, noise=0.03)
    assert [sum(arm in trials for trials in race.rounds) for arm in (CONTROL, "agent-0", "agent-1")] == [8, 8, 30]


def test_noise_without_end_is_underpowered_not_a_verdict():
    assert run({HUMAN: 1.1, "agent-0": 1.1}, noise=1.5).state is TaskState.UNDERPOWERED


def test_busy_rounds_are_redone_and_counted():
    racing = agents(1)
    race = Race(racing, SCALE, Configuration(), 0.05)
    draw = random.Random(1)
    while race.counted(8).more:
        busy = 1.5 if len(race.rounds) == 3 else 1.01
        race.take({arm: trial(len(race.rounds), arm, 1.0, draw, 0.01, busy, {}) for arm in race.arms(TRUSTED)})
    assert (len(race.rounds), race.counted(8).counted) == (9, (0, 1, 2, 4, 5, 6, 7, 8))


def test_a_workload_that_waits_by_itself_is_never_called_busy():
    assert len(run({HUMAN: 1.5, "agent-0": 2.0}, busy=3.0).rounds) == 8


@pytest.mark.parametrize(("campaign", "index"), [("other", 0), ("c", 1)])
def test_trials_of_another_campaign_or_round_are_refused(campaign, index):
    race = Race([], SCALE, Configuration(), 0.05)
    good = trial(0, BASELINE, 1.0, random.Random(0), 0.0, 1.0, {})
    with pytest.raises(ComparisonRefusedError, match="never compared"):
        race.take({BASELINE: good, HUMAN: good.model_copy(update={"arm": HUMAN, "campaign": campaign, "round": index})})


def test_a_failure_ends_the_arm_and_keeps_its_reason():
    race = Race(agents(1), SCALE, Configuration(), 0.05)
    failed = Trial(campaign="c", round=0, arm="agent-0", position=0, failure=ArmFailure(outcome=Outcome.CRASHED, message="boom"))
    race.take({"agent-0": failed})
    assert race.contenders[0].failure == failed.failure
    assert "agent-0" not in race.arms(TRUSTED)


def test_a_cheat_ends_the_arm():
    race = Race(agents(1), SCALE, Configuration(), 0.05)
    finding = Finding(kind="ran_out_of_turn", severity="cheat", message="m")
    cheat = trial(0, "agent-0", 9.0, random.Random(0), 0.0, 1.0, {}).model_copy(update={"findings": (finding,)})
    race.take({"agent-0": cheat})
    assert race.contenders[0].cheated
    assert "agent-0" not in race.arms(TRUSTED)


@pytest.mark.parametrize(("setup", "kinds"), [(0.1, []), (0.3, ["slower_import"]), (2.0, ["work_in_import"])])
def test_an_import_that_grew_is_seen(setup, kinds):
    race = run({HUMAN: 1.5, "agent-0": 2.0}, setup={"agent-0": setup})
    assert sorted(race.contenders[0].findings) == kinds


def read(values: dict[str, list[list[float]]], metric: Metric, *, statistic: str = "median", name: str = "mean_ttft_ms") -> Race:
    """Race arms whose client has measured these values, a list a round."""
    race = Race(agents(1), Scale(schedule="rounds", metric=metric, statistic=statistic), Configuration(), 0.05)
    for index in range(8):
        race.take(
            {
                arm: Trial(campaign="c", round=index, arm=arm, position=0, samples=rounds[index], metrics={name: rounds[index], "other": (1.0,)})
                for arm, rounds in values.items()
            }
        )
    return race


DRAW = random.Random(3)
SLOW, FAST = ([[center * DRAW.lognormvariate(0, 0.01) for _ in range(3)] for _ in range(8)] for center in (100.0, 50.0))


@pytest.mark.parametrize(("better", "human", "baseline"), [("lower", FAST, SLOW), ("higher", SLOW, FAST)])
def test_a_metric_has_a_direction(better, human, baseline):
    arms = {BASELINE: baseline, HUMAN: human, CONTROL: baseline, "agent-0": human}
    race = read(arms, Metric(name="mean_ttft_ms", unit="ms", better=better))
    race.look(8, final=True)
    assert race.state is TaskState.EVALUABLE
    assert race.contenders[0].outcome is Outcome.MATCHES
    other = Metric(name="mean_ttft_ms", unit="ms", better="higher" if better == "lower" else "lower")
    assert race.secondary(other, BASELINE, HUMAN).estimate == pytest.approx(-race.human_vs_baseline.estimate)
    assert race.median_of(name="mean_ttft_ms", arm=HUMAN) == pytest.approx(100.0 if better == "higher" else 50.0, rel=0.02)
    assert race.secondary(Metric(name="none"), BASELINE, HUMAN) is None


def test_a_metric_that_jumps_shows_nothing():
    coarse = [[51.2 * (2 + index % 2)] for index in range(8)]
    race = read(dict.fromkeys((BASELINE, HUMAN, CONTROL, "agent-0"), coarse), Metric(name="mean_ttft_ms", unit="ms"))
    with pytest.raises(NotEvaluableError, match="mean_ttft_ms is too coarse: 2 values in 8 rounds"):
        race.look(8, final=True)


def test_one_slow_run_of_a_server_decides_nothing():
    outlier = [[100.0 + index, 100.0 + index, 5000.0] for index in range(8)]
    steady = [[100.0 + index, 100.0 + index, 100.0 + index] for index in range(8)]
    race = read({BASELINE: steady, HUMAN: outlier, CONTROL: steady, "agent-0": steady}, Metric(name="mean_ttft_ms", unit="ms"))
    race.look(8, final=True)
    assert race.human_vs_baseline.estimate == 0.0


@pytest.mark.parametrize(("start", "kinds"), [(10.0, []), (12.0, []), (20.0, ["slower_start"])])
def test_a_server_that_starts_slower_is_seen(start, kinds):
    def served(arm: str, setup: float) -> Trial:
        return Trial(campaign="c", round=0, arm=arm, position=0, samples=(1.0,), setup=setup)

    rounds = [{BASELINE: served(BASELINE, 10.0), HUMAN: served(HUMAN, 9.0), "agent-0": served("agent-0", start)}] * 8
    assert [finding.kind for finding in slower_start(rounds, "agent-0", [BASELINE, HUMAN])] == kinds
