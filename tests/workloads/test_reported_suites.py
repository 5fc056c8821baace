"""Suites of benchmarks in the tree: pytest-benchmark's, and classes in the style of asv."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.models.result import Outcome
from pytest_isobench.models.task import Environment, Task
from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.workloads.base import Bench, RoundPlan
from pytest_isobench.workloads.fetched import LIMIT, Fetched
from pytest_isobench.workloads.formats.base import BadReportError
from pytest_isobench.workloads.formats.suites import AsvFormat, PytestBenchmarkFormat
from pytest_isobench.workloads.reported import ReportedRounds, make_reported

SLOW = "def work(n):\n    return sum(i * n for i in range(20000))\n"
FAST = "def work(n):\n    return n * 199990000\n"
ASV = """
import package

def time_plain():
    package.work(3)

class Work:
    params = [[2, 3], ["a"]]
    param_names = ["n", "letter"]

    def setup(self, n, letter):
        if n == 5:
            raise NotImplementedError
        self.n = n

    def time_it(self, n, letter):
        assert self.n == n
        package.work(n)

    def track_size(self, n, letter):
        return n

class Cached:
    number, repeat = 2, 3

    def setup_cache(self):
        return {"n": 4}

    def time_from_cache(self, cache):
        package.work(cache["n"])
"""
NAMES = {"benchmarks.speed.time_plain", "benchmarks.speed.Work.time_it(2, 'a')", "benchmarks.speed.Work.time_it(3, 'a')"}
CACHED = "benchmarks.speed.Cached.time_from_cache"
PYTEST = """
import package
import pytest

@pytest.mark.parametrize("n", [2, 3])
def test_work(benchmark, n):
    assert benchmark.pedantic(package.work, args=(n,), rounds=5, iterations=4) == n * 199990000

def test_no_benchmark():
    raise SystemError("not among them")
"""


def workload(**fields: object) -> ReportedRounds:
    source = {"kind": "path", "base": "base", "human": "human"}
    record = {"id": "t", "source": source, "workload": {"kind": "reported", **fields}}
    return make_reported(Task.model_validate(record), None)  # type: ignore[arg-type]


@pytest.fixture
def suite(tmp_path, environment):
    """Make a bench whose arms hold a suite beside the package; an agent's files may differ in both."""
    with LocalProvider().open() as sandbox:

        def place(name: str, text: str, arms: dict[str, dict[str, str]], built: BuiltEnvironment = environment) -> Bench:
            for arm, files in {"oracle": arms["baseline"], **arms}.items():
                for path, content in {name: text, **files}.items():
                    (tmp_path / arm / path).parent.mkdir(parents=True, exist_ok=True)
                    (tmp_path / arm / path).write_text(content)
                sandbox.add(arm, Version(label=arm, tree=tmp_path / arm, environment=built, digest=arm), Environment())
            return Bench(sandbox=sandbox, campaign="campaign", cores=(0,), timeout=60)

        yield place


def play(bench, work, *arms):
    work.open(bench, arms, "seed")
    return work.play(bench, RoundPlan(index=0, seed="s", arms=arms))


@pytest.mark.soak
def test_asv_benchmarks_are_found_and_timed(suite):
    arms = {"baseline": {"package.py": SLOW}, "agent": {"package.py": FAST}}
    work = workload(format="asv", paths=["benchmarks"])
    trials = play(suite("benchmarks/speed.py", ASV, arms), work, "baseline", "agent")
    assert {metric.name for metric in work.metrics} == NAMES | {CACHED, "wall", "reported"}
    for name in NAMES:
        assert trials["baseline"].metrics[name][0] > 10 * trials["agent"].metrics[name][0]
    assert trials["baseline"].samples[0] > 10 * trials["agent"].samples[0]
    assert trials["agent"].metrics["reported"] < trials["agent"].metrics["wall"]


def test_some_of_a_suite_may_be_selected(suite):
    work = workload(format="asv", paths=["benchmarks/speed.py"], select="Cached|plain")
    work.open(suite("benchmarks/speed.py", ASV, {"baseline": {"package.py": SLOW}}), ["baseline"], "seed")
    assert {metric.name for metric in work.metrics} == {"benchmarks.speed.time_plain", CACHED, "wall", "reported"}


FAILING = {
    "raises": ("def work(n): raise ValueError('no such number')", Outcome.CRASHED, "no such number"),
    "skips": ("def work(n): raise NotImplementedError", Outcome.INCORRECT, "reports no"),
    "exits": ("import os; os._exit(0)", Outcome.INCORRECT, "no report"),
}


@pytest.mark.soak
def test_a_suite_comes_from_the_baseline_and_must_come_to_its_end(suite):
    arms = {name: {"package.py": code} for name, (code, _, _) in FAILING.items()}
    arms |= {"baseline": {"package.py": SLOW}, "changes": {"package.py": SLOW, "benchmarks/speed.py": "raise SystemError"}}
    trials = play(suite("benchmarks/speed.py", ASV, arms), workload(format="asv", paths=["benchmarks"]), *arms)
    assert {name: trials[name].failure.outcome for name in FAILING} == {name: outcome for name, (_, outcome, _) in FAILING.items()}
    for name, (_, _, message) in FAILING.items():
        assert message in trials[name].failure.message
    assert trials["changes"].failure is None


