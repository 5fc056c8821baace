"""`fixtures/overrides.yaml`: what single tasks need so that their image can be built, and tasks of which none is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pytest_isobench.benchmarks.overrides import Rules
from pytest_isobench.dataset.documents import Document
from pytest_isobench.models.base import Record
from pytest_isobench.redaction import is_secret_name

Line = Annotated[str, Field(pattern=r"^[^\r\n\x00]*$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Strategy = Literal["requirements", "dockerfile"]


class Override(Record):
    """What differs for one task; the name above it is the task's id, or the beginning (at least 7 digits) of its commit."""

    reason: str = Field("", description="Why; for people.")
    strategy: Strategy = Field("requirements", description="Build from our template, or on the repository's own Dockerfile.")
    dockerfile: str = Field(
        "Dockerfile", pattern=r"^[^/\s][^\r\n\x00]*$", description="Path of the repository's own Dockerfile in its tree."
    )
    base: str | None = Field(None, pattern=r"^[^\s-]\S*$", description="Image to start from.")
    python: str | None = Field(None, pattern=r"^3\.\d+$", description="Python version, instead of the task's.")
    requirements: tuple[Line, ...] | None = Field(None, description="Packages, instead of the task's.")
    setup: tuple[str, ...] = Field((), description="Further shell commands, run after the task's own.")
    env: dict[Variable, Line] = Field({}, description="Environment variables of the image; no secrets.")
    model: Line | None = Field(None, description="Model to load instead of one that is gone: the variable ISOBENCH_MODEL of the image.")

    def variables(self) -> dict[str, str]:
        """Return the image's variables."""
        return {**self.env, **({"ISOBENCH_MODEL": self.model} if self.model else {})}


class Overrides(Record):
    """The file."""

    version: Literal[1]
    overrides: dict[str, Override] = {}
    benchmarks: Rules = Field(Rules(), description="What is known of models and engines; before the packaged rules.")
    blacklist: dict[str, Annotated[str, Field(min_length=1)]] = Field({}, description="Reasons by task id or commit.")

    def of(self, *names: str) -> Override:
        """Return what was said of a task that has these names: its id and its commits."""
        return next((found for key, found in self.overrides.items() if is_named(key, names)), Override())

    def blacklisted(self, *names: str) -> str | None:
        """Return why no image is built of the task with these names; None if one is."""
        return next((reason for key, reason in self.blacklist.items() if is_named(key, names)), None)


SHORTEST = 7
"""Digits that stand for a commit at least."""


def is_named(key: str, names: tuple[str, ...]) -> bool:
    """Tell whether a key is one of the names, or begins a commit among them."""
    is_hash = len(key) >= SHORTEST and set(key) <= set("0123456789abcdef")
    return key in names or (is_hash and any(name.startswith(key) for name in names))


def read_overrides(path: Path) -> Overrides:
    """Read the file; one that does not exist says nothing.

    Raises:
        TaskError: names file, line and field.
    """
    if not path.exists():
        return Overrides(version=1)
    file = Document(path)
    overrides = file.read(Overrides)
    for name, override in overrides.overrides.items():
        for variable in filter(is_secret_name, override.env):
            message = f"{variable} looks like a secret, and images keep what they are given"
            raise file.error(message, ("overrides", name, "env", variable))
    return overrides
