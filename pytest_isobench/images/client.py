"""The container engine, spoken to through docker's SDK; podman's socket speaks the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_isobench.engines.client import connect
from pytest_isobench.errors import ImageError
from pytest_isobench.redaction import redact

if TYPE_CHECKING:
    from docker import DockerClient

TIMEOUT = 3600
"""Seconds without a word from the engine: compiling is silent for long."""


@contextmanager
def engine() -> Iterator[DockerClient]:
    """Connect to the engine that DOCKER_HOST names, or to the usual socket.

    Raises:
        MissingExtraError: the extra is not installed.
        SandboxError: no engine answers; says what to do.
        ImageError: the engine refuses something, or was lost.
    """
    client = connect(feature="container images", timeout=TIMEOUT)
    try:
        with refusals():
            yield client
    finally:
        client.close()


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the engine refuses into an ImageError without secrets."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise ImageError(f"the container engine: {redact(str(getattr(error, 'explanation', None) or error))}") from None
