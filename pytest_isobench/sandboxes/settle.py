"""Settle a tree after it was built: readable by all, writable by its owner alone, and with no bytecode but its own.

A program of the standard library alone that imports nothing of ours: it runs inside the sandbox, with the arm's interpreter, as the
tree's owner. Usage: settle.py TREE SINCE, where SINCE is the time (nanoseconds) at which the arm was placed. Bytecode from before
it was compiled by this program too, and is kept where its source is still the same; all other bytecode is removed, so that neither a
stale nor a forged one ever wins over its source. Sources that do not compile are left for the import to complain about.
"""

from __future__ import annotations

import os
import py_compile
import stat
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash

UNCHECKED_HASH = (1).to_bytes(4, "little")


def main(argv: list[str]) -> None:
    tree, since = argv[1], int(argv[2])
    tidy(tree)
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            tidy(os.path.join(folder, name))
        if os.path.basename(folder) != "__pycache__":
            settle_folder(folder, files, since)


def tidy(path: str) -> None:
    """Let all read it, and its owner alone write it."""
    mode = os.lstat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return
    runs = 0o111 if stat.S_ISDIR(mode) or mode & 0o100 else 0
    wanted = stat.S_IMODE(mode) & 0o700 | 0o644 | runs
    if stat.S_IMODE(mode) != wanted:
        os.chmod(path, wanted)


def settle_folder(folder: str, files: list[str], since: int) -> None:
    sources = [os.path.join(folder, name) for name in files if name.endswith(".py") and is_regular(os.path.join(folder, name))]
    own = {cache_from_source(source): source for source in sources}
    cache = os.path.join(folder, "__pycache__")
    for path in bytecode(folder, files) + bytecode(cache):
        if path in own and is_kept(path, own[path], since):
            del own[path]
        else:
            os.remove(path)
    for source in own.values():
        compile_quietly(source)


def bytecode(folder: str, files: list[str] | None = None) -> list[str]:
    """The compiled files of a folder; a linked folder is none of the tree's, and the link goes."""
    if os.path.islink(folder):
        os.remove(folder)
    if files is None:
        files = os.listdir(folder) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in files if name.endswith(".pyc")]


def is_kept(path: str, source: str, since: int) -> bool:
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_ctime_ns >= since:
        return False
    with open(path, "rb") as file, open(source, "rb") as text:
        return file.read(16) == MAGIC_NUMBER + UNCHECKED_HASH + source_hash(text.read())


def is_regular(path: str) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode)


def compile_quietly(source: str) -> None:
    try:
        py_compile.compile(source, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, OSError, RecursionError, MemoryError):
        return


if __name__ == "__main__":
    main(sys.argv)
