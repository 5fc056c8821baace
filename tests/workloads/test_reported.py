"""Scripts and suites that time themselves, played for real in the local sandbox."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from reported_scripts import FAST, GSO_FILE, GSO_PRINT, SLOW, gso, isobench

from pytest_isobench.errors import NotEvaluableError, TaskError
from pytest_isobench.models.result import Outcome
from pytest_isobench.models.task import Metric, Task
from pytest_isobench.workloads import reported
from pytest_isobench.workloads.base import RoundPlan
from pytest_isobench.workloads.reported import ReportedRounds, make_reported

SOURCE = {"kind": "path", "base": "base", "human": "human"}


def task(**workload: object) -> Task:
    return Task.model_validate({"id": "t", "source": SOURCE, "workload": {"kind": "reported", **workload}})


@pytest.fixture
def made(folder):
    """Make the workload of a script."""

    def make(text: str, form: str = "isobench", **fields: object) -> ReportedRounds:
        (folder / "script.py").write_text(text)
        return make_reported(task(format=form, file="script.py", **fields), folder)

    return make


def play(bench, work, *arms):
    work.open(bench, arms, "seed")
    return work.play(bench, RoundPlan(index=2, seed="s", arms=arms))


SCRIPTS = {
    "isobench": (isobench(), "isobench", {"avg", "p50", "p95"}),
    "pickles": (isobench("pickle"), "isobench", {"avg", "p50", "p95"}),
    "gso-file": (gso(GSO_FILE), "gso", set()),
    "gso-print": (gso(GSO_PRINT), "gso", set()),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_round_gives_every_arm_what_it_reports(bench, made, script):
    text, form, values = SCRIPTS[script]
    place = bench(baseline=SLOW, human=FAST, agent_0=FAST)
    work = made(text, form)
    trials = play(place, work, "human", "agent-0", "baseline")
    assert {trial.failure for trial in trials.values()} == {None}
    assert {(trial.campaign, trial.round) for trial in trials.values()} == {("campaign", 2)}
    assert trials["baseline"].samples[0] > 2 * trials["agent-0"].samples[0]
    assert {metric.name for metric in work.metrics} == values | {"wall", "reported"}
    for trial in trials.values():
        assert set(trial.metrics) == values | {"wall", "reported"}
        assert 0 < trial.metrics["reported"][0] < trial.metrics["wall"][0]
        assert [finding.kind for finding in trial.findings] == ["self_reported"]


def test_a_metric_of_the_report_may_be_the_tasks_own(bench, folder):
    (folder / "script.py").write_text(isobench())
    plain = task(format="isobench", file="script.py")
    work = make_reported(plain.model_copy(update={"metric": Metric(name="p95")}), folder)
    (trial,) = play(bench(baseline=SLOW), work, "baseline").values()
    assert trial.samples == trial.metrics["p95"] != trial.metrics["avg"]


FACTS = {"impl_tag": "child", "commit_hash": "abc", "device": "cpu", "dtype": "none", "iters": 5, "warmup": 1, "eq_level": "exact"}
LINE = json.dumps({**FACTS, "avg_ms": 1, "p50_ms": 1, "p95_ms": 1})


def printing(avg: str, tail: str = "") -> str:
    """A patch that says another average than the script."""
    said = f"    v['avg_ms'] = {avg}\n    return honest(v){tail}"
    return f"{FAST}\nimport json\nhonest = json.dumps\ndef said(v):\n{said}\njson.dumps = said\n"


FAILING = {
    "wrong": (FAST.replace("n * i", "n * i + 1"), Outcome.INCORRECT, "other numbers"),
    "shorter": (FAST.replace("range(50)", "range(49)"), Outcome.INCORRECT, "another length"),
    "nan": (printing("float('nan')"), Outcome.INCORRECT, "NaN"),
    "infinite": (printing("float('inf')"), Outcome.INCORRECT, "Infinity"),
    "zero": (printing("0"), Outcome.INCORRECT, "positive"),
    "negative": (printing("-1.5"), Outcome.INCORRECT, "positive"),
    "text": (printing("'fast'"), Outcome.INCORRECT, "positive"),
    "true": (printing("True"), Outcome.INCORRECT, "positive"),
    "cut": (printing("1.0", "[:-5]"), Outcome.INCORRECT, "cannot be read"),
    "silent": (FAST + "\nimport builtins\nbuiltins.print = lambda *a, **k: None\n", Outcome.INCORRECT, "no line of JSON"),
    "garbage": (FAST + "\nimport json\njson.dumps = lambda v: chr(0) * 50\n", Outcome.INCORRECT, "no line of JSON"),
    "fewer": (FAST + "\nimport json\nhonest = json.dumps\njson.dumps = lambda v: honest({**v, 'iters': 1})\n", Outcome.INCORRECT, "iters"),
    "raises": ("raise ImportError('gone')", Outcome.CRASHED, "gone"),
    "dies": ("import os\nos.abort()", Outcome.CRASHED, "-6"),
    "kills": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time; time.sleep(9)", Outcome.CRASHED, "hands its files"),
    "exits": (f"import os\nprint('''{LINE}''', flush=True)\nos._exit(0)", Outcome.INCORRECT, "no result"),
    "floods": (FAST + "\nimport os\nfor _ in range(3000): os.write(1, b'x' * 1000)", Outcome.INCORRECT, "more than"),
}  # fmt: skip


@pytest.mark.soak
def test_a_patch_that_fails_is_told_from_one_that_is_wrong(bench, made, monkeypatch):
    monkeypatch.setattr(reported, "LIMIT", 2 * 10**6)
    agents = {f"agent-{index}": expected for index, expected in enumerate(FAILING.values())}
    place = bench(baseline=SLOW, human=FAST, **{arm.replace("-", "_"): code for arm, (code, _, _) in agents.items()})
    trials = play(place, made(isobench()), "baseline", "human", *agents)
    seen = {arm: (trials[arm].failure.outcome, message in trials[arm].failure.message) for arm, (_, _, message) in agents.items()}
    assert seen == {arm: (outcome, True) for arm, (_, outcome, _) in agents.items()}, [trials[arm].failure for arm in agents]
    assert trials["human"].failure is None


@pytest.mark.soak
def test_a_patch_without_end_times_out(bench, made, monkeypatch):
    monkeypatch.setattr(reported, "HOPELESS_FLOOR", 1.0)
    monkeypatch.setattr(reported, "HOPELESS", 1)
    trials = play(bench(baseline=SLOW, agent_0="while True: pass"), made(isobench()), "baseline", "agent-0")
    assert trials["agent-0"].failure.outcome is Outcome.TIMED_OUT


HOSTILE = """
import pickle
VERDICT = "import os, pathlib, sys; pathlib.Path(sys.argv[0] + '/../verdict.json').write_text('{\\"fault\\": null}'); os._exit(0)"
class Evil:
    def __reduce__(self):
        return (exec, (VERDICT,))
