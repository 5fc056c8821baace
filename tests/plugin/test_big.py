"""Data sets of ten thousand tasks."""

from __future__ import annotations

import json
import os
import sys

import pytest

RECORDS, BODY = 10_000, 24 * 1024
BARE = """
import pytest

@pytest.mark.parametrize("case", [pytest.param(index, id=f"task-{index:05}:human:0") for index in range(RECORDS)])
def test_speedup(case):
    pass
"""


def collect(folder, *arguments):
    """Collect in a process of its own; return its CPU seconds and its largest size in KiB."""
    without = [f"-pno:{name}" for name in ("hypothesispytest", "anyio", "xdist")]
    command = [sys.executable, "-m", "pytest", "--co", "-qq", *without, *arguments]
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.execv(command[0], command)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


@pytest.mark.soak
def test_tasks_cost_little_more_than_bare_tests(project, tmp_path_factory):
    bare = tmp_path_factory.mktemp("bare")
    (bare / "test_bare.py").write_text(BARE.replace("RECORDS", str(RECORDS)))
    source = {"kind": "git", "repository": "https://example.org/x.git"}
    with (project.path / "tasks" / "big.jsonl").open("w") as file:
        for index in range(RECORDS):
            code = {"kind": "python", "code": "run = id\n#" + "x" * BODY}
            record = {"id": f"task-{index:05}", "repo": "acme/x", "source": {**source, "human": f"{index:040x}"}, "workload": code}
            file.write(json.dumps({"version": 1, **record}) + "\n")
    pairs = [(collect(bare, "test_bare.py"), collect(project.path, "--isobench-agent=human")) for _ in range(3)]
    assert min(ours[0] / theirs[0] for theirs, ours in pairs) <= 1.5
    assert max(ours[1] / theirs[1] for theirs, ours in pairs) <= 2.0
