"""Make the root file system of a small image from what is on this machine: this Python with pip, git, bash and busybox.

Nothing is downloaded, and the same machine makes the same bytes each time: `python mkimage.py OUT.tar`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("git", "bash", "busybox")
LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "site-packages"}
"""Folders of Python's library that no test needs."""
PACKAGES = ("pip", "setuptools")
"""Packages that come along when the interpreter has them."""
WHEELS = "/usr/share/python-wheels"
"""Where Debian's Python finds the pip that it puts into environments."""
COMMON = ("libstdc++.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1")
"""Libraries that packages with compiled parts expect everywhere."""
FOLDERS = ("dev", "etc", "home", "proc", "root", "sys", "tmp", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "var/tmp")
MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders that are links into `usr`."""
USER = 1000
"""Who owns the home and work folders: what a container runs as when it is not root."""
WORK = "repo"
USERS = f"root:x:0:0:root:/root:/bin/sh\nrunner:x:{USER}:{USER}::/home:/bin/sh\n"
GROUPS = f"root:x:0:\nrunner:x:{USER}:\n"
LDD_AT_ONCE = 50


class Root:
    """A root file system that is written to a tar archive; every name once, without times."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive, self._seen = archive, set[str]()

    def folder(self, name: str) -> None:
        """Add a folder and those above it."""
        above, _, last = name.rpartition("/")
        if above:
            self.folder(above)
        self._add(name, tarfile.DIRTYPE, 0o1777 if last == "tmp" else 0o755)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._add(name, tarfile.SYMTYPE, 0o777, target=target)

    def text(self, name: str, text: str) -> None:
        """Add a file by its text."""
        self._add(name, tarfile.REGTYPE, 0o644, data=text.encode())

    def file(self, path: str) -> None:
        """Add a file of this machine where it lies; a link becomes the file that it leads to."""
        name = re.sub(rf"^({'|'.join(MERGED)})/", r"usr/\1/", path.removeprefix("/"))
        self.folder(os.path.dirname(name))
        self._add(name, tarfile.REGTYPE, 0o755 if os.access(path, os.X_OK) else 0o644, data=Path(path).read_bytes())

    def _add(self, name: str, kind: bytes, mode: int, *, target: str = "", data: bytes = b"") -> None:
        if name in self._seen:
            return
        self._seen.add(name)
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.linkname, entry.size = kind, mode, target, len(data)
        if name in (WORK, "home"):
            entry.uid = entry.gid = USER
        self._archive.addfile(entry, io.BytesIO(data))


def build(out: Path) -> None:
    """Write the archive."""
    prefix, version = os.path.realpath(sys.base_prefix), f"python3.{sys.version_info.minor}"
    interpreter = f"{prefix}/bin/{version}"
    programs = [path for name in PROGRAMS if (path := shutil.which(name, path="/usr/bin:/bin"))]
    files = [interpreter, *programs, *common_libraries(), *library(Path(prefix, "lib", version)), *walk(Path(WHEELS), set())]
    with tarfile.open(out, "w") as archive:
        root = Root(archive)
        for folder in (*FOLDERS, WORK, "usr/share/git-core/templates", f"{prefix[1:]}/lib/{version}/site-packages"):
            root.folder(folder)
        for name in MERGED:
            root.link(name, f"usr/{name}")
        for path in sorted({*files, *shared_libraries(files)}):
            root.file(path)
        for name in ("python", "python3", version):
            root.link(f"usr/bin/{name}", interpreter)
        for name in applets():
            root.link(f"usr/bin/{name}", "busybox")
        root.text("etc/passwd", USERS)
        root.text("etc/group", GROUPS)


def library(folder: Path) -> Iterator[str]:
    """Yield the files of the standard library, and of the packages that come along."""
    yield from walk(folder, LEFT_OUT)
    for name in PACKAGES:
        for package in (folder / "site-packages" / name, *folder.glob(f"site-packages/{name}-*.dist-info")):
            yield from walk(package, {"__pycache__"})


def walk(folder: Path, left_out: set[str]) -> Iterator[str]:
    """Yield the files below a folder."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in left_out and not name.startswith("config-"))
        yield from (os.path.join(place, name) for name in names if not name.endswith((".a", ".pyc", ".exe")))


def common_libraries() -> set[str]:
    """Return those of the common libraries that this machine has."""
    said = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    return {path for name, path in re.findall(r"^\s*(\S+) .*=> (\S+)$", said, re.MULTILINE) if name in COMMON}


def shared_libraries(files: list[str]) -> set[str]:
    """Return the shared libraries that programs and extension modules load."""
    programs, found = [path for path in files if is_elf(path)], set[str]()
    for start in range(0, len(programs), LDD_AT_ONCE):
        said = subprocess.run(["ldd", *programs[start : start + LDD_AT_ONCE]], capture_output=True, text=True).stdout
        found |= set(re.findall(r"(?:=> |^\s)(/\S+\.so\S*)", said, re.MULTILINE))
    return found


def is_elf(path: str) -> bool:
    """Tell whether this is a program or shared library."""
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def applets() -> list[str]:
    """Return the commands that busybox stands for."""
    busybox = shutil.which("busybox", path="/usr/bin:/bin")
    return subprocess.run([busybox, "--list"], capture_output=True, text=True).stdout.split() if busybox else []


if __name__ == "__main__":
    build(Path(sys.argv[1]))
