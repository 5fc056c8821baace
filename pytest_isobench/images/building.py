"""Building images: one at a time per content, whatever process or thread asks; each with a log."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from pytest_isobench.dataset.cache import Cache, accusing
from pytest_isobench.errors import ImageError
from pytest_isobench.images import store
from pytest_isobench.images.causes import last_lines, name_cause
from pytest_isobench.images.client import refusals
from pytest_isobench.images.context import DOCKERFILE, our_context, tree_context
from pytest_isobench.images.recipe import OWN, TASK, Recipe
from pytest_isobench.redaction import redact

if TYPE_CHECKING:
    from docker import DockerClient

KEPT = 400
"""Lines of a log that are looked at for the cause of a failure."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_BUILT = re.compile(r"Successfully built (?P<id>[0-9a-f]{12,64})\b")

State = Literal["built", "fresh", "kept"]


@dataclass(frozen=True, slots=True)
class Built:
    """An image that is there: built now, or found."""

    state: State
    """`kept`: found under its tag, though perhaps made of something else."""
    image: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Builds for one engine."""

    client: DockerClient
    cache: Cache
    prefix: str
    logs: Path
    skip_existing: bool = False

    def build(self, recipe: Recipe) -> Built:
        """Return the image of a recipe with its tags, built now unless the engine has it.

        Raises:
            ImageError: the build failed; names the cause and shows the end of the log.
            SourceError: the cache, where the locks are, cannot be written.
        """
        started = time.monotonic()
        if self.skip_existing and all(store.digest_of(self.client, f"{self.prefix}:{tag}") is not None for tag in recipe.tags):
            return Built("kept", f"{self.prefix}:{recipe.own_tag}", 0.0)
        with accusing(self.cache.root):
            lock = self.cache.lock("images", recipe.digest)
        with lock, refusals():
            found = store.find(self.client, recipe.digest)
            image = found or self._make(recipe)
            store.tag(self.client, image, self.prefix, recipe.tags)
        return Built("fresh" if found else "built", image, time.monotonic() - started)

    def log_of(self, recipe: Recipe) -> Path:
        """Return where the log of a recipe's build is kept."""
        return self.logs / f"{recipe.task}.log"

    def _make(self, recipe: Recipe) -> str:
        self.logs.mkdir(parents=True, exist_ok=True)
        with self.log_of(recipe).open("w", encoding="utf-8") as log:
            base = self._make_own(recipe, log) if recipe.dockerfile else None
            with closing(our_context(recipe.text(base), recipe.files())) as context:
                # Tagged by the engine as soon as it is there: what has no tag may be pruned by somebody else.
                name = f"{self.prefix}:{recipe.own_tag}"
                return self._run(recipe, log, context, DOCKERFILE, recipe.labels(), name)

    def _make_own(self, recipe: Recipe, log: IO[str]) -> str:
        """Build what the repository's own Dockerfile says, and return the image's id."""
        assert recipe.dockerfile
        assert recipe.tree
        with closing(tree_context(recipe.tree.path)) as context:
            return self._run(recipe, log, context, recipe.dockerfile, {OWN: recipe.digest, TASK: recipe.task})

    def _run(
        self, recipe: Recipe, log: IO[str], context: IO[bytes], dockerfile: str, labels: dict[str, str], tag: str | None = None
    ) -> str:
        events = self.client.api.build(
            fileobj=context,
            custom_context=True,
            dockerfile=dockerfile,
            labels=labels,
            tag=tag,
            platform=recipe.platform,
            rm=True,
            forcerm=True,
            decode=True,
        )
        image, kept = "", deque[str](maxlen=KEPT)
        for text, failed, found in _read(events):
            log.write(text)
            log.flush()
            kept.append(text)
            image = found or image
            if failed:
                raise self._failure(recipe, "".join(kept))
        if not image:
            raise self._failure(recipe, "".join(kept))
        return image

    def _failure(self, recipe: Recipe, log: str) -> ImageError:
        cause = name_cause(log)
        base = f" ({recipe.contents.base})" if "base image" in cause.name else ""
        place = self.log_of(recipe)
        return ImageError(f"{recipe.task}: {cause.name}{base}: {cause.advice}. The end of {place}:\n{last_lines(log.splitlines())}")


def _read(events: Iterator[dict[str, Any]]) -> Iterator[tuple[str, bool, str]]:
    """Yield what the engine says: the text without secrets, whether it is the failure, and the image's id once it is known."""
    for event in events:
        if "error" in event:
            yield redact(f"{event['error']}\n"), True, ""
        elif text := event.get("stream"):
            found = _BUILT.search(text)
            yield redact(_COLOUR.sub("", text)), False, found["id"] if found else ""
        elif image := (event.get("aux") or {}).get("ID"):
            yield "", False, str(image)
        elif status := event.get("status"):
            yield redact(f"{status}\n") if "progress" not in event else "", False, ""
