"""Folders that only root may enter, shown to the users of a sandbox: in the supervisor's own mount namespace, for its life alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes.trees import Mount
from pytest_isobench.sandboxes.users import reachable


def bind(source: Path, target: Path, kind: str = "bind") -> Mapping[str, str]:
    """Describe a bind mount; its target is made where it is missing."""
    return {"type": "none", "source": str(source), "target": str(target), "options": f"{kind},ro,X-mount.mkdir"}


class Exposure:
    """Makes folders reachable. Without a way to mount, those that are not are refused."""

    def __init__(self, folder: Path, mount: Mount | None) -> None:
        self._folder, self._mount = folder, mount
        self._sources: dict[Path, Path] = {}
        self._covered: dict[Path, Path] = {}
        self._shown: set[Path] = set()

    def source(self, path: Path) -> Path:
        """Return a name of the folder that every user can reach: its own, or that of a bind mount."""
        if reachable(path):
            return path
        if path not in self._sources:
            target = self._folder / "mounts" / str(len(self._sources))
            self._mounting(path)([bind(path, target)])
            self._sources[path] = target
        return self._sources[path]

    def show(self, paths: Sequence[Path]) -> None:
        """Make folders reachable under their own names: what stands above them is covered by an empty folder that all may enter."""
        hidden = [path.resolve() for path in paths if not reachable(path)]
        for path in hidden:
            top = _barrier(path)
            if top not in self._covered:
                self._cover(top, [other for other in hidden if other.is_relative_to(top)])
            elif path not in self._shown:
                self._mounting(path)([bind(self._covered[top] / path.relative_to(top), path)])
                self._shown.add(path)

    def _cover(self, top: Path, paths: Sequence[Path]) -> None:
        """Cover a folder and show what is needed of it, all in one request: the supervisor's own interpreter may be among it."""
        behind = self._folder / "covered" / str(len(self._covered))
        empty = {"type": "tmpfs", "source": "tmpfs", "target": str(top), "options": "mode=0711"}
        mount = self._mounting(*paths)
        mount([bind(top, behind, "rbind"), empty, *(bind(behind / path.relative_to(top), path) for path in paths)])
        self._covered[top] = behind
        self._shown.update(paths)

    def _mounting(self, *paths: Path) -> Mount:
        for path in paths:
            if not path.stat().st_mode & 0o005 == 0o005:
                raise SandboxError(f"the candidate's user cannot read {path}; allow it: chmod -R go+rX {path}")
        if self._mount is None:
            raise SandboxError(
                f"the candidate's user cannot reach {paths[0]}, and this system allows root no mounts to show it; "
                "move it to a folder that every user may enter, such as one in /opt or /var/cache"
            )
        return self._mount


def _barrier(path: Path) -> Path:
    """Return the topmost folder above a path that not everybody may enter; the one right above it if all may."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), path.parent)
