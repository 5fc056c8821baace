"""Versions that are commits of a repository."""

from __future__ import annotations

from pathlib import Path

from pytest_isobench.dataset.cache import Cache, key_of, tree_digest
from pytest_isobench.dataset.environments import build
from pytest_isobench.dataset.mirror import Mirror, locate
from pytest_isobench.dataset.patches import Patch
from pytest_isobench.dataset.sources.common import TREE, human_patch, make_version
from pytest_isobench.dataset.versions import Tree, Version
from pytest_isobench.models.task import GitSource, Task


class GitVersions:
    """The versions of a `git` source: trees without history."""

    def __init__(self, task: Task, folder: Path, cache: Cache) -> None:
        assert isinstance(task.source, GitSource)
        self._source, self._folder, self._cache, self._environment = task.source, folder, cache, task.environment
        self._mirror = Mirror(locate(task.source.repository, folder), cache)

    def baseline(self) -> Version:
        return self._version(self._base())

    def human(self) -> Version:
        if self._source.human is not None:
            return self._version(self._mirror.resolve(self._source.human))
        assert self._source.patch is not None
        path = self._folder / self._source.patch
        return self._version(self._base(), human_patch(path, self.base_tree(), self._cache), f"+{path.name}")

    def message(self) -> str:
        commit = self.human_commit()
        return self._mirror.message(commit) if commit else ""

    def named(self, name: str) -> Version:
        """Return the version of a branch, tag or commit of the repository."""
        return self._version(self._mirror.resolve(name))

    def base_tree(self) -> Tree:
        """Return the baseline's files, without an environment."""
        return self._tree(self._base())

    def human_commit(self) -> str | None:
        """Return the full hash of the human's commit; None when a diff stands for it."""
        return self._mirror.resolve(self._source.human) if self._source.human is not None else None

    def parent(self, number: int) -> str | None:
        """Return the full hash of a parent of the human's commit, from 1; None when a diff stands for it. Raises `UsageError`."""
        human = self.human_commit()
        return self._mirror.resolve(f"{human}^{number}") if human else None

    def _base(self) -> str:
        if self._source.base is not None:
            return self._mirror.resolve(self._source.base)
        base = self.parent(self._source.parent)
        assert base is not None
        return base

    def _version(self, commit: str, patch: Patch | None = None, suffix: str = "") -> Version:
        tree, environment = self._tree(commit), build(self._environment, self._cache)
        return make_version(commit + suffix, tree.path, tree.digest, environment, patch=patch, notes=tree.notes)

    def _tree(self, commit: str) -> Tree:
        entry = self._cache.get("trees", key_of("commit", commit), lambda folder: self._write(commit, folder))
        notes = tuple(note for note in entry.facts["notes"].split("\n") if note)
        return Tree(label=commit, path=entry.path / TREE, digest=entry.facts["digest"], notes=notes)

    def _write(self, commit: str, folder: Path) -> dict[str, str]:
        notes = self._mirror.tree(commit, folder / TREE)
        return {"digest": tree_digest(folder / TREE), "notes": "\n".join(notes)}
