"""The example tasks and the recorded patches of the agent `example`."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.models.result import MEASURED, Gain, Outcome
from pytest_isobench.models.task import PathSource, Task

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "tasks"
PATCHES = ROOT / "fixtures" / "patches" / "example"
EXAMPLE = {stub.id: stub.load() for stub in read_stubs(TASKS / "example.yaml")}
EXPECTED = yaml.safe_load((Path(__file__).parent / "expected_outcomes.yaml").read_text())
RUN = """
import json, random, runpy, sys
sys.path.insert(0, ".")
workload = runpy.run_path(sys.argv[1])
value = workload["inputs"](random.Random(int(sys.argv[2])))
print(json.dumps(workload["run"](value)))
"""


def diff(case: dict[str, Any]) -> Path:
    """Return the file of a recorded patch."""
    return PATCHES / f"{case['task']}.{case['attempt']}.diff"


def ids(case: dict[str, Any]) -> str:
    return f"{case['task']}.{case['attempt']}-{case['outcome']}"


def place(task: Task, target: Path) -> Path:
    """Copy a task's base tree."""
    return shutil.copytree(TASKS / task.source.base, target, ignore=shutil.ignore_patterns("__pycache__"))


def apply(patch: Path, tree: Path) -> subprocess.CompletedProcess[str]:
    """Apply a patch to a tree."""
    return subprocess.run(["git", "apply", str(patch)], cwd=tree, capture_output=True, text=True)


def patched(case: dict[str, Any], target: Path) -> Path:
    """Make and build the tree of a recorded patch that applies."""
    task = EXAMPLE[case["task"]]
    assert apply(diff(case), place(task, target)).returncode == 0
    assert build(task, target).returncode == 0
    return target


def baseline(task: Task, target: Path) -> Path:
    """Make and build a task's base tree."""
    assert build(task, place(task, target)).returncode == 0
    return target


def human(task: Task, target: Path) -> Path:
    """Make and build a task's human tree."""
    if task.source.human:
        shutil.copytree(TASKS / task.source.human, target)
    else:
        assert apply(TASKS / task.source.patch, place(task, target)).returncode == 0
    assert build(task, target).returncode == 0
    return target


def build(task: Task, tree: Path) -> subprocess.CompletedProcess[str]:
    """Run a task's install commands in a tree."""
    command = " && ".join(task.environment.install).replace("python ", f"{sys.executable} ") or "true"
    return subprocess.run(command, shell=True, cwd=tree, capture_output=True, text=True)


def answer(task: Task, tree: Path, seed: int, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    """Call a task's workload once in a tree."""
    command = [sys.executable, "-c", RUN, str(TASKS / task.workload.file), str(seed)]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=timeout)


def test_every_outcome_has_a_patch() -> None:
    unpatched = {Outcome.NO_PATCH, Outcome.INCONCLUSIVE}
    assert {case["outcome"] for case in EXPECTED} == set(Outcome) - unpatched
    assert {case["gain"] for case in EXPECTED} == {None, *(set(Gain) - {Gain.INCONCLUSIVE})}
    assert all((case["gain"] is None) == (case["outcome"] not in MEASURED) for case in EXPECTED)


def test_every_patch_has_an_outcome() -> None:
    assert sorted(map(diff, EXPECTED)) == sorted(PATCHES.glob("*.diff"))


@pytest.mark.parametrize("task", EXAMPLE.values(), ids=EXAMPLE)
def test_record_is_a_folder_with_a_human_version(task: Task) -> None:
    assert isinstance(task.source, PathSource)
    assert all([task.gain, task.description, task.repo, task.marks])


@pytest.mark.parametrize("task", EXAMPLE.values(), ids=EXAMPLE)
def test_human_answers_like_the_baseline(task: Task, tmp_path: Path) -> None:
    trees = [baseline(task, tmp_path / "base"), human(task, tmp_path / "human")]
    answers = [answer(task, tree, seed=7).stdout for tree in trees]
    assert answers[0] == answers[1] != ""


@pytest.mark.parametrize("case", EXPECTED, ids=ids)
def test_patch_applies_unless_it_must_not(case: dict[str, Any], tmp_path: Path) -> None:
    applied = apply(diff(case), place(EXAMPLE[case["task"]], tmp_path / "tree"))
    assert (applied.returncode == 0) == (case["outcome"] != "does_not_apply"), applied.stderr


@pytest.mark.parametrize("case", [case for case in EXPECTED if case["outcome"] != "does_not_apply"], ids=ids)
def test_patch_builds_unless_it_must_not(case: dict[str, Any], tmp_path: Path) -> None:
    task = EXAMPLE[case["task"]]
    apply(diff(case), place(task, tmp_path / "tree"))
    built = build(task, tmp_path / "tree")
    assert (built.returncode == 0) == (case["outcome"] != "does_not_build"), built.stderr


@pytest.mark.parametrize("case", [case for case in EXPECTED if case["outcome"] in {*MEASURED, "incorrect"}], ids=ids)
def test_answers_are_right_unless_they_must_not_be(case: dict[str, Any], tmp_path: Path) -> None:
    task = EXAMPLE[case["task"]]
    trees = [baseline(task, tmp_path / "base"), patched(case, tmp_path / "tree")]
    answers = [answer(task, tree, seed=11).stdout for tree in trees]
    assert (answers[0] == answers[1]) == (case["outcome"] != "incorrect")


def test_crash_comes_soon(tmp_path: Path) -> None:
    case = next(case for case in EXPECTED if case["outcome"] == "crashed")
    tree = patched(case, tmp_path / "tree")
    assert any(answer(EXAMPLE[case["task"]], tree, seed).returncode == -signal.SIGABRT for seed in range(12))


def test_endless_loop_is_endless(tmp_path: Path) -> None:
    case = next(case for case in EXPECTED if case["outcome"] == "timed_out")
    tree = patched(case, tmp_path / "tree")
    with pytest.raises(subprocess.TimeoutExpired):
        answer(EXAMPLE[case["task"]], tree, seed=1, timeout=0.6)
