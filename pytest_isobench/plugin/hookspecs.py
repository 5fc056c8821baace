"""The six hooks for conftest files and other plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_isobench.agents.base import Submission
    from pytest_isobench.dataset.stubs import Stub
    from pytest_isobench.models.result import Comparison, Report, Result, Verdict
    from pytest_isobench.models.task import Task
    from pytest_isobench.plugin.cases import Case
    from pytest_isobench.registry import Registry


def pytest_isobench_register(config: pytest.Config, registry: Registry) -> None:
    """Add sandboxes, agents and workloads to the registry, under names that options and tasks may then use."""


def pytest_isobench_modify_tasks(config: pytest.Config, tasks: list[Stub]) -> None:
    """Filter, reorder or extend, in place, the tasks of one task file before cases are made of them."""


@pytest.hookspec(firstresult=True)
def pytest_isobench_make_patch(config: pytest.Config, case: Case) -> Submission | None:
    """Return the patch of a case, or None to leave it to its agent."""


@pytest.hookspec(firstresult=True)
def pytest_isobench_judge(config: pytest.Config, task: Task, comparison: Comparison) -> Verdict | None:
    """Return another verdict on a measured patch than the default one, or None to keep that."""


def pytest_isobench_result(config: pytest.Config, result: Result) -> None:
    """Take note of one case's result as it comes in, in the process that writes the report."""


@pytest.hookspec(firstresult=True)
def pytest_isobench_update_report(config: pytest.Config, report: Report) -> Report | None:
    """Return another report to write in place of the session's, or None to keep it; the place to upload or to show it as well."""
