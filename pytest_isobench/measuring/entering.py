"""What an agent hands in becomes what is measured: its patch, applied to the base here, before any sandbox opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_isobench.dataset.base_repository import BaseRepository
from pytest_isobench.dataset.patches import parse_patch
from pytest_isobench.integrity.patches import disallowed, judge_contract
from pytest_isobench.measuring.contenders import Entrant
from pytest_isobench.models.result import PatchFacts
from pytest_isobench.models.task import Task


def resolved(entrant: Entrant, task: Task, base: Callable[[], BaseRepository]) -> Entrant:
    """Return an entrant with its patch as every sandbox will apply it, and with what it changes; a whole version stays as it is.

    Raises:
        DoesNotApplyError: the patch does not fit the base, or violates a strict contract.
        NotEvaluableError, SourceError, UsageError: there is no base, or no git.
    """
    submission = entrant.submission
    if submission is None or submission.patch is None or submission.version is not None:
        return entrant
    found = base().resolve(submission.patch)
    patch = parse_patch(found.diff)
    outside = disallowed(patch.files, task.contract)
    facts = PatchFacts(
        strategy=found.strategy,
        tree=found.tree,
        files=tuple(map(_plain, patch.files)),
        added=patch.added,
        removed=patch.removed,
        disallowed=tuple(map(_plain, outside)),
    )
    findings = tuple(judge_contract(outside, task.contract))
    return replace(entrant, submission=replace(submission, patch=found.diff), facts=facts, findings=findings)


def _plain(name: str) -> str:
    """Return a name with bytes that are not UTF-8 as escapes, which a record can hold."""
    return name.encode("utf-8", "backslashreplace").decode()
