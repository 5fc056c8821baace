"""A recipe: everything that goes into one image, and the digest of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_isobench.dataset.versions import Tree
from pytest_isobench.images.rendering import Contents, TemplateName, render

LAYOUT = 1
"""Version of how images are laid out: raised when older ones can no longer be used."""

DIGEST, TASK, VERSION, OWN = "isobench.digest", "isobench.task", "isobench.version", "isobench.own"
"""Labels. The last is on what a repository's own Dockerfile made, below our layers."""

_UNPACK = Path(__file__).with_name("unpack.py")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What one image is made of. Tags and platform are no part of the template."""

    task: str
    own_tag: str
    """The human's full hash, or what stands for it; the image holds the base tree all the same."""
    baseline_tag: str
    template: TemplateName
    contents: Contents
    templates: Path
    """The project's folder of templates."""
    tree: Tree | None
    """None for a release, which is installed in the image."""
    dockerfile: str | None = None
    """The repository's own Dockerfile, a path in the tree, when the image is built on it."""
    wheels: Path | None = None
    platform: str | None = None

    @property
    def tags(self) -> tuple[str, str]:
        return self.own_tag, self.baseline_tag

    @cached_property
    def digest(self) -> str:
        """The digest of all that decides what the image holds; not of the task's name. Raises OSError when a wheel cannot be read."""
        wheels = [(path.name, _file_digest(path)) for path in self.wheel_files()]
        tree = self.tree.digest if self.tree else None
        own = [self.dockerfile, self.contents.base] if self.dockerfile else None
        parts = [LAYOUT, self.text(), tree, own, self.contents.requirements, wheels, self.platform, _file_digest(_UNPACK)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def text(self, base: str | None = None) -> str:
        """Return the Dockerfile; on another base where the repository's own was built first. Raises as `render` does."""
        contents = self.contents
        if base is not None:
            contents = Contents(**{name: getattr(contents, name) for name in Contents.__slots__} | {"base": base})
        return render(self.template, contents, self.templates)

    def files(self) -> dict[str, Path | bytes]:
        """Return what the Dockerfile copies, by its place in the build's context."""
        files: dict[str, Path | bytes] = {"requirements.txt": "".join(f"{line}\n" for line in self.contents.requirements).encode()}
        if self.wheels is not None:
            # Also for a folder without any, whose absence pip explains better than the engine.
            files["wheels/.keep"] = b""
        files |= {f"wheels/{path.name}": path for path in self.wheel_files()}
        if self.tree:
            files["tree"] = self.tree.path
        else:
            files["unpack.py"] = _UNPACK
        return files

    def wheel_files(self) -> list[Path]:
        """Return the packages of the folder of wheels, when anything is to be installed."""
        if self.wheels is None or not self.contents.requirements:
            return []
        return sorted(path for path in self.wheels.iterdir() if path.name.endswith((".whl", ".tar.gz", ".zip")))

    def labels(self) -> dict[str, str]:
        """Return the image's labels."""
        import pytest_isobench

        return {DIGEST: self.digest, TASK: self.task, VERSION: pytest_isobench.__version__}


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
