"""The text of a tree's files, for a model that cannot look for itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_isobench.errors import UsageError

_HIDDEN = {".git", "__pycache__"}


def text_of(tree: Path, name: str) -> str | None:
    """Return the text of a file inside of a tree; None for what is outside of it, no regular file, or no text."""
    path = tree / name
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts or _HIDDEN & set(parts):
        return None
    try:
        inside = path.resolve().is_relative_to(tree.resolve())
        data = path.read_bytes() if inside and stat.S_ISREG(path.lstat().st_mode) else b"\0"
        return None if b"\0" in data else data.decode("utf-8")
    except (OSError, ValueError):
        return None


def shown(tree: Path, targets: Iterable[str], limit: int) -> dict[str, str]:
    """Return the texts of the files and folders that a task points to, as far as they are there, or of the whole tree.

    Raises:
        UsageError: no target is there, or the texts have more than `limit` bytes.
    """
    wanted = tuple(targets)
    texts: dict[str, str] = {}
    size = 0
    for name in (name for start in wanted or (".",) for name in _below(tree, start)):
        text = text_of(tree, name)
        if text is None or name in texts:
            continue
        texts[name] = text
        size += len(text.encode())
        if size > limit:
            raise UsageError(_too_large(limit, wanted))
    if wanted and not texts:
        raise UsageError(f"none of the task's targets is a file of text, or a folder, of its code: {', '.join(wanted)}")
    return texts


def _below(tree: Path, start: str) -> Iterator[str]:
    """Yield the names of a file, or of all files in a folder, in order; links are not followed."""
    path = tree / start
    if text_of(tree, start) is not None:
        yield os.path.normpath(start)
    elif path.is_symlink() or not path.resolve().is_relative_to(tree.resolve()):
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(set(folders) - _HIDDEN)
        yield from (os.path.normpath(os.path.relpath(Path(folder, file), tree)) for file in sorted(files))


def _too_large(limit: int, targets: tuple[str, ...]) -> str:
    what = f"the targets {', '.join(targets)} have" if targets else "its code has"
    cure = "name fewer" if targets else "name the files to be changed as the task's targets"
    return f"a model is shown a task's code, and {what} more than {limit // 1000} kB: {cure}, or raise the agent's option 'context_kb'"
