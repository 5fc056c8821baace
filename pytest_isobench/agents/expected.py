"""What a fair work tree looks like, and what must not be seen from it: computed here, from the versions themselves."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from pytest_isobench.agents.looking import cleaned, line_digest
from pytest_isobench.agents.objects import blob_hash, commit_hash, git_objects, read
from pytest_isobench.agents.shingles import tells
from pytest_isobench.agents.worktree import paths
from pytest_isobench.dataset.git import run_plumbing
from pytest_isobench.dataset.patches import parse_patch
from pytest_isobench.dataset.sources.git import GitVersions
from pytest_isobench.dataset.versions import Version, VersionSource
from pytest_isobench.errors import SourceError
from pytest_isobench.models.task import Task

VARIABLES = frozenset(
    {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE", "PWD", "OLDPWD", "SHLVL", "_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
)
"""Variables that every process of a sandbox has."""
TIMEOUT = 120.0
"""Seconds that git may take."""
LINES = 20_000
"""Lines of the human's version that are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package whose releases are a task's versions."""

    name: str
    base: str
    human: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What may be seen, and what must not. Digests are SHA-256, hashes are git's."""

    commit: str
    tree: str
    objects: frozenset[str]
    """All that the repository may hold."""
    blobs: Mapping[str, str]
    """Files of the base version, and their hashes."""
    built: bool = False
    """Whether install commands left more files in the tree."""
    human_commit: str | None = None
    human_blobs: Mapping[str, str] = field(default_factory=dict)
    """Hash to path: files of the human's version that the base version does not have."""
    human_files: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """The same by size and digest."""
    human_lines: frozenset[str] = frozenset()
    """Digests of lines, `looking.line_digest`."""
    package: Package | None = None
    task_files: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """Task files, data sets and workloads by size and digest."""
    attempts: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """Patches of other attempts by size and digest."""
    variables: frozenset[str] = VARIABLES
    hosts: tuple[str, ...] = ()
    """HOST:PORT that must not be reached."""
    places: tuple[str, ...] = ("/", "/dev/shm")  # noqa: S108 - where any program may leave files
    """Where to look; from the root, /dev is left out."""
    network: bool = False
    """Whether there may be a network."""

    def job(self, *, seconds: float = 120.0, entries: int = 3_000_000) -> dict[str, Any]:
        """Return what the program `looking` is asked."""
        known = (*self.human_files, *self.task_files, *self.attempts)
        return {
            "sizes": sorted({size for size, _ in known if size}),
            "lines": sorted(self.human_lines),
            "objects": sorted({*self.human_blobs, *filter(None, [self.human_commit])}),
            "names": [self.package.name] if self.package else [],
            "hosts": self.hosts,
            "places": self.places,
            "seconds": seconds,
            "entries": entries,
        }


def expect(
    task: Task,
    source: VersionSource,
    *,
    task_files: Iterable[Path] = (),
    attempts: Iterable[Path] = (),
    variables: Collection[str] = (),
    hosts: Iterable[str] = (),
    network: bool = False,
) -> Expected:
    """Return what may be seen from a task's work tree. Raises as the source does."""
    base, human = source.baseline(), source.human()
    blobs, objects, tree = git_objects(base.tree)
    changed = {name: content for name, content in changed_files(base, human).items() if blob_hash(content) not in objects}
    telling = {name: content for name, content in changed.items() if any(map(tells, _lines(content)))}
    commit = commit_hash(tree)
    return Expected(
        commit=commit,
        tree=tree,
        objects=frozenset({*objects, commit}),
        blobs=blobs,
        built=bool(task.environment.install),
        human_commit=source.human_commit() if isinstance(source, GitVersions) else None,
        human_blobs={blob_hash(content): name for name, content in telling.items()},
        human_files={identity(content): name for name, content in telling.items()},
        human_lines=frozenset(islice(_new_lines(base, changed), LINES)),
        package=_package(task),
        task_files=identities(task_files),
        attempts=identities(attempts),
        variables=VARIABLES | set(task.environment.variables) | set(variables),
        hosts=tuple(hosts),
        network=network,
    )


def files_of(task: Task, path: Path) -> list[Path]:
    """Return the files that a task is written down in: the task file, and the workload's."""
    return [path, *(path.parent / name for name in task.workload.files)]


def changed_files(base: Version, human: Version) -> dict[str, bytes]:
    """Return path and content of the files of the human's version that the base version does not have so."""
    if human.patch is not None:
        return _patched(human.tree, human.patch)
    found = {name: read(human.tree / name) for name in paths(human.tree)}
    return {name: content for name, content in found.items() if content is not None and content != read(base.tree / name)}


def identity(content: bytes) -> tuple[int, str]:
    """Return size and digest of a content."""
    return len(content), hashlib.sha256(content).hexdigest()


def identities(files: Iterable[Path]) -> dict[tuple[int, str], str]:
    """Return files by size and digest; those that cannot be read are nobody's secret."""
    return {identity(content): path.name for path in files if (content := read(path))}


def _patched(tree: Path, text: str) -> dict[str, bytes]:
    """Apply a patch to a copy of the files that it touches."""
    patch = parse_patch(text)
    with tempfile.TemporaryDirectory(prefix="isobench-human-") as place:
        folder = Path(place)
        before = {}
        for name in patch.files:
            if (content := read(tree / name)) is not None:
                before[name] = content
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(tree / name, folder / name, follow_symlinks=False)
        with tempfile.TemporaryFile() as diff:
            diff.write(patch.data)
            diff.seek(0)
            options = (f"-p{patch.strip}", "--whitespace=nowarn", "-")
            applied = run_plumbing("--git-dir=/dev/null", "apply", *options, folder=folder, stdin=diff, timeout=TIMEOUT)
        if applied.returncode:
            raise SourceError(f"the human's patch does not apply to its base version:\n{applied.tail()}")
        return {name: content for name in patch.files if (content := read(folder / name)) is not None and content != before.get(name)}


def _new_lines(base: Version, changed: Mapping[str, bytes]) -> Iterator[str]:
    """Yield digests of the lines that tell, and that no file of the base version has."""
    new = dict.fromkeys(line for content in changed.values() for line in _lines(content) if tells(line))
    for name in paths(base.tree) if new else ():
        for line in _lines(read(base.tree / name) or b""):
            new.pop(line, None)
    return map(line_digest, new)


def _lines(content: bytes) -> Iterator[str]:
    return map(cleaned, content.decode("utf-8", "replace").split("\n"))


def _package(task: Task) -> Package | None:
    source = task.source
    return Package(name=source.package, base=source.base, human=source.human) if source.kind == "pypi" else None
