"""Where an agent's program lies, and which folders it needs to be seen in a sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pytest_isobench.errors import UsageError
from pytest_isobench.sandboxes.interpreter import SYSTEM, needs

PATIENCE = 60.0
"""Seconds in which a program says its version."""


def locate(command: str) -> Path:
    """Return the full path of a program. Raises `UsageError` when there is none."""
    found = shutil.which(os.path.expanduser(command))
    if found is None:
        raise UsageError(f"the program {command!r} is not installed, or not on PATH: install it, or name it under 'command'")
    return Path(found).absolute()


def version(command: Sequence[str]) -> str:
    """Return the first line that a program prints when it is asked for its version; empty when there is no way to ask, or no answer."""
    if not command:
        return ""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "LANG": "C.UTF-8"}
        try:
            done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except (OSError, ValueError, subprocess.SubprocessError):
            return ""
    return (done.stdout.strip() or done.stderr.strip()).split("\n")[0][:200]


def folders(program: Path, further: Iterable[str] = ()) -> tuple[Path, ...]:
    """Return the folders to show: of the program, of what its links lead to, and those that an agent's file names.

    Raises:
        UsageError: a folder does not exist, or it would show home folders.
    """
    found: list[Path] = []
    homes = [_home(name) for name in _links(program)]
    interpreters = [prefix for home in homes if _is_environment(home) for prefix in needs(home)]
    named = [Path(name).expanduser().absolute() for name in further]
    for folder in [*homes, *interpreters, *named]:
        if any(folder.is_relative_to(known) for known in (*map(Path, SYSTEM), *found)):
            continue
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder; 'programs' names folders that the agent's program needs")
        if any(home.is_relative_to(folder) for home in (Path.home(), Path("/home"), Path("/root"), Path("/tmp"))):  # noqa: S108
            raise UsageError(f"{program} would need {folder}, which would show home folders: install it in a folder of its own")
        found = [*(known for known in found if not known.is_relative_to(folder)), folder]
    return tuple(found)


def later_releases(shown: Iterable[Path], package: str, base: str) -> list[str]:
    """Return which releases of a package that are later than its base version lie in the folders of a program written in Python."""
    from importlib.metadata import distributions

    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    places = [str(place) for folder in shown for place in folder.glob("lib*/python3*/site-packages")]
    found = []
    for distribution in distributions(path=places):
        with suppress(InvalidVersion):
            same = canonicalize_name(distribution.metadata["Name"] or "") == canonicalize_name(package)
            if same and Version(distribution.version) > Version(base):
                found.append(f"{package} {distribution.version}")
    return found


def _links(program: Path) -> Iterator[Path]:
    """Yield a program's path, and that of each link on the way to the file."""
    yield program
    while program.is_symlink():
        program = Path(os.path.normpath(program.parent / program.readlink()))
        yield program


def _home(program: Path) -> Path:
    """Return the folder that a program was installed into: of packages of npm, of an environment of Python, else the one it lies in."""
    for folder in program.parents:
        if folder.name == "node_modules" or _is_environment(folder):
            return folder
    return program.parent


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").is_file()
