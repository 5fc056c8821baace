"""The container engine, spoken to through docker's SDK; podman's socket speaks the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_isobench.errors import ImageError, MissingExtraError, NotEvaluableError
from pytest_isobench.images.redaction import redact

if TYPE_CHECKING:
    from docker import DockerClient

TIMEOUT = 3600
"""Seconds without a word from the engine: compiling is silent for long."""


@contextmanager
def engine() -> Iterator[DockerClient]:
    """Connect to the engine that DOCKER_HOST names, or to the usual socket.

    Raises:
        MissingExtraError: the extra is not installed.
        NotEvaluableError: no engine answers; says what to do.
        ImageError: the engine refuses something, or was lost.
    """
    client = _connect()
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


def _connect() -> DockerClient:
    try:
        import docker
    except ImportError:
        raise MissingExtraError("container images", "docker") from None
    try:
        client = docker.from_env(timeout=TIMEOUT)
        client.ping()
    except Exception as error:
        # Of many types: docker's, requests', and those of a DOCKER_HOST that is no address.
        raise NotEvaluableError(_advice(str(error))) from None
    return client


def _advice(reason: str) -> str:
    host = os.environ.get("DOCKER_HOST")
    where = f"DOCKER_HOST={redact(host)}" if host else "the usual socket (DOCKER_HOST is not set)"
    return (
        f"no container engine answers at {where}: start docker, or set DOCKER_HOST; for podman run "
        "'systemctl --user start podman.socket' and set DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock "
        f"({redact(reason)})"
    )
