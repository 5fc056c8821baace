"""The starter tasks and their workloads."""

from __future__ import annotations

import ast
import random
import runpy
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.models.task import PypiSource, Task

TASKS = Path(__file__).parents[2] / "tasks"
STARTER = [stub.load() for stub in read_stubs(TASKS / "starter.yaml")]


def imported(path: Path) -> set[str]:
    """Return the names of all modules that a file imports, and of the packages around them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return {".".join(name.split(".")[:end]) for name in names for end in range(1, name.count(".") + 2)}


def load(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the functions of a workload, with stand-ins for the package under test, which is not installed here."""
    with monkeypatch.context() as patch:
        for name in imported(path):
            if name.split(".")[0] not in sys.stdlib_module_names:
                patch.setitem(sys.modules, name, MagicMock())
        return runpy.run_path(str(path))


def plain(value: Any) -> bool:
    """Tell whether a value is JSON or bytes, through and through, with text as keys."""
    if isinstance(value, list):
        return all(map(plain, value))
    if isinstance(value, dict):
        return all(type(key) is str and plain(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str, bytes)


def workload(task: Task) -> Path:
    """Return a task's workload file."""
    return TASKS / task.workload.file


def test_starter_has_nine_tasks_of_six_packages() -> None:
    assert len(STARTER) >= 9
    assert len({task.source.package for task in STARTER}) >= 6


def test_every_workload_file_belongs_to_a_task() -> None:
    assert {workload(task) for task in STARTER} == set((TASKS / "workloads").glob("*.py"))


@pytest.mark.parametrize("task", STARTER, ids=lambda task: task.id)
def test_record_says_where_the_gain_comes_from(task: Task) -> None:
    assert isinstance(task.source, PypiSource)
    assert task.source.base != task.source.human
    assert all([task.gain, task.description, task.repo, task.marks])


@pytest.mark.parametrize("task", STARTER, ids=lambda task: task.id)
def test_inputs_are_plain_fresh_and_repeatable(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = load(workload(task), monkeypatch)["inputs"]
    values = [inputs(random.Random(seed)) for seed in range(40)]
    assert all(map(plain, values))
    assert len({repr(value) for value in values}) == len(values)
    assert values == [inputs(random.Random(seed)) for seed in range(40)]


@pytest.mark.parametrize("task", STARTER, ids=lambda task: task.id)
def test_inputs_cost_much_the_same(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = load(workload(task), monkeypatch)["inputs"]
    sizes = [len(repr(inputs(random.Random(seed)))) for seed in range(20)]
    assert max(sizes) <= 1.2 * min(sizes)
