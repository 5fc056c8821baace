"""A build's context: the archive that is sent to the engine, the same bytes for the same content."""

from __future__ import annotations

import io
import stat
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pytest_isobench.dataset.cache import walk

DOCKERFILE = "Dockerfile"
LEFT_OUT = frozenset({".git"})
"""History holds the answer; trees of the cache have none, and this makes sure."""


def our_context(dockerfile: str, files: Mapping[str, Path | bytes]) -> IO[bytes]:
    """Return the archive of our own Dockerfile and what it copies, to be closed by the caller."""
    with_dockerfile = {DOCKERFILE: dockerfile.encode(), **files}
    return _archive(with_dockerfile)


def tree_context(tree: Path) -> IO[bytes]:
    """Return the archive of a tree, for the Dockerfile in it."""
    return _archive({"": tree})


def _archive(files: Mapping[str, Path | bytes]) -> IO[bytes]:
    out = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, content in sorted(files.items()):
                _add(archive, name, content)
        out.seek(0)
    except BaseException:
        out.close()
        raise
    return out


def _add(archive: tarfile.TarFile, name: str, content: Path | bytes) -> None:
    if isinstance(content, bytes):
        archive.addfile(_entry(name, tarfile.REGTYPE, 0o644, len(content)), io.BytesIO(content))
    elif content.is_dir():
        if name:
            archive.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
        for path in walk(content, skip=LEFT_OUT):
            _add_path(archive, "/".join(filter(None, (name, path.relative_to(content).as_posix()))), path)
    else:
        _add_path(archive, name, content)


def _add_path(archive: tarfile.TarFile, name: str, path: Path) -> None:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        entry = _entry(name, tarfile.SYMTYPE, 0o777)
        entry.linkname = str(path.readlink())
        archive.addfile(entry)
    elif stat.S_ISDIR(status.st_mode):
        archive.addfile(_entry(name, tarfile.DIRTYPE, 0o755))
    else:
        with path.open("rb") as file:
            archive.addfile(_entry(name, tarfile.REGTYPE, 0o755 if status.st_mode & 0o111 else 0o644, status.st_size), file)


def _entry(name: str, kind: bytes, mode: int, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.size = kind, mode, size
    return entry
