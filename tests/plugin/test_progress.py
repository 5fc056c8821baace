"""Live progress: on a terminal only, below pytest's own line, and gone at the end."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
import types

import pytest

from pytest_isobench.models.result import Estimate
from pytest_isobench.plugin import progress
from pytest_isobench.plugin.progress import WorkerLine, WorkersWatch, round_text, time_left, write_below

ESTIMATE = Estimate(ratio=1.9512, low=1.9, high=2.0, confidence=0.95, rounds=9, sd=0.01, method="signed_rank")
SHOWN = re.compile(re.escape(progress.BELOW) + "(.*?)" + re.escape(progress.BACK), re.DOTALL)


@pytest.mark.parametrize(("estimates", "left", "text"), [
    ({}, None, "sort: round 3/30"),
    ({"human": ESTIMATE}, 12.2, "sort: round 3/30 · 12 s left · human x1.95 of base"),
    ({"human": ESTIMATE, "sort:nop:0": ESTIMATE, "sort:coder:1": ESTIMATE}, 600.0,
     "sort: round 3/30 · 10 min left · human x1.95 of base · of human: nop x1.95, coder:1 x1.95"),
])  # fmt: skip
def test_a_round_in_words(estimates, left, text):
    assert round_text("sort", 3, 30, estimates, left) == text.replace("x1", "\N{MULTIPLICATION SIGN}1")


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (99, "99 s"), (100, "2 min"), (3600, "60 min")])
def test_time_left(seconds, text):
    assert time_left(seconds) == text


def test_a_line_is_cut_to_the_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys, "__stdout__", sys.stdout)
    monkeypatch.setenv("COLUMNS", "20")
    write_below("x" * 50)
    assert SHOWN.findall(capsys.readouterr().out) == ["x" * 19]


def test_rounds_are_shown_now_and_then_and_phases_always(tmp_path, monkeypatch):
    lines = []
    line = WorkerLine(tmp_path, {"workerid": "gw0"})
    monkeypatch.setattr(line, "show", lines.append)
    line.phase("sort", "fetching")
    for number in range(50):
        line.round("sort", number, 50, {}, None)
    line.phase("sort", "judging")
    line.done("sort")
    assert lines == ["sort: fetching", "sort: round 0/50", "sort: judging", ""]


def test_the_controller_shows_its_workers_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "__stdout__", sys.stdout)
    monkeypatch.setattr(progress, "LOOK", 0.01)
    folder = tmp_path / "progress"
    for name in ("gw1", "gw0", "gw2"):
        WorkerLine(folder, {"workerid": name}).phase("sort", f"fetching {name}")
    WorkerLine(folder, {"workerid": "gw2"}).done("sort")
    watch = WorkersWatch(folder)
    expected = "gw0 sort: fetching gw0 · gw1 sort: fetching gw1"
    assert watch.text() == expected
    time.sleep(0.1)
    watch.close()
    shown = SHOWN.findall(capsys.readouterr().out)
    assert (shown[0], shown[-1]) == (expected, "")
    assert not folder.exists()


def on_terminal(project, *arguments, **variables):
    """Run pytest in a terminal; return what it shows."""
    controller, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"TERM": "xterm", "COLUMNS": "120"} | variables
    command = [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", *arguments]
    process = subprocess.Popen(command, cwd=project.path, stdout=terminal, stderr=terminal, stdin=terminal, env=environment)
    os.close(terminal)
    shown = b""
    while True:
        try:
            data = os.read(controller, 65536)
        except OSError:
            break
        shown += data
    os.close(controller)
    assert process.wait() in (0, 1)
    return shown.decode()


@pytest.mark.soak
@pytest.mark.parametrize("capture", ["fd", "no"])
def test_a_terminal_shows_progress_and_keeps_none_of_it(project, capture):
    shown = on_terminal(project, "--isobench-agent=human,nop", f"--capture={capture}")
    lines = SHOWN.findall(shown)
    assert "sort: measuring" in lines
    assert any(line.startswith("scan: round ") for line in lines)
    assert lines[-1] == "", "the line is empty in the end"
    assert "measuring" not in SHOWN.sub("", shown)
    assert "isobench: human, nop" in shown


def test_nobody_watching_sees_none(project):
    assert SHOWN.findall(on_terminal(project, "--isobench-agent=human", "-q")) == []


@pytest.mark.parametrize(("variables", "terminal", "watched"), [
    ({"TERM": "xterm"}, True, True),
    ({"TERM": "xterm"}, False, False),
    ({"TERM": "xterm", "CI": "true"}, True, False),
    ({"TERM": "dumb"}, True, False),
    ({}, True, False),
])  # fmt: skip
def test_who_is_taken_to_be_watching(pytestconfig, monkeypatch, variables, terminal, watched):
    for name in ("TERM", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "__stdout__", types.SimpleNamespace(isatty=lambda: terminal))
    monkeypatch.setattr(pytestconfig.option, "verbose", 0)
    assert progress.is_watched(pytestconfig) is watched


@pytest.mark.soak
def test_workers_progress_is_shown_together(project, monkeypatch):
    project.pytester.makeconftest("""
        import time
        from pytest_isobench.plugin import progress

        progress.LOOK = 0.05

        def pytest_isobench_judge(task, comparison):
            time.sleep(0.3)
    """)
    lines = SHOWN.findall(on_terminal(project, "--isobench-agent=human", "-k", "sort", "-n1"))
    assert any(re.match(r"gw0 sort: ", line) for line in lines)
    assert lines[-1] == ""


def test_a_log_holds_none(project):
    assert "\x1b" not in project.run("--isobench-agent=human").stdout.str()
