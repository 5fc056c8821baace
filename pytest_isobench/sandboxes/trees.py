"""Trees on disk: one staged copy per version, and of it a copy-on-write view, or a copy, per arm."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.dataset.materialise import copy_tree
from pytest_isobench.errors import SandboxError

Mount = Callable[[Sequence[Mapping[str, str]]], None]


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree and its users: who may write it and who reads it; None is the user that runs the tests."""

    path: Path
    builder: int | None
    runner: int | None


class Trees:
    """The trees of one session."""

    def __init__(self, folder: Path, *, mount: Mount | None, claim: Callable[[], int | None]) -> None:
        """Use a session's `folder`. With `mount`, arms are overlays, and one user builds all of them: their confinement keeps them apart.

        Without, every arm is a copy with a builder of its own. `claim` gives users.
        """
        self._folder, self._claim = folder, claim
        self._mount = mount if can_name(folder) else None
        self._builder = claim()
        for name in ("stages", "arms"):
            make_folder(folder / name, 0o711)

    def stage(self, source: Path) -> Tree:
        """Copy a pristine tree, to be compiled once for all arms that start from it."""
        return self._copy(source, "stages", self._builder, self._builder)

    def hide(self, stage: Tree) -> None:
        """Keep the arms from looking at a finished stage, which may be another arm's code."""
        stage.path.parent.chmod(0o700)

    def arm(self, stage: Tree) -> Tree:
        """Give an arm its own view of a stage."""
        if self._mount is None:
            return self._copy(stage.path, "arms", self._claim(), self._claim())
        return self._overlay(self._mount, stage)

    def close(self, arm: Tree) -> None:
        """Let nobody but its own users into an arm's finished tree."""
        if arm.builder is not None and arm.runner is not None:
            os.chown(arm.path, arm.builder, arm.runner)
            arm.path.chmod(0o750)

    def _copy(self, source: Path, kind: str, builder: int | None, runner: int | None) -> Tree:
        target = self._new_folder(kind) / "tree"
        try:
            copy_tree(source, target)
            if builder is not None:
                give(target, builder)
        except OSError as error:
            raise SandboxError(f"the tree {source} could not be copied to {target}: {error}") from error
        return Tree(target, builder, runner)

    def _overlay(self, mount: Mount, stage: Tree) -> Tree:
        folder = self._new_folder("arms")
        upper, work, tree = (make_folder(folder / name, 0o755) for name in ("upper", "work", "tree"))
        if self._builder is not None:
            os.chown(upper, self._builder, self._builder)
        options = f"lowerdir={stage.path},upperdir={upper},workdir={work}"
        mount([{"type": "overlay", "source": "overlay", "target": str(tree), "options": options}])
        return Tree(tree, self._builder, self._claim())

    def _new_folder(self, kind: str) -> Path:
        """Make a folder whose name says nothing about what is in it."""
        return make_folder(self._folder / kind / secrets.token_hex(4), 0o711)


def make_folder(path: Path, mode: int) -> Path:
    """Make a folder with exactly this mode, whatever the umask."""
    path.mkdir()
    path.chmod(mode)
    return path


def give(path: Path, owner: int) -> None:
    """Make a user the owner of a folder and of everything in it. Nothing else may be running in it."""
    for _, _, files, descriptor in os.fwalk(path):
        os.chown(descriptor, owner, owner)
        for name in files:
            os.chown(name, owner, owner, dir_fd=descriptor, follow_symlinks=False)


def can_name(path: Path) -> bool:
    """Say whether a path can stand in a mount option."""
    return not set(":,\\\"'").intersection(str(path))
