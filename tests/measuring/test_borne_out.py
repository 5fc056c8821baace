"""Gains that are only reported, and gains that show."""

from __future__ import annotations

import random

import pytest

from pytest_isobench.measuring.borne_out import borne_out
from pytest_isobench.models.task import Metric
from pytest_isobench.models.trial import Trial

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
            sample = 100 / said if rate else said / 10
            trials[arm] = Trial(campaign="c", round=index, arm=arm, position=0, samples=(sample,), metrics=metrics)
        played.append(trials)
    return played


@pytest.mark.parametrize(
    ("fields", "accused"),
    [
        pytest.param({"reported": 0.5, "real": 0.5}, False, id="honest"),
        pytest.param({"reported": 0.5, "real": 1.0}, True, id="only reported"),
        pytest.param({"reported": 0.1, "real": 0.8}, True, id="mostly reported"),
        pytest.param({"reported": 0.5, "real": 0.5, "besides": 0.15}, False, id="a table at import"),
        pytest.param({"reported": 0.5, "real": 0.5, "besides": 0.6}, True, id="all work at import"),
        pytest.param({"reported": 1.0, "real": 1.0}, False, id="nothing changed"),
        pytest.param({"reported": 2.0, "real": 2.0, "besides": 1.0}, False, id="slower"),
        pytest.param({"reported": 0.98, "real": 0.98, "noise": 0.1}, False, id="noise"),
        pytest.param({"reported": 0.5, "real": 1.0, "noise": 0.1}, True, id="noise does not hide it"),
        pytest.param({"reported": 0.5, "real": 1.0, "count": 2}, False, id="too few rounds"),
        pytest.param({"reported": 0.5, "real": 1.0, "count": 0}, False, id="no rounds"),
    ],
)
@pytest.mark.parametrize("rate", [False, True], ids=["seconds", "rate"])
def test_a_gain_must_show_in_the_whole_runs(fields, accused, rate):
    found = borne_out(rounds(**fields, rate=rate), "agent", "baseline", RATE if rate else SECONDS)
    assert [(finding.kind, finding.severity) for finding in found] == [("not_borne_out", "cheat")] * accused


def test_other_workloads_have_nothing_to_bear_out():
    played = [{arm: trial.model_copy(update={"metrics": {}}) for arm, trial in trials.items()} for trials in rounds(reported=0.1, real=1.0)]
    assert borne_out(played, "agent", "baseline", SECONDS) == []
