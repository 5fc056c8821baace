"""The same with workers."""

from __future__ import annotations

import json

import pytest

from pytest_isobench.plugin.cases import shard_of

pytest.importorskip("xdist")


WHERE = """
    import json

    def pytest_runtest_logreport(report):
        if report.when == "call" and hasattr(report, "worker_id"):
            with open("where.jsonl", "a") as file:
                file.write(json.dumps([report.nodeid.split("[")[1].split(":")[0], report.worker_id]) + "\\n")
"""


@pytest.mark.soak
def test_workers_share_the_tasks_and_each_stays_whole(project):
    project.pytester.makeconftest(WHERE)
    project.pytester.makepyfile("def test_other(): pass")
    project.tasks({"id": "more"}, file="elsewhere/more.yaml")
    (project.path / "pytest.ini").write_text("[pytest]\ntestpaths = .\nisobench_sandbox = fake\n")
    project.patch("coder", "sort", 2.0)
    result = project.run("--isobench-agent=human,nop,coder", "--isobench-dataset=elsewhere", "-n2", "-v", "--dist=worksteal")
    result.assert_outcomes(passed=4, failed=3, skipped=2)
    result.stdout.fnmatch_lines(["*PASSED (matches)*"])
    assert len(project.outcomes()) == 9
    assert project.report()["complete"]
    where = {tuple(json.loads(line)) for line in (project.path / "where.jsonl").read_text().splitlines()}
    assert sorted(task for task, _ in where) == ["more", "scan", "sort"]
    assert {worker for _, worker in where} == {"gw0", "gw1"}


@pytest.mark.versions
def test_the_longest_task_of_an_earlier_run_goes_first(project):
    project.pytester.makeconftest(WHERE)
    project.tree("slow", speed=2.0, seconds=0.2)
    long = {"id": "long", "source": {"kind": "path", "base": "../trees/base", "human": "../trees/slow"}}
    project.tasks({"id": "first"}, {"id": "second"}, long)
    project.run("--isobench-agent=nop,human").assert_outcomes(passed=3, failed=3)
    project.run("--isobench-agent=nop,human", "-n1").assert_outcomes(passed=3, failed=3)
    order = [json.loads(line)[0] for line in (project.path / "where.jsonl").read_text().splitlines()]
    assert order[0] == "long"


FIXTURES = """
    import os
    import pytest

    def note(text):
        with open(os.path.join(os.path.dirname(__file__), "notes.txt"), "a") as file:
            file.write(f"{os.environ.get('PYTEST_XDIST_WORKER')} {text}\\n")

    @pytest.fixture(scope="session", autouse=True)
    def whole():
        note("whole begins")
        yield
        note("whole ends")

    @pytest.fixture(autouse=True)
    def each(request):
        yield
        note(f"end {request.node.name}")
"""


def test_fixtures_are_torn_down_when_their_scope_ends_and_each_test_runs_once(project):
    project.pytester.makeconftest(FIXTURES)
    project.pytester.makepyfile(test_other="def test_other(): pass")
    project.run("--isobench-agent=human,nop", "tasks", "test_other.py", "-n1").assert_outcomes(passed=3, failed=2)
    notes = [line.removeprefix("gw0 ") for line in (project.path / "notes.txt").read_text().splitlines()]
    assert notes == [
        "whole begins",
        "end test_speedup[sort:human:0]",
        "end test_speedup[sort:nop:0]",
        "end test_speedup[scan:human:0]",
        "end test_speedup[scan:nop:0]",
        "end test_other",
        "whole ends",
    ]


DIE = """
    import os
    from pytest_isobench.agents.base import Submission

    def pytest_isobench_make_patch(config, case):
        if case.agent == "fake-3" and case.stub.id == "sort":
            if not os.path.exists(config.rootpath / "died"):
                (config.rootpath / "died").touch()
                os._exit(9)
"""


@pytest.mark.soak
def test_the_death_of_a_worker_is_an_error_and_loses_nothing_else(project):
    project.pytester.makeconftest(DIE)
    result = project.run("--isobench-agent=human,nop,fake:3", "-n2")
    result.assert_outcomes(passed=3, failed=2, errors=1)
    rows = {row["case"]: row for row in project.report()["results"]}
    assert len(rows) == 6
    [died] = [row for row in rows.values() if row["failure"]]
    assert (died["case"], died["failure"]["kind"], died["verdict"]) == ("sort:human:0", "WorkerDied", None)
    assert project.outcomes()["sort:fake-3:0"] == "beats"


@pytest.mark.soak
def test_a_disk_that_refuses_stops_the_workers(project):
    project.pytester.makeconftest("""
        def pytest_isobench_result(config, result):
            for file in (config.rootpath / "reports").glob("*.jsonl"):
                file.unlink()
    """)
    project.tasks(*({"id": f"task-{number}"} for number in range(8)))
    result = project.run("--isobench-agent=human", "--tx=2*popen", "--dist=load")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert 2 <= result.parseoutcomes()["passed"] <= 6
    result.stdout.fnmatch_lines(["not written to its end: *"])


@pytest.mark.versions
def test_the_first_failure_stops_the_workers(project):
    project.tasks(*({"id": f"task-{number}"} for number in range(8)))
    result = project.run("--isobench-agent=nop", "-n1", "-x")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.assert_outcomes(failed=1)
    assert not project.report()["complete"]


@pytest.mark.versions
def test_deselection_says_why_with_workers(project):
    part = shard_of("sort", 2)
    result = project.run("--isobench-agent=human", f"--isobench-shard={part}/2", "-n1")
    assert "sort:human:0" in project.outcomes()
    left_out = 2 - len(project.outcomes())
    result.stdout.fnmatch_lines([f"deselected: {left_out} by --isobench-shard={part}/2"] if left_out else ["*2 passed*"])


def test_broken_options_are_shown_once(project):
    result = project.run("--isobench-agent=humam", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stderr.str().count("there is no such agent") == 1


@pytest.mark.versions
def test_each_worker_may_run_everything(project):
    project.run("--isobench-agent=human", "--tx=1*popen", "--dist=each").assert_outcomes(passed=2)


def test_without_agents_xdist_is_left_alone(project):
    project.pytester.makepyfile("def test_other(): pass")
    project.run("-n1").assert_outcomes(passed=1)


def test_a_dry_run_starts_no_worker(project):
    result = project.run("--isobench-agent=human", "-n2", "--isobench-dry-run")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["2 cases of 2 tasks would run"])
