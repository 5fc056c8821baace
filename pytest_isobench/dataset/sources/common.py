"""What the sources share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_isobench.dataset.base_repository import BaseRepository
from pytest_isobench.dataset.cache import Cache, key_of
from pytest_isobench.dataset.patches import Patch, parse_patch, read_patch
from pytest_isobench.dataset.versions import BuiltEnvironment, Tree, Version
from pytest_isobench.errors import DoesNotApplyError, UsageError

TREE = "tree"
"""Where an entry of the cache keeps a tree."""


def make_version(
    label: str, tree: Path, digest: str, environment: BuiltEnvironment, *, patch: Patch | None = None, notes: Iterable[str] = ()
) -> Version:
    """Return a version; `digest` is the tree's."""
    content = key_of("version", digest, patch.digest if patch else "", environment.digest)
    text = patch.text if patch else None
    return Version(label=label, tree=tree, environment=environment, digest=content, patch=text, notes=tuple(notes))


def human_patch(path: Path, base: Tree, cache: Cache) -> Patch:
    """Read the diff that stands for the human's version, as it applies to the base. Raises UsageError when it cannot be used."""
    try:
        patch = read_patch(path)
    except OSError as error:
        raise UsageError(f"the human's patch {path} cannot be read: {error.strerror or error}") from error
    if patch.objections:
        raise UsageError(f"{path}: {patch.objections}")
    try:
        resolved = BaseRepository.of(base.path, base.digest, cache).resolve(patch.text)
    except DoesNotApplyError as error:
        raise UsageError(f"{path} does not fit the base {base.label}: {error}") from error
    if not resolved.diff:
        raise UsageError(f"{path}: the diff changes nothing")
    return parse_patch(resolved.diff)
