"""Git's hashes of a folder, computed without git: what the repository of a work tree must hold, and no more."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from pytest_isobench.agents import repository


def git_objects(tree: Path) -> tuple[dict[str, str], set[str], str]:
    """Return git's hashes of a folder's files, all hashes of its files and folders, and that of the folder itself."""
    blobs: dict[str, str] = {}
    objects: set[str] = set()
    top = _tree_hash(tree, "", blobs, objects) or object_hash("tree", b"")
    return blobs, objects | {top}, top


def commit_hash(tree: str) -> str:
    """Return the hash of the only commit of a work tree's repository."""
    who = f"{repository.PERSON} {repository.DATE}"
    return object_hash("commit", f"tree {tree}\nauthor {who}\ncommitter {who}\n\n{repository.MESSAGE}".encode())


def blob_hash(content: bytes) -> str:
    """Return git's hash of a file's content."""
    return object_hash("blob", content)


def object_hash(kind: str, content: bytes) -> str:
    """Return git's hash of an object."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()  # noqa: S324 - git's own


def read(path: Path) -> bytes | None:
    """Return the content of a file, or where a link leads; None for neither."""
    try:
        return os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
    except OSError:
        return None


def _tree_hash(folder: Path, prefix: str, blobs: dict[str, str], objects: set[str]) -> str | None:
    """Add all hashes below a folder and return its own; None for one without files, which git does not know."""
    rows = []
    for entry in os.scandir(folder):
        name = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            kind, found = "40000", _tree_hash(Path(entry.path), f"{name}/", blobs, objects)
        else:
            kind, found = _mode(entry.stat(follow_symlinks=False).st_mode), blob_hash(read(Path(entry.path)) or b"")
            blobs[name] = found
        if found:
            objects.add(found)
            rows.append((os.fsencode(entry.name), kind, found))
    rows.sort(key=lambda row: row[0] + (b"/" if row[1] == "40000" else b""))  # as git sorts
    content = b"".join(b"%s %s\0%s" % (kind.encode(), name, bytes.fromhex(found)) for name, kind, found in rows)
    return object_hash("tree", content) if rows else None


def _mode(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "120000"
    return "100755" if mode & 0o100 else "100644"
