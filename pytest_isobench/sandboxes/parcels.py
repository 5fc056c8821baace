"""What is sent into containers: folders of this machine as archives, unpacked there by whoever is to own them."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

UNPACK = """
import os, sys, tarfile
target, mode = sys.argv[1], int(sys.argv[2], 8)
os.umask(0o022)
os.makedirs(os.path.dirname(target), mode, exist_ok=True)
os.makedirs(target, 0o755, exist_ok=True)
safe = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    archive.extractall(target, **safe)
"""
"""Program with the arguments TARGET MODE: unpacks its stdin into a folder; the one above it gets the mode when it is new."""


def pack(folder: Path) -> bytes:
    """Return a folder's content as an archive whose files belong to nobody of this machine."""
    return _archive((path, str(path.relative_to(folder))) for path in sorted(folder.iterdir()))


def pack_files(*files: Path) -> bytes:
    """Return some files as an archive without folders."""
    return _archive((file, file.name) for file in files)


def _archive(members: Iterator[tuple[Path, str]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, name in members:
            archive.add(path, name, filter=_nobodys)
    return buffer.getvalue()


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Forget the owner; what is neither file, folder nor link is left out."""
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def pack_environment(environment: Path, target: str) -> bytes:
    """Return the packages of a virtual environment, its scripts made to start the interpreter of the environment at `target`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for packages in sorted(environment.glob("lib/python3.*/site-packages")):
            archive.add(packages, str(packages.relative_to(environment)), filter=_nobodys)
        for script in sorted((environment / "bin").iterdir()):
            if script.is_file() and not script.is_symlink():
                _add_script(archive, script, environment, target)
    return buffer.getvalue()


def _add_script(archive: tarfile.TarFile, script: Path, environment: Path, target: str) -> None:
    data = script.read_bytes()
    if data.startswith(b"#!"):
        data = data.replace(os.fsencode(environment), target.encode())
    member = tarfile.TarInfo(f"bin/{script.name}")
    member.size, member.mode = len(data), 0o755
    archive.addfile(member, io.BytesIO(data))
