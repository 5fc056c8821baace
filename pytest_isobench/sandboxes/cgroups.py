"""Control groups, version 1 and 2: limits for all processes of an arm together, where the machine lets us make them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.errors import SandboxError
from pytest_isobench.models.task import Resources

WANTED = ("memory", "pids", "cpuset", "cpuacct", "freezer")
LIMITS = frozenset({"memory", "pids"})
"""The controllers without which the processes of an arm are not limited together."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A folder in which control groups can be made, and what they control."""

    folder: Path
    controllers: frozenset[str]
    unified: bool

    def make(self, name: str) -> Path:
        group = self.folder / name
        group.mkdir(exist_ok=True)
        return group


class ControlGroups:
    """Makes the control groups of one session; none where the machine allows none."""

    def __init__(self, hierarchies: Sequence[Hierarchy]) -> None:
        self._hierarchies = hierarchies

    def folders(self, name: str) -> tuple[str, ...]:
        """Name the folders of a group before it exists, so that they can be recorded first."""
        return tuple(str(hierarchy.folder / name) for hierarchy in self._hierarchies)

    def make(self, name: str, resources: Resources, cores: Sequence[int], spare: int) -> tuple[str, ...]:
        """Make a group, or change its limits: memory, `spare` more processes than the resources say, and cores (none: all).

        Raises:
            SandboxError: the system refuses a limit.
        """
        for hierarchy in self._hierarchies:
            try:
                _limit(hierarchy.make(name), hierarchy, resources, cores, spare)
            except OSError as error:
                raise SandboxError(f"the control group {hierarchy.folder / name} could not be set up: {error}") from error
        return self.folders(name)


def limited(hierarchies: Sequence[Hierarchy]) -> bool:
    """Say whether memory and processes of an arm are limited together."""
    return {name for hierarchy in hierarchies for name in hierarchy.controllers} >= LIMITS


def pinned(hierarchies: Sequence[Hierarchy]) -> bool:
    """Say whether a control group holds an arm on its cores."""
    return any("cpuset" in hierarchy.controllers for hierarchy in hierarchies)


def find(mountinfo: str | None = None, membership: str | None = None) -> tuple[Hierarchy, ...]:
    """Find where groups can be made, tried by making one. The texts are those of `/proc/self/mountinfo` and `/proc/self/cgroup`."""
    mounts = list(_mounts(mountinfo if mountinfo is not None else Path("/proc/self/mountinfo").read_text()))
    own = _membership(membership if membership is not None else Path("/proc/self/cgroup").read_text())
    found: list[Hierarchy] = []
    covered: set[str] = set()
    for mount in sorted(mounts, key=lambda mount: mount.kind):  # version 1 first: what it has, version 2 has not
        new = not covered.issuperset({"freezer"} if mount.kind == "cgroup2" else mount.options.intersection(WANTED))
        make = _version2 if mount.kind == "cgroup2" else _version1
        if new and (hierarchy := make(mount, own, covered)) is not None:
            found.append(hierarchy)
            covered |= hierarchy.controllers
    return tuple(found)


def dissolve(groups: Collection[Path]) -> None:
    """Kill what is in groups, and remove them. All are thawed first: what is frozen by one cannot leave the others."""
    for group in groups:
        for name, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            with suppress(OSError):
                _write_if_there(group / name, thawed)
    for group in groups:
        _remove(group)


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 5
    while _is_there(group) and time.monotonic() < deadline:
        for pid in _members(group):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted hierarchy: `root` is the group that its top folder shows."""

    root: str
    point: Path
    kind: str
    options: frozenset[str]


def _mounts(text: str) -> Iterator[Mount]:
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(), after.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            yield Mount(fields[3], Path(fields[4]), kind, frozenset(options.split(",")))


def _membership(text: str) -> Mapping[str, str]:
    """Map every controller to this process's group; the empty name is version 2's."""
    lines = (line.split(":", 2) for line in text.splitlines())
    return {controller: path for _, controllers, path in lines for controller in controllers.split(",")}


def _version1(mount: Mount, own: Mapping[str, str], covered: Collection[str]) -> Hierarchy | None:
    """A group below this process's own. The same hierarchy may be mounted twice, and not everywhere for us."""
    controllers = mount.options.intersection(WANTED).difference(covered)
    hierarchy = Hierarchy(_below(mount, own.get(min(controllers), "/")), controllers, unified=False)
    return hierarchy if _usable(hierarchy) else None


def _version2(mount: Mount, own: Mapping[str, str], covered: Collection[str]) -> Hierarchy | None:
    """A group with processes cannot have groups with limits below it, so ours stand beside this process's, or at the top."""
    for folder in (mount.point, _below(mount, own.get("", "/")).parent):
        wanted = [name for name in ("memory", "pids", "cpuset") if name not in covered]
        for name in wanted if os.access(folder, os.W_OK) else ():
            with suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{name}")
        with suppress(OSError):
            enabled = (folder / "cgroup.subtree_control").read_text().split()
            hierarchy = Hierarchy(folder, frozenset({*enabled, "freezer", "cpuacct"}).intersection(WANTED), unified=True)
            if _usable(hierarchy):
                return hierarchy
    return None


def _below(mount: Mount, group: str) -> Path:
    """Return a group's folder as this mount shows it; its top folder when it does not."""
    path = Path(group)
    return mount.point / path.relative_to(mount.root) if path.is_relative_to(mount.root) else mount.point


def _usable(hierarchy: Hierarchy) -> bool:
    """Try to make a group with limits and to start a process in it."""
    group = hierarchy.folder / f"isobench-probe-{os.getpid()}-{threading.get_ident()}"
    try:
        group.mkdir()
        _limit(group, hierarchy, Resources(), (), 0)
        join = ["/bin/sh", "-c", 'echo 0 > "$1"', "sh", str(group / "cgroup.procs")]
        return subprocess.run(join, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
    finally:
        dissolve([group])


def _limit(group: Path, hierarchy: Hierarchy, resources: Resources, cores: Sequence[int], spare: int) -> None:
    memory = str(resources.memory_mb * 2**20)
    if "memory" in hierarchy.controllers:
        (group / ("memory.max" if hierarchy.unified else "memory.limit_in_bytes")).write_text(memory)
        _write_if_there(group / ("memory.swap.max" if hierarchy.unified else "memory.swappiness"), "0")
    if "pids" in hierarchy.controllers:
        (group / "pids.max").write_text(str(resources.pids + spare))
    if "cpuset" in hierarchy.controllers:
        _choose_cores(group, hierarchy, cores)


def _choose_cores(group: Path, hierarchy: Hierarchy, cores: Sequence[int]) -> None:
    """Hold a group on cores. In version 1 it has none, and no memory nodes, until it is given some."""
    if not hierarchy.unified:
        (group / "cpuset.mems").write_text((group.parent / "cpuset.mems").read_text())
    everything = "" if hierarchy.unified else (group.parent / "cpuset.cpus").read_text()
    (group / "cpuset.cpus").write_text(",".join(map(str, cores)) or everything or "\n")


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def _write_if_there(path: Path, text: str) -> None:
    if _is_there(path):
        path.write_text(text)


def _members(group: Path) -> list[int]:
    try:
        pids = map(int, (group / "cgroup.procs").read_text().split())
        # One that is just ending, or lives beyond our namespace, is listed as 0: to kill that is to kill our own process group.
        return [pid for pid in pids if pid > 0]
    except OSError:
        return []
