"""Judges what an agent could see: everything that gives an answer away, and everything that was not shown to give none away.

The repository is judged as a closed world: what its files and objects must be is known, and whatever else is there is a leak. What lies
elsewhere is judged by what it is: a file or a line of the human's version, a later release, a task file, another attempt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import ValidationError

from pytest_isobench.agents import looking
from pytest_isobench.agents.expected import Expected
from pytest_isobench.agents.inventory import Inventory, Named, SeenFile
from pytest_isobench.agents.repositories import of_own, of_repositories
from pytest_isobench.agents.worktree import WorkTree, open_worktree
from pytest_isobench.dataset.versions import VersionSource
from pytest_isobench.errors import SandboxError
from pytest_isobench.models.leak import Leak, LeakKind
from pytest_isobench.models.task import Task
from pytest_isobench.redaction import is_secret_name
from pytest_isobench.sandboxes.base import SandboxProvider

LOOKING = Path(looking.__file__)
"""The program that looks around."""
LIMIT = 64 * 2**20
"""Bytes of the largest inventory."""
SHOWN = 20
"""Leaks of one kind that are listed."""
HITS = 2
"""Lines of the human's version that make a file a part of it, where there are so many."""
DATA_SETS = (".jsonl", ".json", ".parquet", ".csv")


def leaks_in(provider: SandboxProvider, task: Task, source: VersionSource, expected: Expected) -> tuple[Leak, ...]:
    """Make a task's work tree as an agent gets it, look around in it, and return what leaks. Raises as `open_worktree` and `look` do."""
    with open_worktree(provider, task, source.baseline()) as worktree:
        return audit(look(worktree, expected), expected)


def look(worktree: WorkTree, expected: Expected, *, seconds: float = 120.0, network: bool = False) -> bytes:
    """Look around in an open work tree and return the inventory, cut off where it is too long. Raises `SandboxError` when that fails."""
    job = expected.job(seconds=seconds)
    done = worktree.program(LOOKING, job, timeout=2 * seconds + 60, output_limit=LIMIT, network=network)
    if done.returncode and not done.truncated:
        said = done.stderr[-2000:].decode(errors="replace")
        raise SandboxError(f"looking around in the work tree ended with status {done.returncode}: {said}")
    return done.stdout


def audit(inventory: bytes, expected: Expected) -> tuple[Leak, ...]:
    """Return the leaks that an inventory shows, at most a few of each kind. Never fails: one that cannot be read is a leak itself."""
    try:
        seen = Inventory.model_validate_json(inventory[:LIMIT])
    except (ValidationError, RecursionError) as error:
        told = str(error).splitlines()[0]
        return (Leak(kind="inventory", where="inventory", message=f"cannot be read, so nothing is known ({told}); look again"),)
    return tuple(_few(leak for check in CHECKS for leak in check(seen, expected)))


def _completeness(seen: Inventory, expected: Expected) -> Iterator[Leak]:  # noqa: ARG001
    if not seen.complete:
        yield _leak("unseen", "/", "there is more than could be looked at; show the sandbox less, or give more time")
    for note in seen.notes:
        yield _leak("unseen", note.partition(": ")[0], f"could not be looked at ({note}); remove it, or make it readable")


def _tree(seen: Inventory, expected: Expected) -> Iterator[Leak]:
    found = {file.path: file for file in seen.tree}
    for path, file in found.items():
        if file.blob in expected.human_blobs:
            yield _leak("human_file", path, f"is the human's {expected.human_blobs[file.blob]}; the tree must be the base version's")
        elif path not in expected.blobs and not expected.built and not _is_bytecode(path):
            yield _leak("tree_file", path, "is no file of the base version; remove it")
        elif path in expected.blobs and expected.blobs[path] != file.blob and not expected.built:
            yield _leak("tree_file", path, "is not as in the base version; the tree must be the base version's")
    for path in expected.blobs.keys() - found.keys() if not expected.built else ():
        yield _leak("tree_file", path, "is missing, or was not shown; the tree must be the base version's")


