"""Finds what an agent has changed in its work tree; a program of its own, for the standard library only, run when the agent is gone.

It gets the files of the base tree as JSON on stdin, path to mode and digest,
and says on stdout, a line of JSON for each, those that differ.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

LARGEST, MOST = 16 * 2**20, 64 * 2**20
"""Bytes of one file, and of all, that are brought back; more is no patch that anybody reads."""
MANY = 20_000
"""Files that may differ."""
UNREADABLE = "cannot be read"


def entries(folder: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield everything but folders below a folder, by its path in it, with None for a folder that cannot be looked into.

    Git's own folders and bytecode are left out, wherever they are. However deep the folders are, this goes no deeper itself.
    """
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            found = sorted(os.scandir(opened(os.path.join(folder, inside))), key=lambda entry: entry.name)
        except OSError:
            yield inside, None
            continue
        for entry in found:
            path = os.path.join(inside, entry.name)
            if entry.name in (".git", "__pycache__"):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            else:
                yield path, entry.stat(follow_symlinks=False)


def opened(path: str) -> str:
    """Give a folder, or a file, the right to be read by its owner, which the agent may have taken away."""
    with suppress(OSError):
        mode = os.lstat(path).st_mode
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o400
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            os.chmod(path, stat.S_IMODE(mode) | wanted)
    return path


def content(path: str, status: os.stat_result) -> tuple[str, bytes] | str:
    """Return mode and content of a file or link, or why it is refused."""
    kind = stat.S_IFMT(status.st_mode)
    try:
        if kind == stat.S_IFLNK:
            return "120000", os.fsencode(os.readlink(path))
        if kind != stat.S_IFREG:
            return "is neither a file nor a link"
        if status.st_size > LARGEST:
            return f"has {status.st_size} bytes"
        with open(opened(path), "rb") as file:
            return ("100755" if status.st_mode & 0o100 else "100644"), file.read()
    except OSError as error:
        return f"{UNREADABLE}: {error.strerror}"


def changes(folder: str, base: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """Yield the files that are new or differ, then those that are gone; some are refused, with the reason."""
    left, room = dict(base), MOST
    for path, status in entries(folder):
        if status is None:
            left = {name: facts for name, facts in left.items() if path and not name.startswith(path + "/")}
            yield {"path": path or ".", "refused": UNREADABLE}
            continue
        before, found = left.pop(path, None), content(os.path.join(folder, path), status)
        if isinstance(found, str):
            yield {"path": path, "refused": found}
            continue
        mode, data = found
        if before == [mode, hashlib.sha256(data).hexdigest()]:
            continue
        room -= len(data)
        if room < 0:
            yield {"path": path, "refused": "is beyond the limit of all changes together"}
        else:
            yield {"path": path, "mode": mode, "data": base64.b64encode(data).decode()}
    for path in left:
        yield {"path": path, "gone": True}


def main() -> int:
    base = json.load(sys.stdin)["base"]
    for number, change in enumerate(changes(".", base)):
        if number == MANY:
            print(json.dumps({"path": ".", "refused": f"more than {MANY} files differ"}))
            break
        print(json.dumps(change))
    return 0


if __name__ == "__main__":
    sys.exit(main())
