"""The project's ini values, read as pytest reads them, for commands that run without pytest."""

from __future__ import annotations

import configparser
import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_isobench.errors import UsageError

_INI_FILES = (("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))


@dataclass(frozen=True, slots=True)
class Ini:
    """The values of the closest configuration file, and its folder."""

    home: Path
    values: dict[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """Return a value; None when it is not set, or empty."""
        return str(self.values.get(name) or "") or None

    def paths(self, name: str, default: list[str]) -> list[Path]:
        """Return a list of paths, which start at the file's folder."""
        value = self.values.get(name, default)
        return [self.home / item for item in (shlex.split(value) if isinstance(value, str) else value)]


def read_ini(start: Path) -> Ini:
    """Return the configuration of the project that a folder belongs to; without any, the folder is the project.

    Raises:
        UsageError: the file is broken.
    """
    for folder in (start, *start.parents):
        for values in (_toml(folder / "pytest.toml", "pytest"), _toml(folder / ".pytest.toml", "pytest")):
            if values is not None:
                return Ini(folder, values)
        for name, section in _INI_FILES[:2]:
            if (values := _ini(folder / name, section)) is not None:
                return Ini(folder, values)
        if (values := _pyproject(folder / "pyproject.toml")) is not None:
            return Ini(folder, values)
        for name, section in _INI_FILES[2:]:
            if values := _ini(folder / name, section):
                return Ini(folder, values)
    return Ini(start)


def _pyproject(path: Path) -> dict[str, Any] | None:
    tool = _toml(path, "tool")
    pytest_: dict[str, Any] | None = (tool or {}).get("pytest")
    return pytest_.get("ini_options", pytest_) if pytest_ is not None else None


def _toml(path: Path, section: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] | None = tomllib.loads(path.read_text(encoding="utf-8")).get(section)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from None
    return found


def _ini(path: Path, section: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (OSError, ValueError, configparser.Error) as error:
        raise UsageError(f"{path}: {error}") from None
    if parser.has_section(section):
        return dict(parser[section])
    return {} if path.name.endswith("pytest.ini") else None
