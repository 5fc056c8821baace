"""What agents and tools leave in a work tree, and what is no part of a patch."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pytest_isobench.dataset.base_repository import Change
from pytest_isobench.models.agent import Excluded


def exclude(changes: Mapping[str, Change | None], base: Collection[str]) -> tuple[dict[str, Change | None], tuple[Excluded, ...]]:
    """Return the changes that are part of a patch, and the others; `base` are the files that the base has."""
    del base
    return dict(changes), ()
