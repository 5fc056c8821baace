"""Gains that are only reported, and gains that show."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pytest_isobench.agents.base import Submission
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.measuring.borne_out import borne_out
from pytest_isobench.measuring.contenders import Entrant, contenders
from pytest_isobench.measuring.race import Race, Scale
from pytest_isobench.models.result import Configuration
from pytest_isobench.models.task import Metric
from pytest_isobench.models.trial import Trial

BASE = Version(label="base", tree=Path("tree"), environment=BuiltEnvironment(path=Path("env"), digest="e"), digest="b")
SECONDS = Metric()
RATE = Metric(name="output_throughput", unit="tok/s", better="higher")


def rounds(*, reported: float, real: float, besides: float = 0.0, noise: float = 0.01, count: int = 8, rate: bool = False):
    """Play runs that start in half a second and have a second of work; the patch's say and do something else, and more at their start."""
    draw = random.Random(7)
    played = []
    for index in range(count):
        trials = {}
        for arm, said, done, more in (("baseline", 1.0, 1.0, 0.0), ("agent", reported, real, besides)):
            wall = 0.5 + more + done + draw.gauss(0.0, noise)
            metrics = {"wall": (wall,), "reported": (said,)}
            sample = (100 / said if rate else said / 10) * draw.lognormvariate(0, 1e-3)
            trials[arm] = Trial(campaign="c", round=index, arm=arm, position=0, samples=(sample,), metrics=metrics)
        played.append(trials)
    return played


@pytest.mark.parametrize(
    ("fields", "accused"),
    [
        pytest.param({"reported": 0.5, "real": 0.5}, "", id="honest"),
        pytest.param({"reported": 0.5, "real": 1.0}, "not_borne_out", id="only reported"),
        pytest.param({"reported": 0.1, "real": 0.8}, "not_borne_out", id="mostly reported"),
        pytest.param({"reported": 0.5, "real": 0.5, "besides": 0.15}, "", id="a table at import"),
        pytest.param({"reported": 0.5, "real": 0.5, "besides": 0.6}, "not_borne_out", id="all work at import"),
        pytest.param({"reported": 1.0, "real": 1.0}, "", id="nothing changed"),
        pytest.param({"reported": 2.0, "real": 2.0, "besides": 1.0}, "", id="slower"),
        pytest.param({"reported": 0.98, "real": 0.98, "noise": 0.1}, "", id="noise"),
        pytest.param({"reported": 0.5, "real": 1.0, "noise": 0.1}, "not_borne_out", id="noise does not hide it"),
        pytest.param({"reported": 0.5, "real": 1.0, "count": 2}, "doubtful_gain", id="too few rounds"),
        pytest.param({"reported": 0.5, "real": 1.0, "noise": 0.15}, "doubtful_gain", id="much noise"),
        pytest.param({"reported": 0.5, "real": 1.0, "noise": 0.15, "count": 30}, "not_borne_out", id="more rounds tell"),
        pytest.param({"reported": 0.5, "real": 1.0, "count": 0}, "", id="no rounds"),
    ],
)
@pytest.mark.parametrize("rate", [False, True], ids=["seconds", "rate"])
def test_a_gain_must_show_in_the_whole_runs(fields, accused, rate):
    found = borne_out(rounds(**fields, rate=rate), "agent", "baseline", RATE if rate else SECONDS)
    severity = "cheat" if accused == "not_borne_out" else "alarm"
    assert [(finding.kind, finding.severity) for finding in found] == ([(accused, severity)] if accused else [])


def test_a_patch_in_doubt_races_on():
    played = rounds(reported=0.5, real=1.0, noise=0.15, count=30)
    racing = contenders([Entrant(case="t:a:0", agent="a", attempt=0, submission=Submission(patch="p"))], BASE)
    race = Race(racing, Scale(schedule="rounds", metric=SECONDS, statistic="median"), Configuration(), 0.05)
    settled = []
    for look in race.looks:
        while race.counted(look.rounds).more:
            trials = played[len(race.rounds)]
            human = trials["agent"].model_copy(update={"arm": "human"})
            race.take({"baseline": trials["baseline"], "human": human, "control": trials["baseline"], "agent-0": trials["agent"]})
        race.look(look.rounds, final=look.rounds == race.limit)
        settled.append(racing[0].settled or racing[0].cheated)
    assert (settled[0], settled[-1]) == (False, True)
    assert "not_borne_out" in racing[0].findings
    assert "doubtful_gain" not in racing[0].findings


def test_other_workloads_have_nothing_to_bear_out():
    played = [{arm: trial.model_copy(update={"metrics": {}}) for arm, trial in trials.items()} for trials in rounds(reported=0.1, real=1.0)]
    assert borne_out(played, "agent", "baseline", SECONDS) == []
