"""Finding a Python interpreter of a wanted version on this machine."""

from __future__ import annotations

import functools
import glob
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.dataset.commands import run
from pytest_isobench.errors import NotEvaluableError, SourceError

_PROBE = "import json, sys; print(json.dumps([sys.version, sys.base_prefix, sys.version_info[:2]]))"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter that virtual environments can be made from."""

    path: Path
    version: str
    """All that the interpreter says of its version and build."""


@functools.cache
def find_interpreter(version: str | None) -> Interpreter:
    """Return the interpreter of a version such as '3.12'; of the running one for None.

    Raises:
        NotEvaluableError: this machine has none.
    """
    running = f"3.{sys.version_info.minor}"
    if version in (None, running):
        return Interpreter(_base(Path(sys.base_prefix), running, Path(sys.executable)), sys.version)
    assert version is not None
    for candidate in _candidates(version):
        if found := _probe(candidate, version):
            return found
    raise NotEvaluableError(
        f"the task needs Python {version}, and this machine has no python{version} on PATH, in ~/.pyenv/versions or in uv's folder; "
        f"pytest runs on {running}"
    )


def _candidates(version: str) -> Iterator[Path]:
    """Yield the files that may be the interpreter, the newest patch release first within a folder of versions."""
    name = f"python{version}"
    yield from (Path(folder) / name for folder in os.get_exec_path())
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python")
    for pattern in (pyenv / f"{version}.*", uv / f"cpython-{version}.*"):
        yield from (Path(found) / "bin" / name for found in sorted(glob.glob(str(pattern)), key=_patch, reverse=True))


def _patch(folder: str) -> int:
    """Return the third number of the version in a folder's name."""
    part = Path(folder).name.removeprefix("cpython-").split("-")[0].split(".")[-1]
    return int(part) if part.isdigit() else -1


def _probe(path: Path, version: str) -> Interpreter | None:
    """Ask a candidate who it is: the launchers that pyenv puts on PATH exist for versions that are not there."""
    if not os.access(path, os.X_OK) or path.is_dir():
        return None
    try:
        done = run([path, "-I", "-c", _PROBE], environment=os.environ, timeout=20)
        said, prefix, numbers = json.loads(done.stdout)
    except (SourceError, ValueError):
        return None
    return Interpreter(_base(Path(prefix), version, path), said) if numbers == [int(part) for part in version.split(".")] else None


def _base(prefix: Path, version: str, default: Path) -> Path:
    """Return the interpreter itself, when the one that was found belongs to a virtual environment."""
    path = prefix / "bin" / f"python{version}"
    return path if path.exists() else default
