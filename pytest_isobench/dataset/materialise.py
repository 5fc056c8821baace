"""Copying a pristine tree for an arm, where it cannot be mounted copy-on-write."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection
from pathlib import Path

_FICLONE = 0x40049409
"""The request of Linux's ioctl that makes one file share another's blocks until one of them is written to."""


def copy_tree(source: Path, target: Path, *, skip: Collection[str] = ()) -> None:
    """Copy a folder's content into a new folder: modes, times and links as they are, blocks shared where the file system can.

    Names in `skip` are left out wherever they stand. Raises OSError.
    """
    target.mkdir(parents=True)
    _copy_folder(os.fspath(source), os.fspath(target), frozenset(skip))


def _copy_folder(source: str, target: str, skip: frozenset[str]) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.name in skip:
                continue
            copy = os.path.join(target, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), copy)
            elif entry.is_dir():
                os.mkdir(copy)
                _copy_folder(entry.path, copy, skip)
            else:
                _copy_file(entry.path, copy)
    shutil.copystat(source, target)


def _copy_file(source: str, target: str) -> None:
    with open(source, "rb") as original, open(target, "xb") as copy:
        try:
            fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
        except OSError:
            # Another file system, or one that cannot share blocks.
            shutil.copyfileobj(original, copy, 2**20)
    shutil.copystat(source, target)
