"""What would run, resolved, without running it."""

from __future__ import annotations

import pytest


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
        {"id": "scan", "source": {"kind": "git", "repository": "https://example.org/x.git", "human": "8aa1485f"}},
    )
    project.patch("coder", "sort", 2.0, attempt=1)
    result = project.run("--isobench-agent=human,coder", "--isobench-dry-run", "--isobench-margin=0.1")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([
        "sandbox: fake (isolates: *)",
        "arms: baseline, human, control (a second baseline), and every agent",
        "verdicts: margin 0.1, confidence 0.95, match passes; at most 300 s of measuring for each task",
        "sort",
        "  source:      pypi sorter",
        "  base:        1.0",
        "  human:       2.0",
        "  agents:      human (attempt 0), coder (attempt 0), coder (attempt 1)",
        "  workload:    {python} -m sorter",
        "  checks:      unit ({python} -m unittest)",
        "  environment: Python 3.12, numpy==2.0",
        "  resources:   2 core(s), 4096 MiB, 1 GPU(s) H100",
        "scan",
        "  source:      git https://example.org/x.git",
        "  base:        the parent of the human commit",
        "  human:       8aa1485f",
        "  workload:    run() of the code in the record, as many calls as fill 25 ms a sample",
        "5 cases of 2 tasks would run",
    ])
    assert not (project.path / "reports").exists()


def test_it_shows_what_is_left_after_choosing(project):
    project.pytester.makepyfile(test_other="def test_other(): assert False")
    result = project.run("--isobench-agent=human", "--isobench-dry-run", "-k", "sort or other", "tasks", "test_other.py")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["sort", "1 cases of 1 tasks would run, and 1 other tests"])
    result.stdout.no_fnmatch_line("scan")


def test_only_one_kind_of_arm_is_said(project):
    project.run("--isobench-agent=human", "--isobench-dry-run", "--isobench-only=baseline").stdout.fnmatch_lines(["arms: only baseline"])


def test_a_broken_record_is_said(project):
    project.tasks({"id": "broken", "workload": {"kind": "python"}})
    result = project.run("--isobench-agent=human", "--isobench-dry-run")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["broken", "  cannot run: *demo.yaml:2: workload*"])
