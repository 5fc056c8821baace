"""Versions that are releases of a package."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from pytest_isobench.dataset.cache import Cache, Entry, key_of, tree_digest
from pytest_isobench.dataset.environments import FOLDER, compile_bytecode, create, environment_key, site_packages
from pytest_isobench.dataset.interpreters import find_interpreter
from pytest_isobench.dataset.packages import newest
from pytest_isobench.dataset.sources.common import TREE, make_version
from pytest_isobench.dataset.versions import BuiltEnvironment, Tree, Version
from pytest_isobench.errors import UsageError
from pytest_isobench.models.task import PypiSource, Task

LATEST = "latest"

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")


class PypiVersions:
    """The releases of a `pypi` source, each in an environment of its own.

    The package's own files are moved out of the environment into the tree, so that they exist once and a patch changes what is imported;
    its dependencies, scripts and metadata stay.
    """

    def __init__(self, task: Task, folder: Path, cache: Cache) -> None:
        del folder
        assert isinstance(task.source, PypiSource)
        self._source, self._cache, self._environment = task.source, cache, task.environment

    def baseline(self) -> Version:
        return self._release(self._source.base)

    def human(self) -> Version:
        return self._release(self._source.human)

    def message(self) -> str:
        return ""

    def base_tree(self) -> Tree:
        """Return the files of the base release, which come with its environment."""
        entry = self._entry(self._source.base)
        return Tree(label=self._source.base, path=entry.path / TREE, digest=entry.facts["tree"])

    def named(self, name: str) -> Version:
        """Return a release by its number; `latest` is the one that pip would install today."""
        if not _VERSION.fullmatch(name):
            raise UsageError(f"{name!r} is no version of a release; allowed: a number such as {self._source.human!r}, or {LATEST!r}")
        return self._release(self._latest() if name == LATEST else name)

    def _latest(self) -> str:
        python = find_interpreter(self._environment.python)
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        key = key_of("newest", self._package, str(python.path), python.version, day)

        def ask(_: Path) -> dict[str, str]:
            return {"version": newest(python.path, self._package)}

        return self._cache.get("newest", key, ask).facts["version"]

    def _release(self, version: str) -> Version:
        entry = self._entry(version)
        environment = BuiltEnvironment(path=entry.path / FOLDER, digest=entry.facts["environment"])
        return make_version(version, entry.path / TREE, entry.facts["tree"], environment)

    def _entry(self, version: str) -> Entry:
        pin = [f"{self._package}=={version}"]
        key = key_of("release", self._package, version, environment_key(self._environment, pin))
        return self._cache.get("releases", key, lambda folder: self._build(folder, pin, key))

    @property
    def _package(self) -> str:
        return canonicalize_name(self._source.package)

    def _build(self, folder: Path, pin: list[str], key: str) -> dict[str, str]:
        venv, tree = folder / FOLDER, folder / TREE
        digest = create(venv, self._environment, pin, key=key)
        extract(venv, self._package, tree)
        compile_bytecode(venv)
        return {"environment": digest, "tree": tree_digest(tree)}


def extract(venv: Path, package: str, tree: Path) -> None:
    """Move a package's importable files out of an environment. Raises UsageError when it has none."""
    packages = site_packages(venv)
    tree.mkdir()
    for name in _own_files(packages, package):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(packages / name, target)
        for folder in list(PurePosixPath(name).parents)[:-1]:
            with suppress(OSError):
                (packages / folder).rmdir()
    if not any(tree.iterdir()):
        raise UsageError(f"{package!r} installs nothing that can be imported, so there is nothing to measure or to patch")


def _own_files(packages: Path, package: str) -> Iterator[str]:
    """Yield the files that the package's record lists inside the folder of packages, its metadata apart."""
    for distribution in importlib.metadata.distributions(path=[str(packages)]):
        if canonicalize_name(distribution.metadata["Name"] or "") == package:
            rows = csv.reader((distribution.read_text("RECORD") or "").splitlines())
            yield from (row[0] for row in rows if row and _is_own(PurePosixPath(row[0])) and (packages / row[0]).is_file())


def _is_own(path: PurePosixPath) -> bool:
    """Whether a recorded file is code or data of the package: no script, no metadata, no bytecode."""
    folders = path.parts[:-1]
    inside = not path.is_absolute() and ".." not in folders
    return inside and "__pycache__" not in folders and not (folders and folders[0].endswith(".dist-info"))
