"""Agents that files describe: `agents/NAME.yaml` of the project, and the package's own beneath them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_isobench.agents.drivers import DRIVERS, load_driver
from pytest_isobench.agents.drivers.base import Driver, Model
from pytest_isobench.dataset.documents import Document
from pytest_isobench.errors import nearest
from pytest_isobench.models.agent import AgentSpec
from pytest_isobench.redaction import is_secret_name

PACKAGED = Path(__file__).with_name("packaged")
"""Folder of the agents that the package brings."""
SUFFIX = ".yaml"
_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def names(folder: Path) -> tuple[str, ...]:
    """Return the names of all agents that files describe."""
    return tuple(sorted({path.stem for place in (folder, PACKAGED) for path in place.glob(f"*{SUFFIX}") if path.is_file()}))


def find(name: str, folder: Path) -> Path | None:
    """Return the file of an agent, the project's own before the package's; None when there is neither."""
    return next((path for place in (folder, PACKAGED) if (path := place / f"{name}{SUFFIX}").is_file()), None)


def read(path: Path, variables: Mapping[str, str] = os.environ) -> AgentSpec:
    """Read an agent's file; `${NAME}` and `${NAME:-default}` in it stand for variables.

    Raises:
        TaskError: names file, line and field.
    """
    document = Document(path)

    def fill(value: Any, *location: str | int) -> Any:
        if isinstance(value, dict):
            return {key: fill(inner, *location, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner, *location, index) for index, inner in enumerate(value)]
        return _filled(value, variables, document, location) if isinstance(value, str) else value

    spec = document.read(AgentSpec, fill)
    for name in filter(is_secret_name, spec.variables):
        raise document.error(f"{name} looks like a secret; name it under 'environment' to have it handed on", ("variables", name))
    if spec.driver not in DRIVERS:
        known = ", ".join(DRIVERS)
        raise document.error(f"there is no driver {spec.driver!r}{nearest(spec.driver, DRIVERS)}; there are {known}", ("driver",))
    _check_options(spec, load_driver(spec.driver), document)
    return spec


def _check_options(spec: AgentSpec, driver: Driver | Model, document: Document) -> None:
    for name in spec.options:
        if name not in driver.options.model_fields:
            allowed = list(driver.options.model_fields)
            said = f"unknown option{nearest(name, allowed)}; the driver {spec.driver} has {', '.join(allowed) or 'none'}"
            raise document.error(said, ("options", name))
    try:
        driver.options.model_validate(spec.options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise document.error(first["msg"], ("options", *first["loc"])) from None


def _filled(text: str, variables: Mapping[str, str], document: Document, location: tuple[str | int, ...]) -> str:
    for match in _REFERENCE.finditer(text):
        if match["default"] is None and not variables.get(match["name"]):
            said = f"the variable {match['name']} is not set; set it, or give a default: ${{{match['name']}:-...}}"
            raise document.error(said, location)
    return _REFERENCE.sub(lambda match: variables.get(match["name"]) or match["default"], text)
