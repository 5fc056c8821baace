"""The report, the summary, JUnit properties, and how a session's own options show."""

from __future__ import annotations

import json
import os
from xml.etree import ElementTree

import pytest

from pytest_isobench.models.result import Report


def test_the_report_is_whole(project):
    project.run("--isobench-agent=human,fake:crash")
    report = Report.model_validate(project.report())
    assert report.complete
    assert [result.case for result in report.results] == ["sort:human:0", "sort:fake-crash:0", "scan:human:0", "scan:fake-crash:0"]
    assert report.totals.hard_success.successes == 2
    [first, *_] = report.results
    assert (first.agent, first.attempt, first.repo, first.isolation.sandbox) == ("human", 0, "acme/sorter", "fake")
    assert first.journal.startswith(str(project.path / "reports" / "journal"))


def test_results_are_streamed_beside_the_report(project):
    project.run("--isobench-agent=human", "--isobench-report=out/run.json")
    lines = [json.loads(line) for line in (project.path / "out" / "run.jsonl").read_text().splitlines()]
    assert [next(iter(line)) for line in lines] == ["session", "result", "result", "end"]


def test_a_session_that_is_stopped_early_says_so(project):
    result = project.run("--isobench-agent=nop", "-x")
    result.assert_outcomes(failed=1)
    assert not project.report()["complete"]
    assert list(project.outcomes()) == ["sort:nop:0"]


def test_interrupting_keeps_what_was_measured(project):
    project.pytester.makepyfile(test_stop="import pytest\n\ndef test_stop(): pytest.exit('enough')")
    result = project.run("--isobench-agent=human", "tasks", "test_stop.py")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert not project.report()["complete"]
    assert project.outcomes() == {"sort:human:0": "matches", "scan:human:0": "matches"}


def test_the_summary_is_a_table_with_totals(project):
    result = project.run("--isobench-agent=human,nop")
    result.stdout.fnmatch_lines(["*== isobench ==*", "*sort*", "*human*matches*", "*nop*slower*", "*Hard Success*", "report: *.json"])


@pytest.mark.parametrize("width", [80, 160])
def test_no_line_is_wider_than_the_terminal(project, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = project.run("--isobench-agent=human,nop,fake:crash,fake:wrong").stdout.lines
    start = next(index for index, line in enumerate(lines) if "== isobench ==" in line)
    end = next(index for index, line in enumerate(lines) if line.startswith("report: "))
    assert max(len(line) for line in lines[start:end]) <= width


def test_quietness(project):
    quiet = project.run("--isobench-agent=human", "-q").stdout
    quiet.no_fnmatch_line("isobench: human*")
    assert "isobench" in quiet.str()
    assert "isobench" not in project.run("--isobench-agent=human", "-qq").stdout.str()


def test_verbosity_shows_verdicts(project):
    project.patch("coder", "sort", 1.0)
    result = project.run("--isobench-agent=human,coder", "-v")
    result.stdout.fnmatch_lines([
        "*test_speedup?sort:human:0? PASSED (matches)*",
        "*test_speedup?sort:coder:0? FAILED (slower)*",
        "*test_speedup?scan:human:0? PASSED (matches)*",
        "*test_speedup?scan:coder:0? SKIPPED (no patch:*",
    ])


def test_junit_tells_agent_verdict_and_speedup(project):
    project.run("--isobench-agent=human,fake:crash,fake:machine", "-k", "sort and not machine", "--junitxml=out.xml")
    properties = [
        {item.get("name"): item.get("value") for item in case.iter("property")}
        for case in ElementTree.parse(project.path / "out.xml").iter("testcase")
    ]
    assert [found["agent"] for found in properties] == ["human", "fake-crash"]
    assert [found["verdict"] for found in properties] == ["matches", "crashed"]
    assert float(properties[0]["speedup"]) == pytest.approx(2.0, rel=0.02)
    assert float(properties[0]["speedup_vs_human"]) == pytest.approx(1.0, rel=0.02)
    assert "speedup" not in properties[1]


def test_last_failed_runs_again_what_failed(project):
    project.run("--isobench-agent=human,nop")
    result = project.run("--isobench-agent=human,nop", "--lf")
    result.assert_outcomes(failed=2)
    assert list(project.outcomes()) == ["sort:nop:0", "scan:nop:0"]


def test_durations_show_the_measuring(project):
    project.run("--isobench-agent=human", "--durations=3", "--durations-min=0").stdout.fnmatch_lines(["*s setup *test_speedup?s*"])


def test_without_xdist_everything_works(project):
    project.run("--isobench-agent=human", "-p", "no:xdist").assert_outcomes(passed=2)


def test_without_the_plugin_s_own_suite_other_tests_have_no_results(project):
    project.pytester.makepyfile(test_other="def test_other(): pass")
    project.run("--isobench-agent=human", "test_other.py").assert_outcomes(passed=1)
    assert project.report()["results"] == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_a_usage_error(project):
    (project.path / "reports").mkdir(mode=0o500)
    result = project.run("--isobench-agent=human")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_report_that_cannot_be_is_a_usage_error(project):
    (project.path / "file").write_text("")
    result = project.run("--isobench-agent=human", "--isobench-report=file/report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: */file/journal/seed: cannot be used:*"])


BREAK = """
    import os

    def pytest_isobench_result(config, result):
        for file in (config.rootpath / "reports").glob("*.jsonl"):
            file.unlink()
"""


def test_a_disk_that_refuses_stops_the_session_and_is_named(project):
    project.pytester.makeconftest(BREAK)
    result = project.run("--isobench-agent=human,nop,fake:3")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    reason = "*.jsonl: was removed while the run was writing to it"
    result.stdout.fnmatch_lines([f"not written to its end: {reason}", "*the report cannot be written*"])
    assert sum(result.parseoutcomes().get(name, 0) for name in ("passed", "failed")) == 2


def test_a_resumed_session_measures_nothing_twice(project):
    project.run("--isobench-agent=human,nop")
    first = project.report()
    project.run("--isobench-agent=human,nop", "--isobench-resume").assert_outcomes(passed=2, failed=2)
    second = project.report()
    assert all(row["resumed"] for row in second["results"])
    assert [row["comparison"] for row in second["results"]] == [row["comparison"] for row in first["results"]]
    project.run("--isobench-agent=human,nop")
    assert not any(row["resumed"] for row in project.report()["results"])


def test_a_changed_patch_is_measured_anew(project):
    project.patch("coder", "sort", 2.0)
    project.run("--isobench-agent=coder", "-k", "sort")
    project.patch("coder", "sort", 1.0)
    project.run("--isobench-agent=coder", "-k", "sort", "--isobench-resume")
    assert project.outcomes() == {"sort:coder:0": "slower"}
    assert not project.report()["results"][0]["resumed"]