@pytest.mark.parametrize(("path", "text"), [("elsewhere", ASV), ("benchmarks", "def work(): pass\n")], ids=["missing", "empty"])
def test_a_suite_that_is_not_there_is_the_tasks_fault(suite, path, text):
    with pytest.raises(NotEvaluableError):
        workload(format="asv", paths=[path]).open(suite("benchmarks/speed.py", text, {"baseline": {"package.py": SLOW}}), ["baseline"], "s")


def test_a_suite_that_is_too_large_is_the_tasks_fault(suite, tmp_path):
    (tmp_path / "baseline/benchmarks").mkdir(parents=True)
    (tmp_path / "oracle/benchmarks").mkdir(parents=True)
    (tmp_path / "oracle/benchmarks/table.bin").write_bytes(bytes(LIMIT + 1))
    place = suite("benchmarks/speed.py", ASV, {"baseline": {"package.py": SLOW}})
    with pytest.raises(NotEvaluableError, match=r"table\.bin"):
        workload(format="asv", paths=["benchmarks"]).open(place, ["baseline"], "s")


def stats(**changes: object) -> dict[str, object]:
    return {"median": 0.5, "total": 2.0, "iterations": 3, **changes}


def read(report: object, form: type = PytestBenchmarkFormat):
    made = form(workload(format="pytest_benchmark", paths=["b"])._task.workload, None)
    files = {} if report is None else {"report.json": report if isinstance(report, bytes) else json.dumps(report).encode()}
    return made.read(Fetched(returncode=0, wall=1.0, files=files))


def test_one_time_stands_for_several_benchmarks():
    report = read({"benchmarks": [{"fullname": "a", "stats": stats()}, {"fullname": "b", "stats": stats(median=2.0)}]})
    assert (report.primary, dict(report.values), report.total) == (pytest.approx(1.0), {"a": 0.5, "b": 2.0}, 12.0)


LISTS = [[], [1], [{"fullname": "a"}], {}]
BROKEN = [None, b"", b"{", b"[1]", b'{"benchmarks": [NaN]}', {}, *({"benchmarks": one} for one in LISTS)]
WRONG = [stats(median=value) for value in (0, -1, None, "1", True, 10**30)] + [stats(total=0), {"median": 1.0}, stats(iterations="3")]


@pytest.mark.parametrize("report", [*BROKEN, *({"benchmarks": [{"fullname": "a", "stats": one}]} for one in WRONG)], ids=repr)
def test_a_broken_report_is_refused(report):
    with pytest.raises(BadReportError):
        read(report)


BROKEN_ASV = [b"{}", b"[]", b'{"a": 1}', b'{"a": {"median": 1.0}}', b'{"a": {"median": Infinity, "total": 1}}']


@pytest.mark.parametrize("report", BROKEN_ASV, ids=repr)
def test_a_broken_report_of_asv_style_is_refused(report):
    with pytest.raises(BadReportError):
        read(report, AsvFormat)


@pytest.fixture(scope="module")
def with_pytest(tmp_path_factory) -> BuiltEnvironment:
    path = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(path)], check=True)
    install = [path / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest-benchmark==5.3.1"]
    subprocess.run(list(map(str, install)), check=True)
    return BuiltEnvironment(path=path, digest="with-pytest")


@pytest.mark.network
def test_pytest_benchmark_is_run_and_read(suite, with_pytest):
    arms = {
        "baseline": {"package.py": SLOW},
        "agent": {"package.py": FAST, "tests/conftest.py": "raise SystemError", "pytest.ini": "[pytest]\naddopts = --no-such\n"},
        "wrong": {"package.py": FAST.replace("n *", "n +")},
        "broken": {"package.py": "raise SystemError('gone')"},
    }
    work = workload(format="pytest_benchmark", paths=["tests"])
    place = suite("tests/test_speed.py", PYTEST, arms, with_pytest)
    trials = play(place, work, *arms)
    assert {metric.name for metric in work.metrics} == {f"tests/test_speed.py::test_work[{n}]" for n in (2, 3)} | {"wall", "reported"}
    assert trials["baseline"].samples[0] > 10 * trials["agent"].samples[0]
    assert trials["agent"].failure is None
    assert trials["wrong"].failure.outcome is Outcome.INCORRECT
    assert "1 failed" in trials["wrong"].failure.message or "2 failed" in trials["wrong"].failure.message
    assert trials["broken"].failure.outcome is Outcome.CRASHED
    selected = workload(format="pytest_benchmark", paths=["tests/test_speed.py"], select="2")
    assert len(play(place, selected, "baseline")["baseline"].metrics) == 3
    with pytest.raises(NotEvaluableError):
        workload(format="pytest_benchmark", paths=["tests"], select="nothing").open(place, ["baseline"], "seed")
