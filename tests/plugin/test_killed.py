"""Sessions that are killed: nothing finished is lost, nothing is left running, and a resumed one ends with the same report."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from leftovers import still_running

COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:anyio", "--isobench-seed=5"]
AGENTS = "--isobench-agent=human,nop,fake:1.7,fake:crash"


def start(project, *arguments):
    """Start a session that nobody waits for."""
    command = [*COMMAND, AGENTS, *arguments]
    return subprocess.Popen(command, cwd=project.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def finish(project, name, *arguments):
    """Run a session to its end; return the results without what differs from run to run."""
    report = project.path / "reports" / f"{name}.json"
    done = subprocess.run([*COMMAND, AGENTS, f"--isobench-report={report}", *arguments], cwd=project.path, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    report = json.loads(report.read_text())
    assert report["complete"]
    assert report["refused"] == []
    varying = ("seconds", "started", "journal", "resumed", "machine")
    return {row["case"]: {name: value for name, value in row.items() if name not in varying} for row in report["results"]}


def kill_at(project, moments, *arguments):
    """Kill a session, and each one that goes on with its work, after that many seconds."""
    for moment in moments:
        session = start(project, "--isobench-resume", *arguments)
        time.sleep(moment)
        children = psutil.Process(session.pid).children(recursive=True)
        session.kill()
        session.wait()
        assert still_running(children) == []


def whole_run(project):
    """Return an unkilled session's results, and how many seconds it took."""
    project.tree("base", speed=1.0, noise=0.01)
    begin = time.monotonic()
    expected = finish(project, "whole")
    seconds = time.monotonic() - begin
    forget(project)
    return expected, seconds


def forget(project):
    """Remove what earlier sessions have measured."""
    for journal in (project.path / "reports" / "journal").glob("*/*.jsonl"):
        journal.unlink()


def test_a_killed_session_leaves_no_worker(project):
    project.pytester.makeconftest("""
        import time

        def pytest_isobench_make_patch(config):
            (config.rootpath / "busy").touch()
            time.sleep(60)
    """)
    session = start(project, "-n1")
    deadline = time.monotonic() + 60
    while not (project.path / "busy").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = psutil.Process(session.pid).children(recursive=True)
    assert workers
    session.send_signal(signal.SIGKILL)
    session.wait()
    assert still_running(workers) == []


@pytest.mark.soak
@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["alone", "workers"])
def test_sessions_killed_at_random_moments(project, arguments):
    expected, seconds = whole_run(project)
    draw = random.Random(20)
    for _ in range(25):
        kill_at(project, [draw.uniform(0.3, 1.0) * seconds for _ in range(draw.randint(1, 2))], *arguments)
        assert finish(project, "resumed", "--isobench-resume", *arguments) == expected
        forget(project)
