"""`isobench doctor --leaks`: what an agent could see in the work trees of tasks, and what its prompts give away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_isobench.cli.machine_checks import Check

if TYPE_CHECKING:
    from pytest_isobench.dataset.stubs import Stub
    from pytest_isobench.dataset.versions import VersionSource
    from pytest_isobench.models.leak import Leak
    from pytest_isobench.models.task import Task
    from pytest_isobench.sandboxes.base import SandboxProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What is the same for all tasks that are looked at."""

    provider: SandboxProvider
    files: Sequence[Path]
    """All task files."""
    texts: Mapping[str, tuple[str, ...]]
    """What the prompts of all tasks say, by id."""
    patches: Path
    prompts: Path


def look_for_leaks(given: Sequence[Path], sandbox: str) -> Iterator[Check]:
    """Look at every task and yield a line for it, and one for each leak. Raises UsageError for files or a sandbox that do not exist."""
    from pytest_isobench.agents.prompts import FOLDER, texts_of
    from pytest_isobench.cli.ini import read_ini
    from pytest_isobench.cli.validate import project_files
    from pytest_isobench.dataset.readers import read_stubs
    from pytest_isobench.errors import TaskError
    from pytest_isobench.models.container import ContainerSettings
    from pytest_isobench.registry import default_registry

    ini = read_ini(Path.cwd())
    files = project_files(given, ini)
    tasks: list[tuple[Stub, Task]] = []
    for stub in (stub for path in files for stub in read_stubs(path)):
        try:
            tasks.append((stub, stub.load()))
        except TaskError as error:
            yield Check("missing", stub.id, f"cannot be read: {error}")
    project = Project(
        provider=default_registry().sandbox(sandbox, ContainerSettings()),
        files=files,
        texts={task.id: texts_of(task) for _, task in tasks},
        patches=ini.home / (ini.text("isobench_patches") or "fixtures/patches"),
        prompts=ini.home / FOLDER,
    )
    for stub, task in tasks:
        yield from _look(stub, task, project)


def _look(stub: Stub, task: Task, project: Project) -> Iterator[Check]:
    from pytest_isobench.dataset.cache import Cache
    from pytest_isobench.dataset.sources import make_source
    from pytest_isobench.errors import IsobenchError, NotEvaluableError

    try:
        source = make_source(task, stub.path.parent, Cache.default())
        leaks = [*_prompt(stub, task, source, project), *_work_tree(stub, task, source, project)]
    except NotEvaluableError as error:
        yield Check("note", task.id, f"was not looked at: {error}")
    except IsobenchError as error:
        yield Check("missing", task.id, f"could not be looked at: {error}")
    else:
        yield _summary(task, leaks)
        for leak in leaks:
            yield Check("leak", f"  {leak.kind}", f"{leak.where}: {leak.message}")


def _summary(task: Task, leaks: Sequence[Leak]) -> Check:
    if not leaks:
        return Check("ok", task.id, "its prompt and its work tree tell nothing of the human's version")
    return Check("leak", task.id, f"{len(leaks)} {'thing tells' if len(leaks) == 1 else 'things tell'} of the human's version, or may")


def _prompt(stub: Stub, task: Task, source: VersionSource, project: Project) -> list[Leak]:
    from pytest_isobench.agents.base import Assignment
    from pytest_isobench.agents.fairness import leaks_of, written

    others = {name: texts for name, texts in project.texts.items() if name != task.id}
    assignment = Assignment(task=task, attempt=0, source=source, folder=stub.path.parent, others=lambda: others)
    return leaks_of(written(assignment, project.prompts), assignment)


def _work_tree(stub: Stub, task: Task, source: VersionSource, project: Project) -> tuple[Leak, ...]:
    from pytest_isobench.agents.expected import expect, files_of
    from pytest_isobench.agents.leaks import leaks_in

    attempts = project.patches.glob(f"*/{task.id}.*.diff")
    expected = expect(task, source, task_files=[*project.files, *files_of(task, stub.path)], attempts=attempts)
    return leaks_in(project.provider, task, source, expected)
