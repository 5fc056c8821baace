"""What would run, resolved, without running it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def repository(folder: Path) -> list[str]:
    """Make a repository with two commits; return them."""
    folder.mkdir()
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(folder)]
    commit = ["commit", "-q", "--allow-empty", "-m"]
    for command in (["init", "-q", "-b", "main"], [*commit, "1"], [*commit, "2"]):
        subprocess.run([*git, *command], check=True)
    return subprocess.run([*git, "rev-list", "--reverse", "main"], check=True, capture_output=True, text=True).stdout.split()


def test_everything_is_resolved_and_nothing_is_run(project):
    project.tasks(
        {
            "id": "sort",
            "source": {"kind": "pypi", "package": "sorter", "base": "1.0", "human": "2.0"},
            "environment": {"python": "3.12", "requirements": ["numpy==2.0"]},
            "workload": {"kind": "command", "command": ["{python}", "-m", "sorter"]},
            "checks": [{"name": "unit", "command": ["{python}", "-m", "unittest"]}],
            "resources": {"cpus": 2, "gpus": 1, "gpu": "H100"},
        },
        {"id": "scan", "source": {"kind": "git", "repository": "../repo", "human": "main"}},
        {"id": "lost", "source": {"kind": "git", "repository": "../nowhere", "human": "main"}},
    )
    base, human = repository(project.path / "repo")
    project.patch("coder", "sort", 2.0, attempt=1)
    result = project.run("--isobench-agent=human,coder", "--isobench-dry-run", "--isobench-margin=0.1")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([
        "sandbox: fake (isolates: *)",
        "arms: baseline, human, control (a second baseline), and every agent",
        "verdicts: margin 0.1, confidence 0.95, match passes; at most 300 s of measuring for each task",
        "sort",
        "  base:        1.0",
        "  human:       2.0",
        "  source:      pypi sorter",
        "  agents:      human (attempt 0), coder (attempt 0), coder (attempt 1)",
        "  workload:    {python} -m sorter",
        "  checks:      unit ({python} -m unittest)",
        "  environment: Python 3.12, numpy==2.0",
        "  resources:   2 core(s), 4096 MiB, 1 GPU(s) H100",
        "scan",
        f"  base:        {base}",
        f"  human:       {human}",
        "  source:      git ../repo",
        "  workload:    run() of the code in the record, as many calls as fill 25 ms a sample",
        "lost",
        "  cannot run: *nowhere*",
        "7 cases of 3 tasks would run",
    ])
    assert not (project.path / "reports").exists()


def test_benchmarks_that_time_themselves_are_named(project):
    (project.path / "tasks").mkdir(exist_ok=True)
    (project.path / "tasks" / "bench.py").write_text("")
    project.tasks(
        {"id": "script", "workload": {"kind": "reported", "format": "gso", "file": "bench.py", "arguments": ["-v"]}},
        {"id": "suite", "workload": {"kind": "reported", "format": "asv", "paths": ["benchmarks", "more"]}},
    )
    result = project.run("--isobench-agent=human", "--isobench-dry-run")
    result.stdout.fnmatch_lines(["  workload:    bench.py -v (gso)", "  workload:    benchmarks more (asv)"])


def test_it_shows_what_is_left_after_choosing(project):
    project.pytester.makepyfile(test_other="def test_other(): assert False")
    result = project.run("--isobench-agent=human", "--isobench-dry-run", "-k", "sort or other", "tasks", "test_other.py")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["sort", "1 case of 1 task would run, and 1 other test"])
    result.stdout.no_fnmatch_line("scan")


def test_only_one_kind_of_arm_is_said(project):
    project.run("--isobench-agent=human", "--isobench-dry-run", "--isobench-only=baseline").stdout.fnmatch_lines(["arms: only baseline"])


def test_a_broken_record_is_said(project):
    project.tasks({"id": "broken", "workload": {"kind": "python"}})
    result = project.run("--isobench-agent=human", "--isobench-dry-run")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["broken", "  cannot run: *demo.yaml:2: workload*"])
