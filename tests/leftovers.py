"""Which processes are left running."""

from __future__ import annotations

import time
from collections.abc import Iterable

import psutil

PATIENCE = 10.0
"""Seconds in which killed processes end."""


def still_running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those of the processes that do not end; one that has ended and waits for a slow init to notice is not among them."""
    deadline = time.monotonic() + PATIENCE
    while (running := [process for process in processes if runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return running


def runs(process: psutil.Process) -> bool:
    """Tell whether a process, and not another one with its number, runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
