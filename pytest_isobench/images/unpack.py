"""A program that runs in an image: move a package's importable files out of its environment into the tree, as the local cache does.

`python -I unpack.py PACKAGE TREE`. It imports the standard library only.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackagePath, distribution


def own_files(package: str) -> Iterator[str]:
    """Yield the package's files inside the folder of packages: no script, no metadata, no bytecode."""
    for path in distribution(package).files or ():
        if is_own(path):
            yield str(path)


def is_own(path: PackagePath) -> bool:
    """Tell whether a recorded file is code or data of the package."""
    folders = path.parts[:-1]
    outside = path.is_absolute() or ".." in folders or "__pycache__" in folders
    return not outside and not re.search(r"\.(dist|egg)-info$", folders[0] if folders else "")


def move(package: str, tree: str) -> None:
    """Move the files; folders that get empty go too."""
    packages = sysconfig.get_path("purelib")
    os.makedirs(tree)
    for name in own_files(package):
        target = os.path.join(tree, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.move(os.path.join(packages, name), target)
        remove_empty(packages, os.path.dirname(name))
    if not os.listdir(tree):
        sys.exit(f"isobench: {package} installs nothing that can be imported")


def remove_empty(packages: str, folder: str) -> None:
    """Remove a folder, and those above it, while they hold nothing."""
    while folder and not os.listdir(os.path.join(packages, folder)):
        os.rmdir(os.path.join(packages, folder))
        folder = os.path.dirname(folder)


if __name__ == "__main__":
    move(*sys.argv[1:])