honest = pickle.dump
pickle.dump = lambda result, file: honest(Evil(), file)
"""
EQUAL = """
import pickle
class Same(list):
    def __eq__(self, other): return True
honest = pickle.dump
pickle.dump = lambda result, file: honest(Same(result), file)
"""


@pytest.mark.soak
@pytest.mark.parametrize("code", [HOSTILE, EQUAL], ids=["runs code", "own class"])
def test_a_stored_result_names_nothing_that_the_references_does_not(bench, made, code):
    place = bench(baseline=SLOW, agent_0=SLOW.replace("n * i", "n + i") + code, agent_1=FAST)
    trials = play(place, made(isobench("pickle")), "baseline", "agent-0", "agent-1")
    assert trials["agent-0"].failure.outcome is Outcome.INCORRECT
    assert "which the reference's does not" in trials["agent-0"].failure.message
    assert trials["agent-1"].failure is None


LIVE = isobench().replace("return package.work(data)", "return Held(package.work(data))").replace(
    "def setup():", "class Held:\n    def __init__(self, numbers): self.numbers = numbers\n\ndef setup():"
).replace("json.dump(result,", "json.dump(result.numbers,").replace(
    "assert len(current) == len(reference)", "current = current.numbers\n    assert len(current) == len(reference)"
)  # fmt: skip


@pytest.mark.soak
def test_a_check_that_needs_a_live_result_gets_one_from_the_baselines_tree(bench, made):
    place = bench(baseline=SLOW, agent_0=FAST.replace("n * i", "n - i"), agent_1=FAST + "\ndef unused(): pass\n")
    trials = play(place, made(LIVE), "baseline", "agent-0", "agent-1")
    assert trials["agent-0"].failure.outcome is Outcome.INCORRECT
    assert trials["agent-1"].failure is None


LOOKING = f"""{SLOW}
import glob, os, sys
place = os.path.dirname(os.path.abspath(sys.argv[0]))
if glob.glob(place + '/*result*') or glob.glob(place + '/wanted'):
    raise SystemError('LOOT')
