"""What calls of programs have in common: options, variables, and the host of a model's service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from pytest_isobench.agents.drivers.base import Job
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec
from pytest_isobench.models.base import Record

R = TypeVar("R", bound=Record)


def options_of(spec: AgentSpec, kind: type[R]) -> R:
    """Return an agent's options as its driver declares them. Raises `UsageError`."""
    try:
        return kind.model_validate(spec.options)
    except ValidationError as error:
        raise UsageError(str(error)) from None


def variables_of(job: Job) -> dict[str, str]:
    """Return the variables that the caller hands on and those that the agent's file sets."""
    return {**job.variables, **job.spec.variables}


def host_of(variables: Mapping[str, str], name: str, default: str) -> str:
    """Return HOST:PORT of the URL in a variable, or in a default where it is not set. Raises `UsageError` for what is no URL."""
    url = variables.get(name) or default
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    if port is None or not parts.hostname:
        raise UsageError(f"{name} is {url!r}, which is no URL of a service; it looks like {default}")
    return f"{parts.hostname}:{port}"
