"""What this machine allows a local sandbox to do, found by trying it."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.gpus import VARIABLE
from pytest_isobench.models.result import Isolation
from pytest_isobench.sandboxes import bubblewrap, cgroups, seccomp, users

OWN_NAMESPACES = ("unshare", "--mount", "--ipc", "--propagation", "private")
"""What root's supervisor is started through: its mounts end with it, even when it is killed."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What was found."""

    drops: bool
    """Whether candidates can be given users of their own: root runs the tests."""
    mounts: bool
    """Whether the supervisor can mount folders in a namespace of its own."""
    overlays: bool
    """Whether it can mount overlays too, on the file system where sandboxes live."""
    bubblewrap: bubblewrap.Program | str
    """The program, or why there is none."""
    groups: tuple[cgroups.Hierarchy, ...]
    no_filter: str | None
    """Why system calls cannot be filtered; None when they can."""


@functools.cache
def probe() -> Abilities:
    """Try what this machine allows; once per process."""
    drops = users.can_drop()
    return Abilities(
        drops=drops,
        mounts=drops and _can_mount("tmpfs", "mode=0755"),
        overlays=drops and _can_mount("overlay", "lowerdir=lower,upperdir=upper,workdir=work"),
        bubblewrap=bubblewrap.find(users.IDS.start if drops else None),
        groups=cgroups.find(),
        no_filter=seccomp.obstacle(),
    )


def isolation(abilities: Abilities, *, confined: bool, gpus: bool = False) -> Isolation:
    """Say what holds, with bubblewrap (`confined`) or without, for candidates with GPUs or without."""
    return Isolation(
        sandbox="local",
        filesystem=confined,
        network=confined,
        processes=confined,
        user=confined or abilities.drops,
        limits=cgroups.limited(abilities.groups),
        notes=(*_notes(abilities, confined=confined), *(_open_to_gpu_users(confined=confined) if gpus else ())),
    )


def _notes(abilities: Abilities, *, confined: bool) -> list[str]:
    notes = []
    if not confined:
        reason = abilities.bubblewrap if isinstance(abilities.bubblewrap, str) else "bubblewrap is switched off"
        reach = "everything that every user can read" if abilities.drops else "all your files, change them, stop your processes"
        notes.append(f"NOT ISOLATED: {reason}; the patch under test can read {reach}, use the network and see other processes")
    elif abilities.no_filter:
        notes.append(abilities.no_filter)
    if not cgroups.limited(abilities.groups):
        notes.append("no control groups here: memory is limited for each process of a candidate, not for all of them together")
    return notes


def _open_to_gpu_users(*, confined: bool) -> Iterator[str]:
    yield (
        "GPUs: the driver is open to candidates; what they started on a GPU goes on there while they are frozen, "
        "and memory that earlier processes left on it is not cleared by us"
    )
    if not confined:
        yield f"GPUs: only {VARIABLE} keeps a candidate on those of this session; it can use all that it may open"


def _can_mount(kind: str, options: str) -> bool:
    """Mount something where sandboxes live, in a namespace that ends at once."""
    with tempfile.TemporaryDirectory(prefix="isobench-probe-") as folder:
        for part in ("lower", "upper", "work", "tree"):
            Path(folder, part).mkdir()
        argv = [*OWN_NAMESPACES, "mount", "-t", kind, "-o", options, kind, "tree"]
        try:
            return subprocess.run(argv, cwd=folder, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False
