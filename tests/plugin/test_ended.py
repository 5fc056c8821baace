"""Sessions that are told to end, or are killed, leave nothing running and lose nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from leftovers import still_running

from pytest_isobench.reports.reading import read_report

TASKS = 3
CONFTEST = """
import time
from pytest_isobench.sandboxes import fake

class Slowly(fake.FakeSupervisor):
    def turns(self, turns, *, timeout):
        time.sleep(0.02)
        return super().turns(turns, timeout=timeout)

fake.FakeSupervisor = Slowly
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three tasks for the fake sandbox, each with patches of several speeds."""
    records = []
    for index in range(TASKS):
        for arm, speed in (("base", 1.0), ("human", 1.5 + index / 10)):
            folder = tmp_path / f"t{index}" / arm
            folder.mkdir(parents=True)
            (folder / "fake.json").write_text(json.dumps({"speed": speed, "noise": 0.03}) + "\n")
        source = {"kind": "path", "base": f"t{index}/base", "human": f"t{index}/human"}
        workload = {"kind": "python", "code": "def inputs(rng): return 1\ndef run(x): return x", "calls": 1}
        records.append({"id": f"t{index}", "source": source, "workload": workload})
    (tmp_path / "tasks.json").write_text(json.dumps({"version": 1, "tasks": records}))
    (tmp_path / "pytest.ini").write_text("[pytest]\nisobench_tasks = tasks.json\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    return tmp_path


def session(project: Path, report: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start a session with a fixed seed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--isobench-sandbox=fake", "--isobench-seed=7"]
    agents = "--isobench-agent=human,nop,fake:1.3,fake:1.57,fake:crash"
    environment = {**os.environ, "ISOBENCH_CACHE": str(project / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [*command, agents, f"--isobench-report={report}", *options],
        cwd=project,
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(process: subprocess.Popen[bytes]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output.decode()
    return output.decode()


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running_or_lost(project, number):
    report = project / "report.json"
    process = session(project, report)
    time.sleep(2.0)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert still_running(family) == []
    finish(session(project, report, "--isobench-resume"))
    assert len(read_report(report).results) == 5 * TASKS
