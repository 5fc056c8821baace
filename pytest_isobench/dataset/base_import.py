"""Bringing a tree into a repository of its own: byte for byte, in one pack, with an index beside it."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pytest_isobench.dataset.cache import walk
from pytest_isobench.dataset.commands import TIMEOUT
from pytest_isobench.dataset.git import quoted, run_plumbing
from pytest_isobench.errors import SourceError

REPOSITORY, INDEX = "repository", "index"
"""What an entry of the cache holds."""

_REFERENCE = "refs/isobench/base"
_COMMIT = b"commit %s\ncommitter isobench <> 0 +0000\ndata 0\n" % _REFERENCE.encode()
_GIT = frozenset(map("".join, itertools.product(".", "gG", "iI", "tT")))
"""Names that no tree of git's can hold."""


def import_tree(tree: Path, folder: Path) -> dict[str, str]:
    """Make the repository of a tree in an empty folder, and return the tree's hash as a fact.

    Raises:
        SourceError: git fails.
        OSError: the tree cannot be read, or the disk is full.
    """
    _git("init", "--quiet", "--bare", "--template=", "--object-format=sha1", REPOSITORY, folder=folder)
    with tempfile.TemporaryFile(dir=folder) as stream:
        _write(tree, stream)
        stream.seek(0)
        _git(f"--git-dir={REPOSITORY}", "fast-import", "--quiet", "--done", folder=folder, stdin=stream)
    variables = {"GIT_INDEX_FILE": str(folder.absolute() / INDEX)}
    _git(f"--git-dir={REPOSITORY}", "read-tree", _REFERENCE, folder=folder, variables=variables)
    return {"tree": _git(f"--git-dir={REPOSITORY}", "rev-parse", f"{_REFERENCE}^{{tree}}", folder=folder)}


def _write(tree: Path, stream: IO[bytes]) -> None:
    """Write the tree as git's fast-import reads it."""
    stream.write(_COMMIT)
    for path in walk(tree, skip=_GIT):
        mode = path.lstat().st_mode
        name = quoted(os.fsencode(path.relative_to(tree)))
        if stat.S_ISLNK(mode):
            target = os.fsencode(os.readlink(path))
            _add(stream, name, 0o120000, len(target), io.BytesIO(target))
        elif stat.S_ISREG(mode):
            with path.open("rb") as file:
                _add(stream, name, 0o100755 if mode & 0o111 else 0o100644, os.fstat(file.fileno()).st_size, file)
    stream.write(b"done\n")


def _add(stream: IO[bytes], name: bytes, mode: int, size: int, content: IO[bytes]) -> None:
    stream.write(b"M %o inline %s\ndata %d\n" % (mode, name, size))
    shutil.copyfileobj(content, stream, 2**20)
    stream.write(b"\n")


def _git(*arguments: str, folder: Path, stdin: IO[bytes] | None = None, variables: Mapping[str, str] | None = None) -> str:
    done = run_plumbing(*arguments, folder=folder, stdin=stdin, variables=variables, timeout=TIMEOUT, limited=False)
    if done.returncode:
        raise SourceError(f"a tree could not be brought into a repository: git {arguments[-1]} failed:\n{done.tail()}")
    return done.stdout.strip()
