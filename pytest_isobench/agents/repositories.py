"""Judges the repositories that an agent could see; its own must be exactly the one that was made for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_isobench.agents import repository
from pytest_isobench.agents.expected import Expected
from pytest_isobench.agents.inventory import GitFile, Inventory, Repository
from pytest_isobench.models.leak import Leak, LeakKind

FILES = {"HEAD", "config", "index", "info/attributes", "info/exclude", repository.BRANCH}
"""All files of the repository besides its objects."""
TEXTS = {"info/attributes": repository.ATTRIBUTES, "info/exclude": repository.EXCLUDED}
"""What stands in some of them; install commands may add to it."""
SETTINGS = {
    "core.repositoryformatversion": "0",
    "core.filemode": "true",
    "core.bare": "false",
    **{name.lower(): value for name, value in repository.SETTINGS.items()},
}
REMAKE = "make the repository anew, of the base version's files alone"
_KINDS: tuple[tuple[str, LeakKind, str], ...] = (
    (r"logs/refs/stash$", "stash", "tells of stashed changes"),
    (r"logs/", "reflog", "tells where branches were before"),
    (r"refs/stash$", "stash", "holds stashed changes"),
    (r"(refs/|packed-refs$)", "ref", "names further commits"),
    (r"objects/info/(http-)?alternates$", "alternates", "leads to another repository's objects"),
    (r"objects/", "object", "holds objects, or what is left of them"),
    (r"hooks/", "hook", "is run by git, and nobody asked for it"),
    (r"(worktrees|modules)/", "repository", "belongs to another work tree or to a submodule"),
    (r"[A-Z_]+$", "pseudo_ref", "remembers a commit"),
    (r"config", "config", "holds further settings"),
)


def of_own(seen: Inventory, expected: Expected) -> Iterator[Leak]:
    """Yield what of the work tree's own repository should not be there."""
    own = next((found for found in seen.repositories if found.own), None)
    if own is None:
        yield Leak(kind="inventory", where=seen.cwd, message="the work tree's own repository was not shown; look again")
        return
    shown = {name for name, _ in own.objects}
    if missing := expected.objects - shown:
        message = f"{len(missing)} objects of the base version were not shown, such as {min(missing)}; {REMAKE}"
        yield Leak(kind="inventory", where=own.path, message=message)
    if not own.complete:
        yield Leak(kind="unseen", where=own.path, message=f"holds more objects than could be listed; {REMAKE}")
    yield from _refs(own, expected)
    yield from _objects(own, expected)
    yield from _config(own)
    for file in own.files:
        yield from _file(file, expected)
    if any(line.strip() for line in own.alternates):
        message = f"leads to another repository's objects, in {', '.join(own.alternates).strip()[:200]}; {REMAKE}"
        yield Leak(kind="alternates", where=f"{own.path}/.git/objects/info/alternates", message=message)


def of_repositories(seen: Inventory, expected: Expected) -> Iterator[Leak]:
    """Yield the other repositories that hold the answer, or that lie in the tree."""
    for found in seen.repositories:
        if found.own:
            continue
        if found.holds:
            what = expected.human_blobs.get(found.holds[0], "commit")
            message = f"holds the human's {what} and {len(found.holds) - 1} more of its objects; do not show it"
            yield Leak(kind="human_object", where=found.path, message=message)
        elif found.path.startswith(f"{seen.cwd}/"):
            message = "is a repository in the work tree, with a history of its own; remove its .git"
            yield Leak(kind="repository", where=found.path, message=message)


def _refs(own: Repository, expected: Expected) -> Iterator[Leak]:
    for name, commit in own.refs.items():
        if (name, commit) != (repository.BRANCH, expected.commit):
            kind: LeakKind = "stash" if name == "refs/stash" else "ref"
            whose = "the human's commit" if commit == expected.human_commit else commit[:12]
            yield Leak(kind=kind, where=name, message=f"leads to {whose}; {REMAKE}")


def _objects(own: Repository, expected: Expected) -> Iterator[Leak]:
    for name, kind in own.objects:
        if name in expected.objects:
            continue
        if name in expected.human_blobs or name == expected.human_commit:
            message = f"this {kind} is the human's {expected.human_blobs.get(name, 'commit')}; {REMAKE}"
            yield Leak(kind="human_object", where=name, message=message)
        else:
            message = f"this {kind} is no part of the base version, whether or not a ref leads to it; {REMAKE}"
            yield Leak(kind="object", where=name, message=message)


def _config(own: Repository) -> Iterator[Leak]:
    for line in own.config:
        name, _, value = line.partition("=")
        if SETTINGS.get(name) != value:
            yield Leak(kind="config", where=name or ".git/config", message=f"is a setting that was not made for the agent; {REMAKE}")


def _file(file: GitFile, expected: Expected) -> Iterator[Leak]:
    if file.path == "HEAD" and file.head != f"ref: {repository.BRANCH}\n":
        yield Leak(kind="pseudo_ref", where=".git/HEAD", message=f"is not on the only branch; {REMAKE}")
    if (text := TEXTS.get(file.path)) and (file.head != text) and not (expected.built and file.head.startswith(text)):
        yield Leak(kind="git_file", where=f".git/{file.path}", message=f"holds more than was written for the agent; {REMAKE}")
    if file.path in FILES:
        return
    kind, what = next(((kind, what) for pattern, kind, what in _KINDS if re.match(pattern, file.path)), ("git_file", "is unknown"))
    yield Leak(kind=kind, where=f".git/{file.path}", message=f"{what}; {REMAKE}")
