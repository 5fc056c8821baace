"""The fixtures. All of them need an agent (`--isobench-agent`); without one, tests that use them are skipped."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_isobench.errors import InfrastructureError, NoPatchError, NotEvaluableError, UsageError
from pytest_isobench.plugin.stash import run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_isobench.agents.base import Submission
    from pytest_isobench.dataset.versions import VersionSource
    from pytest_isobench.models.leak import Leak
    from pytest_isobench.models.result import Result
    from pytest_isobench.models.task import Task
    from pytest_isobench.plugin.cases import Case
    from pytest_isobench.plugin.run import Run
    from pytest_isobench.plugin.settings import Settings
    from pytest_isobench.sandboxes.base import SandboxProvider

FOUND = pytest.StashKey["Result"]()
"""The result of the case that a test has measured."""


@pytest.fixture(scope="session")
def isobench_settings(pytestconfig: pytest.Config) -> Settings:
    """What the session was asked to do: every --isobench option as one frozen value."""
    return _run(pytestconfig).settings


@pytest.fixture
def isobench_case(request: pytest.FixtureRequest) -> Case:
    """The case of this test, one attempt of one agent at one task; a test that uses it is run once for every case."""
    _run(request.config)
    case: Case = request.param
    return case


@pytest.fixture
def isobench_task(isobench_case: Case, pytestconfig: pytest.Config) -> Task:
    """The record of the case's task, read and validated."""
    with plain_errors():
        return _run(pytestconfig).campaigns.open(isobench_case.stub).task


@pytest.fixture
def isobench_source(isobench_case: Case, pytestconfig: pytest.Config) -> VersionSource:
    """The task's code: its baseline, the human's version, and other versions by name."""
    with plain_errors():
        return _run(pytestconfig).campaigns.open(isobench_case.stub).source


@pytest.fixture
def isobench_patch(isobench_case: Case, pytestconfig: pytest.Config) -> Submission:
    """What the case's agent hands in: a diff against the baseline, or a whole version. Skips when there is none."""
    with plain_errors():
        return _run(pytestconfig).campaigns.submission(isobench_case)


@pytest.fixture(scope="session")
def isobench_sandbox(pytestconfig: pytest.Config) -> SandboxProvider:
    """The kind of sandbox that --isobench-sandbox names; its open() makes one."""
    run = _run(pytestconfig)
    configuration = run.settings.configuration
    return run.registry.sandbox(configuration.sandbox, configuration.container)


@pytest.fixture
def isobench_measure(request: pytest.FixtureRequest, isobench_case: Case) -> Callable[[], Result]:
    """A function that returns the case's result. All selected cases of a task are measured together, when the first of them is set up.

    Skips when there is no patch or the task cannot be judged here; a failure of the machine is an error of the test's set-up.
    """
    from pytest_isobench.plugin.standing import standing
    from pytest_isobench.reports.junit import properties

    run = _run(request.config)
    with plain_errors():
        result = run.campaigns.result(isobench_case, run.companions(isobench_case))
    request.node.stash[FOUND] = result
    request.node.user_properties.extend(properties(result))
    judged = standing(result)
    if judged.outcome == "skipped":
        pytest.skip(judged.message)
    if judged.outcome == "error":
        pytest.fail(judged.message, pytrace=False)
    return lambda: result


@pytest.fixture
def isobench_leaks(
    isobench_case: Case, isobench_task: Task, isobench_source: VersionSource, isobench_sandbox: SandboxProvider
) -> Callable[[], tuple[Leak, ...]]:
    """A function that makes the task's work tree as an agent gets it, and returns all in it that tells of the human's version.

    `assert isobench_leaks() == ()` keeps a task fair.
    """

    def look() -> tuple[Leak, ...]:
        from pytest_isobench.agents.expected import expect, files_of
        from pytest_isobench.agents.leaks import leaks_in

        with plain_errors():
            expected = expect(isobench_task, isobench_source, task_files=files_of(isobench_task, isobench_case.stub.path))
            return leaks_in(isobench_sandbox, isobench_task, isobench_source, expected)

    return look


@contextmanager
def plain_errors() -> Iterator[None]:
    """Show this package's errors without a traceback, and skip what no patch and no machine is to blame for."""
    try:
        yield
    except (NoPatchError, NotEvaluableError) as error:
        pytest.skip(str(error))
    except (UsageError, InfrastructureError) as error:
        pytest.fail(f"{type(error).__name__}: {error}", pytrace=False)


def _run(config: pytest.Config) -> Run:
    run = run_of(config)
    if run is None:
        pytest.skip("no agent was given: --isobench-agent=NAME")
    return run
