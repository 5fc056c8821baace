"""GPU memory that a server took: the next one must find as much of it free as the last did."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytest_isobench import gpus as machine
from pytest_isobench.errors import SandboxError
from pytest_isobench.gpus import Gpu, Inventory

PATIENCE, PERIOD = 120.0, 0.5
"""Seconds that the memory may take to come back, and between two looks."""
SHARE, LEAST_MB = 0.05, 512
"""What counts as back: a share of what was taken before, and megabytes that are little enough on any GPU."""


@contextmanager
def given_back(
    gpus: Sequence[Gpu], inventory: Inventory | None = None, patience: float = PATIENCE, period: float = PERIOD
) -> Iterator[None]:
    """Wait after the block until GPUs have as much free memory as before; those that do not tell are left out.

    A block that lost its sandbox is not waited for.

    Raises:
        SandboxError: it is still taken after `patience` seconds.
    """
    looked_up = inventory or machine.local_inventory() if gpus else None
    before = {gpu: looked_up.memory_used_mb(gpu) for gpu in gpus} if looked_up else {}
    try:
        yield
    except Exception as error:
        if looked_up and not isinstance(error, SandboxError):
            _wait(before, looked_up, patience, period)
        raise
    if looked_up:
        _wait(before, looked_up, patience, period)


def _wait(before: dict[Gpu, int | None], inventory: Inventory, patience: float, period: float) -> None:
    deadline = time.monotonic() + patience
    for gpu, expected in before.items():
        while expected is not None and (used := inventory.memory_used_mb(gpu)) is not None and used > allowed(expected):
            if time.monotonic() >= deadline:
                raise SandboxError(
                    f"GPU {gpu.index} ({gpu.name}): {used} MB of its memory are taken {patience:g} s after a server was stopped, "
                    f"where {expected} MB were before it started"
                )
            time.sleep(period)


def allowed(expected: int) -> float:
    """Return how many megabytes may be taken where so many were before."""
    return expected + max(LEAST_MB, SHARE * expected)
