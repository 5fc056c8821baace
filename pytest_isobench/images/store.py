"""The images that an engine has: found by our labels, tagged, pushed, pulled and removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_isobench.engines.client import credentials
from pytest_isobench.errors import ImageError
from pytest_isobench.images.recipe import DIGEST, OWN, TASK, VERSION
from pytest_isobench.redaction import redact

if TYPE_CHECKING:
    from docker import DockerClient

_ADDED = ("localhost/", "docker.io/library/", "docker.io/")
"""What podman puts before names without a registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An image of ours."""

    id: str
    digest: str
    """What it is made of; of what a repository's own Dockerfile made: of the image that is built on it."""
    task: str
    version: str
    tags: tuple[str, ...]
    created: int
    """Seconds since 1970."""
    size: int
    """Bytes, layers that other images have as well included."""
    shared: int
    """Bytes that other images have as well; 0 where the engine does not tell."""

    @property
    def own(self) -> int:
        return max(self.size - self.shared, 0)


def stored(client: DockerClient) -> list[Stored]:
    """Return our images, the newest first."""
    # The list knows labels and tags in every engine, and the summary knows what is shared.
    images: Iterable[dict[str, Any]] = client.api.images()
    shared = {_plain(image["Id"]): max(int(image.get("SharedSize") or 0), 0) for image in _summary(client)}
    ours = [_stored(image, shared.get(_plain(image["Id"]), 0)) for image in images if _labels(image).keys() & {DIGEST, OWN}]
    return sorted(ours, key=lambda image: image.created, reverse=True)


def find(client: DockerClient, digest: str) -> str | None:
    """Return the id of the image with this content."""
    images = client.images.list(filters={"label": f"{DIGEST}={digest}"})
    return str(images[0].id) if images else None


def digest_of(client: DockerClient, name: str) -> str | None:
    """Return the digest of a tagged image; None when there is none, and an empty text when it is not one of ours."""
    from docker.errors import ImageNotFound

    try:
        labels: dict[str, str] = client.images.get(name).labels or {}
    except ImageNotFound:
        return None
    return labels.get(DIGEST, "")


def tag(client: DockerClient, image: str, prefix: str, tags: Iterable[str]) -> None:
    """Give an image its tags, taken away from any other image."""
    for name in tags:
        client.images.get(image).tag(prefix, name)


def push(client: DockerClient, prefix: str, name: str) -> None:
    """Push one tag. Raises ImageError."""
    _follow(client.api.push(prefix, tag=name, stream=True, decode=True, auth_config=credentials()), f"{prefix}:{name} was not pushed")


def pull(client: DockerClient, prefix: str, name: str, platform: str | None = None) -> None:
    """Pull one tag. Raises ImageError."""
    from docker.errors import APIError

    failed = f"{prefix}:{name} was not pulled"
    try:
        _follow(client.api.pull(prefix, tag=name, stream=True, decode=True, auth_config=credentials(), platform=platform), failed)
    except APIError as error:
        raise ImageError(f"{failed}: {redact(str(error.explanation or error))}") from None


def remove(client: DockerClient, image: Stored) -> str | None:
    """Remove an image with all its tags; return why it stays when something uses it."""
    from docker.errors import APIError, ImageNotFound

    users = [user for user in client.api.containers(all=True) if _plain(user["ImageID"]) == _plain(image.id)]
    if users:
        # Asked first: the engine would take away all tags but the last before it refuses.
        return f"the container {users[0]['Names'][0].removeprefix('/')} uses it"
    try:
        for name in image.tags or (image.id,):
            client.images.remove(name)
    except ImageNotFound:
        return None
    except APIError as error:
        return redact(str(error.explanation or error))
    return None


def used(client: DockerClient) -> int:
    """Return the bytes that all images take together."""
    # Podman does not tell; then what belongs to single images alone is counted.
    own = sum(int(image["Size"]) - max(int(image.get("SharedSize") or 0), 0) for image in _summary(client))
    return int(client.df().get("LayersSize") or 0) or own


def bare(tag_: str) -> str:
    """Return a tag without what podman puts before it."""
    return next((tag_.removeprefix(start) for start in _ADDED if tag_.startswith(start)), tag_)


def _summary(client: DockerClient) -> list[dict[str, Any]]:
    return client.df().get("Images") or []


def _plain(identifier: str) -> str:
    return identifier.removeprefix("sha256:")


def _labels(image: dict[str, Any]) -> dict[str, str]:
    return image.get("Labels") or {}


def _stored(image: dict[str, Any], shared: int) -> Stored:
    labels = _labels(image)
    return Stored(
        id=image["Id"],
        digest=labels.get(DIGEST) or labels.get(OWN, ""),
        task=labels.get(TASK, ""),
        version=labels.get(VERSION, ""),
        tags=tuple(bare(name) for name in image.get("RepoTags") or () if not name.startswith("<none>")),
        created=int(image.get("Created") or 0),
        size=int(image.get("Size") or 0),
        shared=shared,
    )


def _follow(events: Iterator[dict[str, Any]], failed: str) -> None:
    for event in events:
        if error := event.get("error"):
            raise ImageError(f"{failed}: {redact(str(error))}{_advice(str(error))}")


def _advice(error: str) -> str:
    if any(word in error.lower() for word in ("unauthorized", "denied", "authentication", "no basic auth")):
        return "; log in with 'docker login', or set DOCKER_USERNAME and DOCKER_PASSWORD"
    return ""
