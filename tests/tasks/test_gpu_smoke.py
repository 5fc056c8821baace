"""The tasks that need a GPU, on machines that have none: what is right about them can be seen without, how fast they are cannot."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.models.task import PathSource, Task

ROOT = Path(__file__).parents[2]
TASKS = ROOT / "tasks"
SMOKE = {stub.id: stub.load() for stub in read_stubs(TASKS / "gpu_smoke.yaml")}
RESIDENT = [task for task in SMOKE.values() if task.workload.kind == "python"]


@pytest.fixture(scope="session")
def torch_here() -> None:
    done = subprocess.run([sys.executable, "-c", "import torch, triton"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no torch and triton here: {done.stderr.strip().splitlines()[-1]}")


def on_cpu(task: Task, tree: str, folder: Path, *arguments: str, edits: tuple[str, str] = ("", "")) -> str:
    """Run a task's program in a copy of one of its trees, in which a text is replaced by another."""
    source = getattr(task.source, tree)
    shutil.copytree(TASKS / source, folder / "tree", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder / "tree").glob("*.py"):
        assert edits[0] in path.read_text()
        path.write_text(path.read_text().replace(*edits) if edits[0] else path.read_text())
    argv = [sys.executable, "-B", str(Path(__file__).with_name("on_cpu.py")), str(TASKS / str(task.workload.file)), *arguments]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(argv, cwd=folder / "tree", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def agree(task: Task, mine: Any, wanted: Any) -> bool:
    """Hold answers against each other as a campaign does."""
    from pytest_isobench.workloads.answers import difference

    return difference(mine, wanted, task.tolerance) is None


@pytest.mark.parametrize("task", SMOKE.values(), ids=SMOKE)
def test_record_needs_a_gpu_and_says_where_the_gain_comes_from(task: Task) -> None:
    assert isinstance(task.source, PathSource)
    assert task.resources.gpus == 1
    assert all([task.gain, task.description, task.repo, task.marks])
    assert [requirement for requirement in task.environment.requirements if "==" not in requirement] == []


@pytest.mark.parametrize("task", RESIDENT, ids=lambda task: task.id)
def test_a_sample_is_one_call_with_an_empty_cache(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "kernel"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    program: dict[str, Any] = {}
    exec((TASKS / str(task.workload.file)).read_text().rpartition("\n\nrun(")[0], program)
    values = [program["inputs"](random.Random(seed)) for seed in range(40)]
    assert len(set(values)) == 40
    assert json.loads(json.dumps(values)) == values
    assert program["CACHE"] >= 256 * 2**20
    assert task.workload.calls == 1  # type: ignore[union-attr]


@pytest.mark.usefixtures("torch_here")
@pytest.mark.parametrize("task", RESIDENT, ids=lambda task: task.id)
def test_human_answers_like_the_baseline_and_every_number_counts(task: Task, tmp_path: Path) -> None:
    wanted = json.loads(on_cpu(task, "base", tmp_path / "base"))
    assert len(wanted) == 2
    assert wanted[0] != wanted[1]
    assert agree(task, json.loads(on_cpu(task, "human", tmp_path / "human")), wanted)
    wrong = ("    return result\n", "    result.view(-1)[1234] *= 1.5\n    return result\n")
    assert not agree(task, json.loads(on_cpu(task, "human", tmp_path / "wrong", edits=wrong)), wanted)


@pytest.mark.usefixtures("torch_here")
def test_a_view_is_no_transpose(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="not contiguous"):
        on_cpu(SMOKE["gpu-transpose"], "human", tmp_path, edits=("    return result\n", "    return matrix.t()\n"))


@pytest.mark.usefixtures("torch_here")
@pytest.mark.parametrize("task", RESIDENT, ids=lambda task: task.id)
def test_a_copy_is_no_answer(task: Task, tmp_path: Path) -> None:
    wanted = json.loads(on_cpu(task, "base", tmp_path / "base"))
    copied = on_cpu(task, "human", tmp_path / "copy", edits=("    return result\n", "    return matrix.clone()\n"))
    assert not agree(task, json.loads(copied), wanted)


@pytest.mark.usefixtures("torch_here")
def test_script_reports_once_and_checks_its_result(tmp_path: Path) -> None:
    task = SMOKE["gpu-softmax-events"]
    lines = [on_cpu(task, tree, tmp_path / tree, "--reference", "--prefix", f"{tmp_path}/{tree}") for tree in ("base", "human")]
    reports = [json.loads(line) for line in lines]
    assert [(report["iters"], report["warmup"]) for report in reports] == [(3, 1), (3, 1)]
    assert all(0 < report["avg_ms"] <= 3 * report["p95_ms"] for report in reports)
    results = [json.loads((tmp_path / f"{tree}_softmax_reference.json").read_text()) for tree in ("base", "human")]
    assert [len(results[0]), len(results[0][0])] == [4, 4]
    check(task, results[1], results[0])
    results[1][3][0] += 1e-4
    with pytest.raises(AssertionError, match="iteration 3: off by"):
        check(task, results[1], results[0])


def check(task: Task, current: object, reference: object) -> None:
    """Call the script's own check, which needs no torch."""
    text = (TASKS / str(task.workload.file)).read_text()
    program: dict[str, Any] = {"__name__": "timed"}
    exec(text.replace("import torch\nfrom kernel import compute\n", ""), program)
    program["check_equivalence"](current, reference)


def test_results_of_another_length_differ() -> None:
    task = SMOKE["gpu-softmax-events"]
    check(task, [[0.5]], [[0.5]])
    for wrong in ([], [[0.5], [0.5]], [[]], [[float("nan")]], [[0.6]]):
        with pytest.raises(AssertionError):
            check(task, wrong, [[0.5]])


def test_without_a_gpu_every_case_is_skipped_and_nothing_is_fetched(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(TASKS / "gpu_smoke.yaml")]
    options = ["--isobench-agent=human,nop", "--isobench-sandbox=local", f"--isobench-report={tmp_path / 'report.json'}"]
    hidden = {"CUDA_VISIBLE_DEVICES": "", "ISOBENCH_CACHE": str(tmp_path / "cache")}
    environment = {**os.environ, **hidden, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*argv, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "6 skipped" in done.stdout, done.stdout + done.stderr
    assert "needs 1 GPU(s); this machine has 0" in done.stdout
    assert list(tmp_path.glob("cache/environments/*")) == []
