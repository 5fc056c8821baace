"""What a source hands out: a version of some software, ready to be placed in a sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEnvironment:
    """A virtual environment in the cache, never written to again."""

    path: Path
    digest: str

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the code under test."""

    label: str
    """Commit hash, release number or folder name."""
    tree: Path
    """Pristine tree in the cache, never written to; every arm gets its own copy-on-write view."""
    environment: BuiltEnvironment
    digest: str
    """Content of the tree, the patch and the environment."""
    patch: str | None = None
    """A diff that completes the tree: the human's patch of a `path` or `git` source."""
    notes: tuple[str, ...] = ()
    """What the tree lacks, such as submodules; to be shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A version's files alone: what an image is made of, whose environment is its own."""

    label: str
    """Commit hash or folder name."""
    path: Path
    """In the cache, never written to; without history."""
    digest: str
    notes: tuple[str, ...] = ()


class VersionSource(Protocol):
    """One task's code. Methods fetch on first use and cache by content.

    They raise `SourceError` when something cannot be fetched (the machine's failure), `NotEvaluableError` when this
    machine lacks what the task needs (such as a Python version), and `UsageError` for a name that does not exist.
    """

    def baseline(self) -> Version:
        """The version before the optimisation."""

    def base_tree(self) -> Tree:
        """The files of that version alone: what patches apply to."""

    def human(self) -> Version:
        """The human expert's version."""

    def message(self) -> str:
        """What was said of the human's change when it was made; empty where nothing was."""

    def named(self, name: str) -> Version:
        """Another version: a git ref, or a release (`latest` for the newest). `NotEvaluableError` when this source has none."""
