"""`fixtures/overrides.yaml`: what single tasks need so that their image can be built, and tasks of which none is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from pytest_isobench.dataset.records import Location, dotted, show
from pytest_isobench.dataset.text import read_text
from pytest_isobench.errors import TaskError, nearest
from pytest_isobench.models.base import Record
from pytest_isobench.redaction import is_secret_name

LIMIT = 4 * 2**20
"""Bytes of the largest file."""

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
    file = _File(path, _compose(path))
    try:
        overrides = Overrides.model_validate(file.value(), strict=False)
    except ValidationError as error:
        raise file.error(_first(error)) from None
    for name, override in overrides.overrides.items():
        for variable in filter(is_secret_name, override.env):
            raise file.error(
                _Problem(f"{variable} looks like a secret, and images keep what they are given", ("overrides", name, "env", variable))
            )
    return overrides


@dataclass(frozen=True, slots=True)
class _Problem:
    message: str
    location: Location


@dataclass(frozen=True, slots=True)
class _File:
    """A file as YAML's nodes, which know their lines."""

    path: Path
    node: yaml.Node

    def value(self) -> Any:
        """Return plain data. Raises TaskError."""
        for message, line in _misplaced(self.node):
            raise TaskError(message, path=self.path, line=line)
        try:
            return yaml.constructor.SafeConstructor().construct_document(self.node)
        except yaml.MarkedYAMLError as error:
            where = error.problem_mark.line + 1 if error.problem_mark else None
            raise TaskError(f"is not plain data: {error.problem}", path=self.path, line=where) from None

    def error(self, problem: _Problem) -> TaskError:
        """Return the error with the line of its location, or of the closest thing around it."""
        return TaskError(problem.message, path=self.path, line=self._line(problem.location), field=dotted(problem.location) or None)

    def _line(self, location: Location) -> int:
        node, line = self.node, self.node.start_mark.line
        for step in location:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line + 1


def _compose(path: Path) -> yaml.Node:
    text = read_text(path, limit=LIMIT)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise TaskError(f"is not YAML: {error.problem}", path=path, line=line) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise TaskError(f"is not YAML: {error}", path=path) from None
    if node is None:
        raise TaskError("holds nothing; write 'version: 1'", path=path)
    return node


def _misplaced(top: yaml.Node) -> Iterator[tuple[str, int]]:
    """Yield what YAML allows and this file does not: a name that is given twice, and repeated parts, which may grow without bound."""
    nodes, seen = [top], set[int]()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            yield "aliases (*name) are not allowed here", node.start_mark.line + 1
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            names = [key.value for key, _ in node.value]
            yield from (
                (f"{show(key.value)} is given twice", key.start_mark.line + 1)
                for i, (key, _) in enumerate(node.value)
                if key.value in names[:i]
            )
            nodes += [value for _, value in node.value]


def _child(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark.line, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line, node.value[step]
    return None


def _first(error: ValidationError) -> _Problem:
    errors = sorted(error.errors(include_url=False), key=lambda details: details["type"] != "extra_forbidden")
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    location = tuple(step for step in errors[0]["loc"] if step != "[key]")
    return _Problem(_sentence(errors[0], location) + more, location)


def _sentence(details: ErrorDetails, location: Location) -> str:
    match details["type"]:
        case "extra_forbidden":
            names = list((Overrides if len(location) == 1 else Override).model_fields)
            return f"unknown field{nearest(str(location[-1]), names)}; allowed: {', '.join(names)}"
        case "missing":
            return "is missing"
    message = details["msg"].removeprefix("Input ").replace("valid dictionary or instance of Override", "mapping")
    message = message.replace("valid dictionary or instance of Overrides", "mapping").replace("valid tuple", "list")
    return f"{message[0].lower()}{message[1:]}, not {show(details['input'])}"