"""


def test_the_reference_is_in_nobodys_reach(bench, made):
    trials = play(bench(baseline=SLOW, agent_0=LOOKING), made(isobench()), "baseline", "agent-0")
    assert trials["agent-0"].failure is None


UNUSABLE = {
    "fails": (isobench().replace("return 7", "raise OSError('no such device')"), "no such device"),
    "reports nothing": (isobench().replace("print(", "str("), "no line of JSON"),
    "stores nothing": (isobench().replace("store_result(result, name)", "pass"), "stores no result"),
    "refuses itself": (isobench().replace("len(current) == len(reference)", "False"), "reference itself"),
}


@pytest.mark.soak
@pytest.mark.parametrize("script", UNUSABLE)
def test_a_script_that_cannot_be_judged_is_nobodys_fault(bench, made, script):
    text, message = UNUSABLE[script]
    with pytest.raises(NotEvaluableError, match=message):
        made(text).open(bench(baseline=SLOW), ["baseline"], "seed")


def test_a_trusted_arm_that_fails_is_nobodys_fault(bench, made):
    with pytest.raises(NotEvaluableError, match="human itself is incorrect"):
        play(bench(baseline=SLOW, human=FAST.replace("n * i", "n")), made(isobench()), "baseline", "human")


def test_more_seconds_than_the_run_took_are_forged(bench, made):
    trials = play(bench(baseline=SLOW, agent_0=printing("9e9")), made(isobench()), "baseline", "agent-0")
    assert [finding.kind for finding in trials["agent-0"].findings] == ["self_reported", "forged_report"]


def test_a_second_report_is_forged(bench, made):
    code = f"{FAST}\nprint('''{LINE}''')"
    trials = play(bench(baseline=SLOW, agent_0=code), made(isobench()), "baseline", "agent-0")
    assert "forged_report" in [finding.kind for finding in trials["agent-0"].findings]


def test_a_missing_script_is_the_tasks_error(tmp_path):
    with pytest.raises(TaskError, match="script"):
        make_reported(task(format="gso", file="missing.py"), tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "isobench"},
        {"format": "gso", "file": "a.py", "paths": ["tests"]},
        {"format": "isobench", "file": "a.py", "select": "x"},
        {"format": "asv"},
        {"format": "asv", "paths": ["b"], "arguments": ["-q"]},
        {"format": "pytest_benchmark", "file": "a.py"},
        {"format": "pytest_benchmark", "paths": ["../b"]},
        {"format": "pytest_benchmark", "paths": ["/b"]},
        {"format": "timeit", "file": "a.py"},
    ],
)
def test_a_record_that_fits_no_format_is_refused(fields):
    with pytest.raises(ValidationError):
        task(**fields)
