"""The python workload, played for real in the local sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from pytest_isobench.errors import NotEvaluableError, TaskError
from pytest_isobench.models.result import Outcome
from pytest_isobench.models.task import Task
from pytest_isobench.workloads import python
from pytest_isobench.workloads.base import RoundPlan
from pytest_isobench.workloads.python import TURNS, ResidentWorkload, fitting_calls

SLOW = "def work(n):\n    return sum(i * n for i in range(20000))"
FAST = "def work(n):\n    return n * 199990000"
WORKLOAD = """
import package
def inputs(rng): return rng.randrange(10**6, 10**9)
def run(n): return package.work(n)
"""
CHECK = "\ndef check(n, answer, reference): assert answer % n == 0 and answer == reference, f'{answer} is wrong for {n}'\n"


def workload(code: str = WORKLOAD, calls: int | None = 2, **fields) -> ResidentWorkload:
    source = {"kind": "path", "base": "base", "human": "human"}
    record = {"id": "t", "source": source, "workload": {"kind": "python", "code": code, "calls": calls, **fields}}
    return ResidentWorkload(Task.model_validate(record), Path())


def play(bench, work, *arms):
    work.open(bench, arms, "seed")
    return work.play(bench, RoundPlan(index=3, seed="s", arms=arms))


def test_a_round_gives_every_arm_its_samples(bench):
    place = bench(baseline=SLOW, human=FAST, agent_0=FAST)
    work = workload()
    trials = play(place, work, "baseline", "human", "agent-0")
    assert {arm: len(trial.samples) for arm, trial in trials.items()} == dict.fromkeys(trials, TURNS - 1)
    assert {(trial.campaign, trial.round) for trial in trials.values()} == {("campaign", 3)}
    assert median(trials["baseline"].samples) > median(trials["human"].samples)
    assert work.overhead is not None
    assert 0 < work.overhead < median(trials["baseline"].samples)


FAILING = {
    "def work(n): return 0": Outcome.INCORRECT,
    "def work(n): return float(n * 199990000)": Outcome.INCORRECT,
    "def work(n): return None": Outcome.INCORRECT,
    "def work(n): return float('nan')": Outcome.INCORRECT,
    "def work(n): return [n * 199990000]": Outcome.INCORRECT,
    "import os\nos.abort()": Outcome.CRASHED,
    "raise ImportError('gone')": Outcome.CRASHED,
    "def work(n): raise ValueError('no')": Outcome.CRASHED,
}


WRONG = {text: outcome for text, outcome in FAILING.items() if outcome is Outcome.INCORRECT}


@pytest.mark.soak
@pytest.mark.parametrize(("code", "failing"), [(WORKLOAD, FAILING), (WORKLOAD + CHECK, WRONG)], ids=["compared", "checked"])
def test_a_patch_that_fails_is_told_from_one_that_is_wrong(bench, code, failing):
    agents = {f"agent-{index}": outcome for index, outcome in enumerate(failing.values())}
    place = bench(baseline=SLOW, human=FAST, **{f"agent_{index}": text for index, text in enumerate(failing)})
    trials = play(place, workload(code), "baseline", "human", *agents)
    assert {arm: trials[arm].failure.outcome for arm in agents} == agents
    assert all(trials[arm].failure.message for arm in agents)
    assert trials["human"].failure is None


@pytest.mark.soak
def test_an_endless_loop_times_out(bench, monkeypatch):
    monkeypatch.setattr(python, "HOPELESS_FLOOR", 0.5)
    place = bench(baseline=SLOW, human=FAST, agent_0="def work(n):\n    while True: pass")
    trials = play(place, workload(), "baseline", "human", "agent-0")
    assert trials["agent-0"].failure.outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize(
    ("human", "message"),
    [
        ("def work(n): return 1", "human itself is incorrect"),
        ("def work(n): raise ValueError('no')", "human itself is crashed"),
    ],
)
def test_a_human_that_fails_makes_the_task_not_evaluable(bench, human, message):
    with pytest.raises(NotEvaluableError, match=message):
        play(bench(baseline=SLOW, human=human), workload(), "baseline", "human")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def inputs(rng): return 1\nimport gone", "cannot load.*gone"),
        ("def inputs(rng): return object()\ndef run(n): return 1", "cannot inputs.*plain data"),
        ("def run(n): return 1", "cannot inputs.*inputs"),
        ("def inputs(rng): return 1", "answers are the reference, but it failed.*run"),
        (WORKLOAD + "\ndef check(n, answer, reference): assert False, 'never right'", "never right"),
    ],
)
def test_a_broken_workload_is_the_tasks_fault(bench, code, message):
    with pytest.raises(NotEvaluableError, match=f"(?s){message}"):
        play(bench(baseline=SLOW, human=FAST), workload(code), "baseline", "human")


@pytest.mark.soak
def test_an_answer_that_stalls_the_check_is_wrong_and_the_rest_goes_on(bench):
    code = WORKLOAD + "\ndef check(n, answer, reference):\n    import time\n    while answer != reference: time.sleep(1)\n"
    place = bench(baseline=SLOW, human=FAST, agent_0="def work(n): return 1", agent_1=FAST)
    trials = play(replace(place, timeout=1.5), workload(code), "baseline", "human", "agent-0", "agent-1")
    assert trials["agent-0"].failure.outcome is Outcome.INCORRECT
    assert trials["agent-1"].failure is None


def test_samples_are_sized_to_the_clock(bench):
    work = workload(calls=None)
    work.open(bench(baseline=SLOW, human=SLOW), ("baseline", "human"), "seed")
    assert work.sizing > 5


@pytest.mark.parametrize(
    ("times", "calls"),
    [
        ({"baseline": 0.001, "human": 0.001}, 25),
        ({"baseline": 0.001, "human": 0.0005}, 50),
        ({"baseline": 0.001, "human": 0.00001}, 100),
        ({"baseline": 0.5, "human": 0.5}, 1),
        ({"baseline": 0.5, "human": 0.001}, 1),
    ],
)
def test_the_fastest_arm_fills_a_sample_within_reason(times, calls):
    assert fitting_calls(times) == calls


def test_a_missing_workload_file_is_named(tmp_path):
    source = {"kind": "path", "base": "base", "human": "human"}
    record = {"id": "t", "source": source, "workload": {"kind": "python", "file": "gone.py"}}
    with pytest.raises(TaskError, match=r"gone\.py.*workload\.file"):
        ResidentWorkload(Task.model_validate(record), tmp_path)


def test_annotations_of_a_workload_are_what_it_makes_them(bench):
    code = WORKLOAD + "\ndef typed(n: int): pass\nassert typed.__annotations__ == {'n': int}\n"
    assert play(bench(baseline=SLOW, human=FAST), workload(code), "baseline", "human")["human"].samples
