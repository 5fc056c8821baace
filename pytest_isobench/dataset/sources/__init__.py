"""Sources of versions: one small module per kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.sources.git import GitVersions
from pytest_isobench.dataset.sources.path import PathVersions
from pytest_isobench.dataset.sources.pypi import PypiVersions
from pytest_isobench.dataset.versions import VersionSource
from pytest_isobench.models.task import GitSource, PathSource, PypiSource, Task

SOURCES: dict[type[GitSource | PathSource | PypiSource], Callable[[Task, Path, Cache], VersionSource]] = {
    GitSource: GitVersions,
    PathSource: PathVersions,
    PypiSource: PypiVersions,
}


def make_source(task: Task, folder: Path, cache: Cache) -> VersionSource:
    """Return the source of a task's versions; relative paths start at `folder`, where the task file is."""
    return SOURCES[type(task.source)](task, folder, cache)
