"""The options about containers, read into one record."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pytest_isobench.errors import UsageError
from pytest_isobench.models.container import ContainerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIZES = {"": 1 / 2**20, "k": 1 / 2**10, "m": 1, "g": 2**10, "t": 2**20}
"""Megabytes."""
FIELDS = {"memory": "memory_mb", "shm-size": "shm_mb", "mount": "mounts"}
"""Options whose field has another name."""
WITHOUT = ("local", "fake")
"""Sandboxes that know no containers."""


def container_settings(given: Mapping[str, Any], sandbox: str, here: Path, time: Callable[[str], float]) -> ContainerSettings:
    """Make the record from the options' texts; `time` reads a time, and relative paths start at `here`.

    Raises:
        UsageError: a value that cannot be, or any at all for a sandbox without containers.
    """
    said = {name: value for name, value in given.items() if value not in (None, [], ())}
    if said and sandbox in WITHOUT:
        name = next(iter(said))
        raise UsageError(f"--isobench-{name} is about containers, and the sandbox {sandbox} has none: use --isobench-sandbox=docker")
    values = {FIELDS.get(name, name): _read(name, value, sandbox, here, time) for name, value in said.items()}
    try:
        return ContainerSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        name = next((option for option, known in FIELDS.items() if known == field), field)
        raise UsageError(f"--isobench-{name}={_shown(first['input'])}: {first['msg'].lower()}") from error


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _read(name: str, value: Any, sandbox: str, here: Path, time: Callable[[str], float]) -> Any:
    try:
        if name in ("memory", "shm-size"):
            return megabytes(value)
        if name in ("life", "wait"):
            return time(value)
    except ValueError as error:
        raise UsageError(f"--isobench-{name}={value}: {error}") from None
    if name == "mount":
        return tuple(_mount(mount, here if sandbox != "modal" else None) for mount in value)
    return value


def megabytes(text: str) -> int:
    """Read `512m`, `16g` or a number of bytes. Raises `ValueError`."""
    found = re.fullmatch(r"(\d+(?:\.\d*)?)([kmgt]?)b?", text.strip().lower())
    if found is None or not (size := int(float(found[1]) * SIZES[found[2]])):
        raise ValueError("give a size of at least 1 MB, such as 512m or 16g")
    return size


def _mount(text: str, here: Path | None) -> str:
    """Check a mount; without `here` it is a volume of somebody else's machine."""
    folder, colon, target = text.partition(":")
    if not colon or not folder or not target.startswith("/"):
        raise UsageError(f"--isobench-mount={text}: give HOST:CONTAINER, such as ~/models:/models")
    if here is None:
        return text
    path = here / Path(folder).expanduser()
    if not path.is_dir():
        raise UsageError(f"--isobench-mount={text}: there is no folder {path}")
    return f"{path.resolve()}:{target}"

