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
from typing import Any

LARGEST, MOST = 16 * 2**20, 64 * 2**20
"""Bytes of one file, and of all, that are brought back; more is no patch that anybody reads."""


def entries(folder: str, inside: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Yield everything but folders below a folder, by its path in it; git's own folders and bytecode are left out, wherever they are."""
    with os.scandir(os.path.join(folder, inside)) as found:
        for entry in sorted(found, key=lambda entry: entry.name):
            path = os.path.join(inside, entry.name)
            if entry.name in (".git", "__pycache__"):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from entries(folder, path)
            else:
                yield path, entry.stat(follow_symlinks=False)


def changes(folder: str, base: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """Yield the files that are new or differ, then those that are gone."""
    left, room = dict(base), MOST
    for path, status in entries(folder):
        before = left.pop(path, None)
        mode = stat.S_IFMT(status.st_mode)
        if mode == stat.S_IFLNK:
            found, data = "120000", os.fsencode(os.readlink(os.path.join(folder, path)))
        elif mode != stat.S_IFREG:
            yield {"path": path, "refused": "is neither a file nor a link"}
            continue
        elif status.st_size > LARGEST:
            yield {"path": path, "refused": f"has {status.st_size} bytes"}
            continue
        else:
            found = "100755" if status.st_mode & 0o100 else "100644"
            with open(os.path.join(folder, path), "rb") as file:
                data = file.read()
        if before == [found, hashlib.sha256(data).hexdigest()]:
            continue
        room -= len(data)
        if room < 0:
            yield {"path": path, "refused": "is beyond the limit of all changes together"}
            continue
        yield {"path": path, "mode": found, "data": base64.b64encode(data).decode()}
    for path in left:
        yield {"path": path, "gone": True}


def main() -> int:
    base = json.load(sys.stdin)["base"]
    for change in changes(".", base):
        print(json.dumps(change))
    return 0


if __name__ == "__main__":
    sys.exit(main())
