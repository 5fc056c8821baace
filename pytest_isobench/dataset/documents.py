"""Small YAML files as one record: strict, and with errors that name file, line, field and the nearest valid name."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pytest_isobench.dataset.records import Location, dotted, show
from pytest_isobench.dataset.text import read_text
from pytest_isobench.errors import TaskError, nearest
from pytest_isobench.models.base import Record

LIMIT = 4 * 2**20
"""Bytes of the largest file."""

R = TypeVar("R", bound=Record)


class Document:
    """A file as YAML's nodes, which know their lines."""

    def __init__(self, path: Path) -> None:
        """Read a file. Raises TaskError when it is not YAML, or more than plain data."""
        self.path, self.node = path, _compose(path)
        for message, line in _misplaced(self.node):
            raise TaskError(message, path=path, line=line)

    def read(self, model: type[R], change: Callable[[Any], Any] = lambda value: value) -> R:
        """Return the file's content as a record; `change` is made before it is checked. Raises TaskError."""
        try:
            return model.model_validate(change(self.value()), strict=False)
        except ValidationError as error:
            raise self.error(*_first(error, model)) from None

    def value(self) -> Any:
        """Return plain data. Raises TaskError."""
        try:
            return yaml.constructor.SafeConstructor().construct_document(self.node)
        except yaml.MarkedYAMLError as error:
            where = error.problem_mark.line + 1 if error.problem_mark else None
            raise TaskError(f"is not plain data: {error.problem}", path=self.path, line=where) from None

    def error(self, message: str, location: Location) -> TaskError:
        """Return the error with the line of its location, or of the closest thing around it."""
        return TaskError(message, path=self.path, line=self._line(location), field=dotted(location) or None)

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
    """Yield what YAML allows and such a file does not: a name that is given twice, and repeated parts, which may grow without bound."""
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


def _first(error: ValidationError, model: type[BaseModel]) -> tuple[str, Location]:
    errors = sorted(error.errors(include_url=False), key=lambda details: details["type"] != "extra_forbidden")
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    location = tuple(step for step in errors[0]["loc"] if step != "[key]")
    return _sentence(errors[0], location, model) + more, location


def _sentence(details: ErrorDetails, location: Location, model: type[BaseModel]) -> str:
    match details["type"]:
        case "extra_forbidden":
            names = list(_inside(model, location[:-1]).model_fields)
            return f"unknown field{nearest(str(location[-1]), names)}; allowed: {', '.join(names)}"
        case "missing":
            return "is missing"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"should be a mapping, not {show(details['input'])}"
        case "value_error":
            return str(details["ctx"]["error"])
    message = details["msg"].removeprefix("Input ").replace("valid tuple", "list")
    return f"{message[0].lower()}{message[1:]}, not {show(details['input'])}"


def _inside(model: type[BaseModel], location: Location) -> type[BaseModel]:
    """Return the model that describes a location in another one."""
    kind: Any = model
    for step in location:
        if _is_model(kind) and step in kind.model_fields:
            kind = _plain(kind.model_fields[step].annotation)
        else:
            kind = _plain(next((inner for inner in get_args(kind)[::-1] if inner is not Ellipsis), None))
    return kind if _is_model(kind) else model


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _plain(kind: Any) -> Any:
    """Return the type of a value that may also be null."""
    if get_origin(kind) in (Union, types.UnionType):
        return next((inner for inner in get_args(kind) if inner is not type(None)), kind)
    return kind