def _files(seen: Inventory, expected: Expected) -> Iterator[Leak]:
    for file in seen.files:
        key = (file.size, file.sha256)
        if key in expected.human_files:
            yield _leak("human_file", file.path, f"is the human's {expected.human_files[key]}; remove it, or do not show it")
        elif key in expected.attempts:
            yield _leak("attempt", file.path, f"is another attempt's patch, {expected.attempts[key]}; do not show it")
        elif key in expected.task_files:
            name = expected.task_files[key]
            kind: LeakKind = "data_set" if name.endswith(DATA_SETS) else "task_file"
            yield _leak(kind, file.path, f"is {name}, where the human's version is named; do not show it")
        elif _holds_answer(file, expected):
            yield _leak("human_file", file.path, f"holds {file.lines} lines that only the human's version has; do not show it")


def _packages(seen: Inventory, expected: Expected) -> Iterator[Leak]:
    for package in seen.packages:
        if _is_later(package, expected):
            yield _leak("release", package.path, f"is {package.name} {package.version}, {_than(expected)}; uninstall it")
    for archive in seen.archives:
        if _is_later(archive, expected):
            yield _leak("wheel", archive.path, f"holds {archive.name} {archive.version}, {_than(expected)}; remove it")


def _caches(seen: Inventory, expected: Expected) -> Iterator[Leak]:
    for cache in seen.caches:
        name = cache.path.rpartition("/")[2]
        if cache.kind == "torch" or (cache.kind == "hub" and not name.startswith("models--")):
            yield _leak("hub_cache", cache.path, "is a download of code or data, which may hold the human's version; do not show it")
        elif cache.kind == "pip" and name.startswith("http") and expected.package:
            yield _leak("wheel", cache.path, "is a cache of downloads that may hold later releases; empty it")
        elif cache.kind == "conda":
            named = (entry.rsplit("-", 2) for entry in cache.entries if entry.count("-") >= 2)
            for package in (Named(name=parts[0], version=parts[1], path=f"{cache.path}/{'-'.join(parts)}") for parts in named):
                if _is_later(package, expected):
                    yield _leak("wheel", package.path, f"holds {package.name} {package.version}, {_than(expected)}; remove it")


def _variables(seen: Inventory, expected: Expected) -> Iterator[Leak]:
    for name in seen.variables:
        if name not in expected.variables:
            kind: LeakKind = "secret" if is_secret_name(name) else "variable"
            yield _leak(kind, name, "is a variable that nobody gave to the agent; take it out of the sandbox's environment")


def _network(seen: Inventory, expected: Expected) -> Iterator[Leak]:
    if expected.network:
        return
    for host in seen.network.reached:
        yield _leak("network", host, "can be reached; run agents in a sandbox without network, or with the model's host alone")
    for interface in seen.network.routes:
        yield _leak("network", interface, "leads to a network; run agents in a sandbox without one, or with the model's host alone")


Check = Callable[[Inventory, Expected], Iterable[Leak]]
CHECKS: tuple[Check, ...] = (of_own, of_repositories, _tree, _files, _packages, _caches, _variables, _network, _completeness)


def _holds_answer(file: SeenFile, expected: Expected) -> bool:
    return file.lines >= min(HITS, max(1, len(expected.human_lines)))


def _is_later(package: Named, expected: Expected) -> bool:
    if expected.package is None or canonicalize_name(package.name) != canonicalize_name(expected.package.name):
        return False
    try:
        return Version(package.version) > Version(expected.package.base)
    except InvalidVersion:
        return package.version != expected.package.base


def _than(expected: Expected) -> str:
    return f"later than {expected.package.base}" if expected.package else ""


def _is_bytecode(path: str) -> bool:
    return path.endswith((".pyc", ".pyo")) and "__pycache__/" in path


def _few(leaks: Iterable[Leak]) -> Iterator[Leak]:
    """Pass on some leaks of each kind, and one that counts the others."""
    counts: Counter[LeakKind] = Counter()
    for leak in leaks:
        counts[leak.kind] += 1
        if counts[leak.kind] <= SHOWN:
            yield leak
    for kind, count in counts.items():
        if count > SHOWN:
            yield _leak(kind, "and more", f"{count - SHOWN} more of this kind")


def _leak(kind: LeakKind, where: str, message: str) -> Leak:
    return Leak(kind=kind, where=where[:500], message=message[:2000])
