"""What an environment's interpreter needs to be seen, besides the environment and the system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_isobench.errors import SandboxError

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Folders of the system that every candidate may read."""


def needs(environment: Path) -> tuple[Path, ...]:
    """Return the prefixes of the interpreter behind a virtual environment, by every name that leads to them; none of the system's.

    Raises:
        SandboxError: the interpreter is missing, or its prefix holds a home folder, which no candidate may see.
    """
    found: list[Path] = []
    for prefix in _prefixes(environment):
        if _is_covered(prefix, [environment, *map(Path, SYSTEM), *found]):
            continue
        if any(home.is_relative_to(prefix) for home in (Path.home(), Path("/home"), Path("/root"))):
            raise SandboxError(f"the interpreter of {environment} is in {prefix}, which would show home folders; use another Python")
        found.append(prefix)
    return tuple(found)


def packages(prefix: Path) -> Iterator[Path]:
    """Yield the folders of what is installed for an interpreter itself, which no environment of it uses."""
    for name in ("site-packages", "dist-packages"):
        yield from prefix.glob(f"lib*/python3*/{name}")


def _prefixes(environment: Path) -> Iterator[Path]:
    """The folder above `bin` for the base interpreter, and for every link on the way to it."""
    for start in (environment / "bin" / "python", *_home(environment)):
        if not start.exists():
            raise SandboxError(f"{environment} has no working interpreter: {start} is missing; remove the environment to build it again")
        for name in _links(start):
            yield name.parent.parent
            yield name.parent.resolve().parent


def _links(name: Path) -> Iterator[Path]:
    """A file, and every name that a link leads to."""
    yield name
    while name.is_symlink():
        name = name.parent / name.readlink()
        yield name


def _home(environment: Path) -> list[Path]:
    """The folder of the interpreter that made the environment, as `pyvenv.cfg` names it."""
    try:
        lines = (environment / "pyvenv.cfg").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [Path(value.strip(), "python3") for key, _, value in (line.partition("=") for line in lines) if key.strip() == "home"]


def _is_covered(path: Path, folders: list[Path]) -> bool:
    return path == Path("/") or any(path.is_relative_to(folder) for folder in folders)
