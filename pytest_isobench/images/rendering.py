"""Dockerfiles from templates: the project's own in `fixtures/images`, else those of the package."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pytest_isobench.dataset import templates

IMAGE = "/isobench/image"
"""Where an image keeps what is ours: `tree` and `env`."""

TemplateName = Literal["cpu", "cuda"]

_PACKAGED = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a template knows."""

    base: str
    python: str
    pip: bool
    """Whether the environment needs pip: for its packages, or for commands that may call it."""
    requirements: tuple[str, ...]
    wheels: bool
    """Whether packages come from a folder instead of an index."""
    setup: tuple[str, ...]
    variables: dict[str, str]
    package: str | None
    """The package whose release is the tree; None where the tree is copied."""


def render(name: TemplateName, contents: Contents, folder: Path) -> str:
    """Return the Dockerfile. Raises UsageError for a template that cannot be used."""
    values = {**asdict(contents), "image": IMAGE}
    return templates.render(f"{name}.Dockerfile.j2", values, folder=folder, packaged=_PACKAGED, filters={"quoted": quoted, "shell": shell})


def quoted(text: str) -> str:
    """Return a value as a Dockerfile's ENV takes it: no variable in it is replaced."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


def shell(command: str) -> str:
    """Return what follows RUN: one line, whatever lines the command has."""
    return json.dumps(["/bin/sh", "-c", command])
