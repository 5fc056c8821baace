"""Task files as test modules: every one holds the bundled suite, parametrised with the cases of its tasks."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_isobench.errors import IsobenchError
from pytest_isobench.plugin.cases import case_of, cases_of, param
from pytest_isobench.plugin.options import SUFFIXES, is_task_file
from pytest_isobench.plugin.stash import RUN

if TYPE_CHECKING:
    from pytest_isobench.dataset.stubs import Stub
    from pytest_isobench.plugin.run import Run

MANY = 1000
"""Items from which on a session is a big one."""


class TaskFile(pytest.Module):
    """A task file; its tests are those of the bundled suite."""

    def _getobj(self) -> Any:
        from pytest_isobench.plugin import suite

        return suite

    def funcnamefilter(self, name: str) -> bool:
        """Keep the suite's tests, whatever the project's own `python_functions` says."""
        return name.startswith("test_")

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        try:
            self.stubs()
        except IsobenchError as error:
            raise self.CollectError(str(error)) from error
        return super().collect()

    def stubs(self) -> list[Stub]:
        """Return the tasks of the file."""
        return self.config.stash[RUN].stubs(self.path)


def collect_task_file(file_path: Path, parent: pytest.Collector) -> TaskFile | None:
    """Implement `pytest_collect_file`: take task files, and any file of such a kind that is named itself."""
    if file_path.suffix.lower() not in SUFFIXES:
        return None
    if is_task_file(file_path, parent.config) or parent.session.isinitpath(file_path):
        return TaskFile.from_parent(parent, path=file_path)
    return None


def generate_cases(metafunc: pytest.Metafunc) -> None:
    """Implement `pytest_generate_tests`: parametrise `isobench_case` with the file's cases, or in a user's own test with all."""
    run, file = metafunc.config.stash[RUN], metafunc.definition.getparent(TaskFile)
    try:
        stubs = file.stubs() if file else [stub for path in run.default_files() for stub in run.stubs(path)]
    except IsobenchError as error:
        raise pytest.Collector.CollectError(str(error)) from error
    cases = cases_of(stubs, run.agents, run.settings.attempts)
    metafunc.parametrize("isobench_case", [param(case, run.marks.of(case.stub)) for case in cases], indirect=True)


def settle(items: Sequence[pytest.Item]) -> None:
    """Let the garbage collector pass over what was collected, which lives to the end: with many items that is most of its work."""
    if len(items) >= MANY:
        gc.freeze()


def add_keywords(items: Iterable[pytest.Item]) -> None:
    """Let `-k` find the commits and the repository of a task."""
    for item in items:
        if case := case_of(item):
            item.extra_keyword_matches.update(name for name in (case.stub.base, case.stub.human, case.stub.repo) if name)


def deselect(run: Run, items: list[pytest.Item]) -> None:
    """Leave out what the options do not keep, and count it by its reason."""
    if not run.selections:
        return
    kept, left_out = [], []
    for item in items:
        case = case_of(item)
        reason = next((choice.reason for choice in run.selections if not choice.keeps(case.stub)), None) if case else None
        if reason is None:
            kept.append(item)
        else:
            left_out.append(item)
            run.deselected[reason] += 1
    if left_out:
        items[:] = kept
        run.config.hook.pytest_deselected(items=left_out)
