"""Base trees as repositories in the cache: changes become patches there, and patches become trees, without any work tree.

Nothing of the tree is interpreted: files are taken byte for byte, whatever its `.gitattributes` and `.gitignore` say.
Patches are untrusted.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pytest_isobench.dataset.base_import import import_tree
from pytest_isobench.dataset.cache import Cache, key_of
from pytest_isobench.dataset.commands import Done
from pytest_isobench.dataset.diffs import read_diff
from pytest_isobench.dataset.patches import Patch, parse_patch
from pytest_isobench.dataset.scratch import Scratch
from pytest_isobench.errors import DoesNotApplyError, SourceError

Strategy = Literal["strict", "recount", "3way"]

MODES = (0o100644, 0o100755, 0o120000)
"""Of a file, of a program, and of a symbolic link."""


WORDS = 2000
"""Characters of git's own words in a message: a name in a patch may be a megabyte long."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file that was made or changed."""

    content: bytes
    """Of a symbolic link: where it leads."""
    mode: int = 0o100644
    """One of `MODES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A tree that was made from the base."""

    tree: str
    """Its hash, as git counts it."""
    diff: str
    """The canonical diff that leads to it: the same for the same trees, whoever made them; bytes that are not UTF-8 are surrogates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved(Changed):
    """What a patch makes of the base."""

    strategy: Strategy
    """`strict` as it is; `recount` with the lengths of hunks counted, which many agents get wrong; `3way` merged."""


class BaseRepository:
    """One pristine tree; any number of processes and threads may use it at once, since each call works in a folder of its own."""

    def __init__(self, folder: Path, tree: str) -> None:
        self._folder = folder
        self.tree = tree
        """The hash of the base, as git counts it: all files with what is executable, without empty folders."""

    @classmethod
    def of(cls, tree: Path, digest: str, cache: Cache) -> BaseRepository:
        """Return the repository of a tree, imported on first use; `digest` is its content's.

        Raises:
            NotEvaluableError: this machine has no git.
            SourceError: the tree cannot be read, or the cache cannot hold it.
        """
        entry = cache.get("bases", key_of("base", digest), lambda folder: import_tree(tree, folder))
        return cls(entry.path, entry.facts["tree"])

    @cached_property
    def names(self) -> frozenset[str]:
        """The files of the base, links included."""
        return frozenset(name.decode("utf-8", "surrogateescape") for _, name in self._entries)

    def after(self, changes: Mapping[str, Change | None]) -> Changed:
        """Return the tree after some files were made or changed, or, where there is None, deleted.

        Raises:
            DoesNotApplyError: the changes cannot stand in a tree, such as a folder `.git`, or are too large for a diff.
            SourceError: git does not work here.
        """
        if odd := [name for name, change in changes.items() if change and change.mode not in MODES]:
            raise DoesNotApplyError(f"{odd[0]!r} is no file; a tree holds files, programs and symbolic links")
        files = {os.fsencode(name): (change.mode, change.content) if change else None for name, change in changes.items()}
        with Scratch(self._folder) as scratch:
            self._succeed(scratch.put(files), "the changes cannot stand in a tree")
            return self._changed(scratch)

    def resolve(self, patch: str) -> Resolved:
        """Apply a patch to the base: all of it, or nothing.

        Raises:
            DoesNotApplyError: it does not fit, with git's own words; or it holds what a patch must not, or cannot be written as a diff.
            SourceError: git does not work here.
        """
        parsed = parse_patch(patch)
        _demand(parsed)
        if not parsed.files:
            return Resolved(tree=self.tree, diff="", strategy="strict")
        said: list[Done] = []
        for strategy, options in self._strategies(parsed):
            with Scratch(self._folder) as scratch:
                said.append(scratch.apply(parsed, *options))
                if not said[-1].returncode:
                    changed = self._changed(scratch)
                    return Resolved(tree=changed.tree, diff=self._proved(changed), strategy=strategy)
        raise self._blame(said[0], "git apply refuses the patch")

    def _strategies(self, patch: Patch) -> Iterator[tuple[Strategy, tuple[str, ...]]]:
        yield "strict", ()
        yield "recount", ("--recount",)
        if self._has_preimages(patch):
            yield "3way", ("--3way",)

    def _has_preimages(self, patch: Patch) -> bool:
        """Whether a merge would start from the base: git takes files that it lacks as they are, and mixes both in one patch."""
        preimages = [file.preimage for file in read_diff(patch.text).files if file.preimage]
        blobs = sorted(blob for blob, _ in self._entries)

        def known(prefix: str) -> bool:
            at = bisect_left(blobs, prefix)
            return not prefix.strip("0") or (at < len(blobs) and blobs[at].startswith(prefix))

        return bool(preimages) and all(map(known, preimages))

    @cached_property
    def _entries(self) -> list[tuple[str, bytes]]:
        """Hash and name of all files."""
        with Scratch(self._folder) as scratch:
            lines = self._succeed(scratch.entries(), "the base cannot be read").output.split(b"\0")
        rows = (line.partition(b"\t") for line in lines if line)
        return [(facts.split()[1].decode(), name) for facts, _, name in rows]

    def _changed(self, scratch: Scratch) -> Changed:
        tree = self._succeed(scratch.tree(), "the changes make no tree").stdout.strip()
        if tree == self.tree:
            return Changed(tree=tree, diff="")
        diff = self._succeed(scratch.diff(self.tree, tree), "the changes are too much for a diff").output
        return Changed(tree=tree, diff=diff.decode("utf-8", "surrogateescape"))

    def _proved(self, changed: Changed) -> str:
        """Return the diff of a change, which every sandbox will apply, once it was seen to make the same tree."""
        parsed = parse_patch(changed.diff)
        _demand(parsed)
        with Scratch(self._folder) as scratch:
            done = scratch.apply(parsed) if parsed.files else None
            if (done and done.returncode) or scratch.tree().stdout.strip() != changed.tree:
                raise self._blame(done or scratch.tree(), "what the patch changes cannot be written down as a diff that applies")
        return changed.diff

    def _succeed(self, done: Done, problem: str) -> Done:
        if done.returncode:
            raise self._blame(done, problem)
        return done

    def _blame(self, done: Done, problem: str) -> DoesNotApplyError | SourceError:
        """Return the error for a failure of git's: the machine's when git fails as well at what must succeed."""
        words = done.stderr[-WORDS:].strip() or f"ended with status {done.returncode}"
        return DoesNotApplyError(f"{problem}:\n{words}") if self._works() else SourceError(f"git does not work on base trees:\n{words}")

    def _works(self) -> bool:
        with Scratch(self._folder) as scratch:
            same = scratch.tree().stdout.strip() == self.tree
            return same and not scratch.put({b"isobench": (0o100644, os.urandom(2**16))}).returncode


def _demand(patch: Patch) -> None:
    if patch.objections:
        raise DoesNotApplyError(f"the patch is refused: {patch.objections}")
