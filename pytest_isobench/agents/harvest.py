"""From what an agent has changed to its patch: without droppings, as one canonical diff, and with no secret in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_isobench.dataset.base_repository import BaseRepository, Change
from pytest_isobench.dataset.droppings import exclude
from pytest_isobench.dataset.patches import parse_patch
from pytest_isobench.errors import DoesNotApplyError
from pytest_isobench.models.agent import Excluded
from pytest_isobench.models.result import Finding
from pytest_isobench.redaction import secret_values

BUILT = "made by the task's install commands"


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """What became of the changes."""

    diff: str | None
    """None when the changes are no patch that may be kept."""
    tree: str
    """Git's hash of the tree after them."""
    files: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    findings: tuple[Finding, ...] = ()


def harvest(
    changes: Iterable[Mapping[str, Any]], built: Iterable[Mapping[str, Any]], base: BaseRepository, variables: Mapping[str, str]
) -> Harvest:
    """Make the patch. `built` is what install commands had changed before the agent began, `variables` what no patch may hold.

    Raises:
        DoesNotApplyError: the changes cannot stand in a tree, are too large for a diff, or would be but a part of what the agent did.
        SourceError: git does not work here.
    """
    before = {change["path"]: change for change in built}
    found = {change["path"]: change for change in changes}
    listed = [Excluded(path=path, rule=BUILT) for path in found if _is_built(path, found, before, base)]
    _demand_whole(found, base)
    listed += [Excluded(path=path, rule=change["refused"]) for path, change in found.items() if "refused" in change]
    skipped = {excluded.path for excluded in listed}
    wanted = {path: _change(change) for path, change in found.items() if path not in skipped}
    kept, dropped = exclude(wanted, base.names)
    changed = base.after(kept)
    secret = any(value in changed.diff for value in secret_values(variables))
    finding = Finding(kind="secret_in_patch", severity="alarm", message="the patch holds a secret of whoever ran the agent; it is not kept")
    return Harvest(
        diff=None if secret else changed.diff,
        tree=changed.tree,
        files=parse_patch(changed.diff).files,
        excluded=(*listed, *dropped),
        findings=(finding,) if secret else (),
    )


def _demand_whole(found: Mapping[str, Mapping[str, Any]], base: BaseRepository) -> None:
    """Refuse changes of which a part could not be brought here: only new files may be left out."""
    for path, change in found.items():
        if "refused" in change and (path in base.names or path == "." or any(name.startswith(f"{path}/") for name in base.names)):
            raise DoesNotApplyError(f"the agent's changes are no patch: {path} {change['refused']}")


def _is_built(path: str, found: Mapping[str, Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]], base: BaseRepository) -> bool:
    """Tell whether a change is the install commands': they make the file again, or had left it as it is now."""
    return path in before and (path not in base.names or found[path] == before[path])


def _change(change: Mapping[str, Any]) -> Change | None:
    return None if change.get("gone") else Change(change["data"], int(change["mode"], 8))
