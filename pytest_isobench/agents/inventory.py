"""What was seen in a sandbox: the answer of `looking`, which may be huge, broken or made up."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from pytest_isobench.models.base import Record

Text = Annotated[str, StringConstraints(max_length=65_536)]
Hash = Annotated[str, StringConstraints(max_length=64)]


class GitFile(Record):
    """A file of the repository that is no loose object."""

    path: Text
    head: Text = ""


class Repository(Record):
    """A repository; the work tree's own to the last object."""

    path: Text
    own: bool
    holds: tuple[Hash, ...]
    """Objects of the human's version that it has."""
    alternates: tuple[Text, ...] = ()
    objects: tuple[tuple[Hash, Text], ...] = ()
    """Name and kind."""
    refs: dict[Text, Hash] = {}
    config: tuple[Text, ...] = ()
    files: tuple[GitFile, ...] = ()
    complete: bool = True


class TreeFile(Record):
    """A file or link of the work tree."""

    path: Text
    blob: Hash
    mode: Hash


class Named(Record):
    """An installed distribution, or an archive of one."""

    name: Text
    version: Text
    path: Text


class Cached(Record):
    """A folder that some program keeps downloads in."""

    kind: Text
    path: Text
    entries: tuple[Text, ...]


class SeenFile(Record):
    """A file outside of the system and the tree, or one of a size that was asked for."""

    path: Text
    size: int
    sha256: Hash
    lines: int
    """Lines of the human's version that it holds, each counted once."""


class Network(Record):
    """What tells of a network."""

    reached: tuple[Text, ...]
    servers: tuple[Text, ...]
    routes: tuple[Text, ...]
    """Interfaces with a default route."""


class Inventory(Record):
    """All that was seen."""

    version: Literal[1]
    cwd: Text
    repositories: tuple[Repository, ...]
    tree: tuple[TreeFile, ...]
    packages: tuple[Named, ...]
    archives: tuple[Named, ...]
    caches: tuple[Cached, ...]
    files: tuple[SeenFile, ...]
    variables: tuple[Text, ...]
    network: Network
    complete: bool
    """Whether everything was looked at."""
    notes: tuple[Text, ...]
