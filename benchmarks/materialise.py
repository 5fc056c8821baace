"""How fast an arm gets its own tree, by the ways there are.

    python benchmarks/materialise.py [folder] [repeats]

The folder is the tree to be given to arms, by default Python's standard library. Every way is tried in turns; a way that this machine
cannot go is left out, with the reason. "own" says whether a write to one arm's file leaves the pristine tree as it was.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_isobench.dataset.materialise import copy_tree

REPEATS = 7

Way = Callable[[Path, Path], None]


def overlay(source: Path, target: Path) -> None:
    upper, work = target.with_name("upper"), target.with_name("work")
    for folder in (upper, work, target):
        folder.mkdir()
    options = f"lowerdir={source},upperdir={upper},workdir={work}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"overlay", bytes(target), b"overlay", 0, options.encode()):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def remove_overlay(target: Path) -> None:
    subprocess.run(["umount", target], check=True)
    for folder in ("upper", "work", "target"):
        shutil.rmtree(target.with_name(folder))


def command(*argv: str) -> Way:
    def run(source: Path, target: Path) -> None:
        done = subprocess.run([*argv, f"{source}/.", str(target)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(done.stderr.strip().splitlines()[-1])

    return run


def worktree(source: Path, target: Path) -> None:
    repository = source.with_name("repository")
    subprocess.run(["git", "-C", repository, "worktree", "add", "--quiet", "--detach", target], check=True)


def remove_worktree(target: Path) -> None:
    subprocess.run(["git", "-C", target.with_name("repository"), "worktree", "remove", "--force", target], check=True)


WAYS: dict[str, tuple[Way, Callable[[Path], None]]] = {
    "overlay": (overlay, remove_overlay),
    "copy, shared blocks if possible": (copy_tree, shutil.rmtree),
    "cp --reflink=always": (command("cp", "-a", "--reflink=always"), shutil.rmtree),
    "cp --reflink=never": (command("cp", "-a", "--reflink=never"), shutil.rmtree),
    "hard links": (command("cp", "-al"), shutil.rmtree),
    "git worktree": (worktree, remove_worktree),
}


def make_repository(source: Path) -> None:
    repository = source.with_name("repository")
    shutil.copytree(source, repository, symlinks=True)
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x", "-c", "core.autocrlf=false"]
    for arguments in (["init", "--quiet"], ["add", "--all", "--force"], ["commit", "--quiet", "--message=x"]):
        subprocess.run([*git, *arguments], check=True)


def disk(folder: Path) -> float:
    """Return the free MB of the file system."""
    os.sync()
    status = os.statvfs(folder)
    return status.f_bfree * status.f_frsize / 1e6


def is_own(source: Path, target: Path) -> bool:
    name = next(path for path in source.rglob("*") if path.is_file()).relative_to(source)
    before = (source / name).read_bytes()
    with (target / name).open("ab") as file:
        file.write(b"changed")
    after = (source / name).read_bytes()
    (source / name).write_bytes(before)
    return after == before


def measure(source: Path, way: Way, remove: Callable[[Path], None]) -> tuple[float, float, float, bool]:
    """Return seconds to make, seconds to remove, MB of disk, and whether the tree is the arm's own."""
    target = source.with_name("target")
    free = disk(source)
    start = time.perf_counter()
    way(source, target)
    made = time.perf_counter() - start
    used = free - disk(source)
    own = is_own(source, target)
    start = time.perf_counter()
    remove(target)
    return made, time.perf_counter() - start, used, own


def main(folder: str = "", repeats: str = str(REPEATS)) -> None:
    tree = Path(folder or sysconfig.get_path("stdlib"))
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as place:
        source = Path(place) / "source"
        copy_tree(tree, source, skip={".git", "site-packages", "__pycache__"})
        make_repository(source)
        files = [path for path in source.rglob("*") if path.is_file()]
        print(f"{tree.name}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB; median of {repeats}")
        results: dict[str, list[tuple[float, float, float, bool]]] = {name: [] for name in WAYS}
        failed: dict[str, str] = {}
        for _ in range(int(repeats)):
            for name in WAYS.keys() - failed.keys():
                try:
                    results[name].append(measure(source, *WAYS[name]))
                except OSError as error:
                    failed[name] = str(error)
                    shutil.rmtree(source.with_name("target"), ignore_errors=True)
    for name, rows in results.items():
        if name in failed:
            print(f"{name:34}not here: {failed[name]}")
        else:
            made, removed, used = (statistics.median(row[column] for row in rows) for column in range(3))
            own = "own" if all(row[3] for row in rows) else "SHARED"
            print(f"{name:34}{made * 1000:7.0f} ms  removed in {removed * 1000:5.0f} ms  {used:6.1f} MB  {own}")


if __name__ == "__main__":
    main(*sys.argv[1:])
