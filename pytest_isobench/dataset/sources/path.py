"""Versions that are folders on this machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NoReturn

from pytest_isobench.dataset.cache import Cache, key_of, tree_digest, walk
from pytest_isobench.dataset.environments import build
from pytest_isobench.dataset.materialise import copy_tree
from pytest_isobench.dataset.patches import Patch
from pytest_isobench.dataset.sources.common import TREE, human_patch, make_version
from pytest_isobench.dataset.versions import Tree, Version
from pytest_isobench.errors import NotEvaluableError, SourceError, UsageError
from pytest_isobench.models.task import PathSource, Task

_LEFT_OUT = frozenset({".git", "__pycache__"})
"""History, which holds the answer, and bytecode, which may be of other sources."""


class PathVersions:
    """The versions of a `path` source: copies, so that a folder that changes later changes no measurement."""

    def __init__(self, task: Task, folder: Path, cache: Cache) -> None:
        assert isinstance(task.source, PathSource)
        self._source, self._folder, self._cache, self._environment = task.source, folder, cache, task.environment

    def baseline(self) -> Version:
        return self._version(self._source.base)

    def human(self) -> Version:
        if self._source.human is not None:
            return self._version(self._source.human)
        assert self._source.patch is not None
        return self._version(self._source.base, human_patch(self._folder / self._source.patch, self.base_tree(), self._cache))

    def message(self) -> str:
        return ""

    def named(self, name: str) -> NoReturn:
        raise NotEvaluableError(f"a task with folders has no version {name!r}; only tasks with a repository or releases have others")

    def base_tree(self) -> Tree:
        """Return the baseline's files, without an environment."""
        return self._tree(self._source.base)

    def _version(self, name: str, patch: Patch | None = None) -> Version:
        tree = self._tree(name)
        label = f"{name}+{Path(self._source.patch).name}" if patch and self._source.patch else name
        return make_version(label, tree.path, tree.digest, build(self._environment, self._cache), patch=patch)

    def _tree(self, name: str) -> Tree:
        folder = self._folder / name
        digest = _digest(folder)
        entry = self._cache.get("trees", key_of("folder", digest), lambda target: _copy(folder, target / TREE, digest))
        return Tree(label=name, path=entry.path / TREE, digest=digest)


def _digest(folder: Path) -> str:
    """Return the digest of what will be copied. Raises UsageError for what cannot stand in a tree, SourceError for what cannot be read."""
    try:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder; the source's paths start at the task file")
        _check(folder)
        return tree_digest(folder, skip=_LEFT_OUT)
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error}") from error


def _check(folder: Path) -> None:
    root = os.path.realpath(folder)
    for path in walk(folder, skip=_LEFT_OUT):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = os.readlink(path)
            if os.path.isabs(target) or os.path.commonpath([root, os.path.realpath(path)]) != root:
                raise UsageError(f"{path} is a symbolic link that leads out of {folder}, to {target!r}; copy what it leads to")
        elif not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise UsageError(f"{path} is neither a file, a folder nor a symbolic link")


def _copy(folder: Path, tree: Path, digest: str) -> dict[str, str]:
    copy_tree(folder, tree, skip=_LEFT_OUT)
    if tree_digest(tree) != digest:
        raise SourceError(f"{folder} was changed while it was copied")
    return {"digest": digest}
