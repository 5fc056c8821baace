"""User ids for candidates: when root runs the tests, every arm gets an unprivileged one of its own."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from pathlib import Path

from pytest_isobench.errors import SandboxError

IDS = range(61000, 61184)
"""Assigned to nobody by Debian and by systemd."""


class Claim:
    """Holds a user id against other sandboxes on this machine; the system ends it when this process dies."""

    def __init__(self, user: int, held: socket.socket) -> None:
        self.user = user
        self._held = held

    @classmethod
    def take(cls, user: int) -> Claim | None:
        """Claim a user id; None when somebody else holds it."""
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0isobench-user-{user}")
        except OSError:
            held.close()
            return None
        return cls(user, held)

    def release(self) -> None:
        self._held.close()


def claim_any() -> Claim:
    """Claim a free user id.

    Raises:
        SandboxError: all are in use.
    """
    for user in random.sample(IDS, len(IDS)):
        if (claim := Claim.take(user)) is not None:
            return claim
    raise SandboxError(f"all {len(IDS)} user ids from {IDS.start} on are held by other sandboxes; close some, or run fewer at once")


def reachable(path: Path) -> bool:
    """Say whether every user may enter a folder, by the modes of it and of everything above it."""
    resolved = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (resolved, *resolved.parents)) and bool(resolved.stat().st_mode & 0o004)


def tasks_of(user: int | None) -> int:
    """Count the threads that the system already counts against a user's limit: those of this process's user; a claimed one has none."""
    if user is not None:
        return 0
    own, total = str(os.getuid()), 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text(errors="replace").splitlines()
        except OSError:
            continue
        facts = dict(line.split(":\t", 1) for line in lines if line.startswith(("Uid:", "Threads:")))
        total += int(facts["Threads"]) if facts["Uid"].split()[0] == own else 0
    return total


def can_drop() -> bool:
    """Say whether processes can be given other users: root, with these users known to its namespace."""
    if os.geteuid() != 0:
        return False
    try:
        subprocess.run(["/bin/true"], user=IDS.start, group=IDS.start, extra_groups=[], check=True, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
