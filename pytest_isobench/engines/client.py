"""Speak to a container engine: find it, find or pull an image, and tell its failures in its own words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_isobench.errors import MissingExtraError, SandboxError, UsageError
from pytest_isobench.redaction import redact

if TYPE_CHECKING:
    import docker

    from pytest_isobench.models.container import ContainerSettings

DEFAULT = "unix:///var/run/docker.sock"


def connect(*, feature: str, timeout: int, podman: bool = False) -> docker.DockerClient:
    """Connect to the engine that DOCKER_HOST names, the local one by default; Podman's is at its own socket.

    `feature` is what needs it, and `timeout` how many seconds one answer may take.

    Raises:
        MissingExtraError: the packages for it are not installed.
        SandboxError: no engine answers; says what to do.
    """
    try:
        import docker
    except ImportError:
        raise MissingExtraError(feature, "docker") from None
    host = podman_host() if podman else os.environ.get("DOCKER_HOST") or DEFAULT
    if host.startswith("unix://") and not Path(host.removeprefix("unix://")).exists():
        raise SandboxError(_advice(f"there is no {host.removeprefix('unix://')}"))
    try:
        client = docker.DockerClient(base_url=host, timeout=timeout) if podman else docker.from_env(timeout=timeout)
        client.ping()
    except Exception as error:
        # of many types: docker's, requests', and those of a DOCKER_HOST that is no address
        raise SandboxError(_advice(str(error))) from error
    return client


def _advice(reason: str) -> str:
    host = os.environ.get("DOCKER_HOST")
    where = f"DOCKER_HOST={redact(host)}" if host else "the usual socket (DOCKER_HOST is not set)"
    return (
        f"no container engine answers at {where}: start docker, or set DOCKER_HOST; for podman run "
        "'systemctl --user start podman.socket' and set DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock "
        f"({redact(reason)})"
    )


def podman_host() -> str:
    """Return where Podman listens: DOCKER_HOST or CONTAINER_HOST, else the user's or the system's socket."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    sockets = [Path(runtime, "podman", "podman.sock"), Path("/run/podman/podman.sock")]
    found = [f"unix://{path}" for path in sockets if path.exists()]
    named = os.environ.get("CONTAINER_HOST") or os.environ.get("DOCKER_HOST")
    if not named and not found:
        raise SandboxError(f"Podman does not listen at {sockets[0]} or {sockets[1]}: start it with 'podman system service --time=0'")
    return named or found[0]


def is_podman(client: docker.DockerClient) -> bool:
    """Tell whether the engine is Podman."""
    with failures("ask the container engine for its version"):
        return any("podman" in component.get("Name", "").lower() for component in client.version().get("Components") or ())


@contextmanager
def failures(doing: str) -> Iterator[None]:
    """Turn what the engine's client raises into `SandboxError`, with the engine's own words."""
    import docker
    import requests

    try:
        yield
    except docker.errors.DockerException as error:
        raise SandboxError(f"could not {doing}: {redact(str(getattr(error, 'explanation', None) or error))}") from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise SandboxError(f"could not {doing}: the connection broke: {redact(str(error))}") from error


def image_of(client: docker.DockerClient, name: str, settings: ContainerSettings) -> str:
    """Return the id of an image, pulled if the settings say so.

    Raises:
        SandboxError: it is neither here nor can it be fetched.
    """
    import docker

    if settings.pull != "always":
        try:
            with failures(f"look up the image {name}"):
                return _id(client.images.get(name))
        except SandboxError as error:
            if not isinstance(error.__cause__, docker.errors.ImageNotFound):
                raise
            if settings.pull == "never":
                message = f"the image {name} is not here, and --isobench-pull=never; build or pull it: isobench images pull"
                raise SandboxError(message) from error
    repository, tag = split_tag(name)
    with failures(f"pull the image {name}"):
        return _id(client.images.pull(repository, tag=tag, platform=settings.platform, auth_config=credentials()))


def _id(image: object) -> str:
    return str(getattr(image, "id", ""))


def split_tag(name: str) -> tuple[str, str | None]:
    """Split an image's name from its tag; a digest stays with the name, and no tag means `latest`."""
    if "@" in name:
        return name, None
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "latest")


def credentials() -> dict[str, str] | None:
    """Return the registry's credentials from DOCKER_USERNAME and DOCKER_PASSWORD; None leaves it to the client's own configuration.

    Raises:
        UsageError: only one of them is set.
    """
    user, password = os.environ.get("DOCKER_USERNAME"), os.environ.get("DOCKER_PASSWORD")
    if bool(user) != bool(password):
        raise UsageError("set both DOCKER_USERNAME and DOCKER_PASSWORD, or none of them")
    return {"username": user, "password": password} if user and password else None
