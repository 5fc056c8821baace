"""How long each task took to measure, as earlier reports tell."""

from __future__ import annotations

from pathlib import Path

from pytest_isobench.errors import UsageError
from pytest_isobench.reports.reading import read_report

REPORTS = 5
"""How many of the newest reports are asked."""
LARGEST = 32 * 2**20
"""Bytes of the largest file that is read for this."""


def durations(folder: Path) -> dict[str, float]:
    """Return seconds by task, of the newest report that tells them; what cannot be read tells nothing."""
    found: dict[str, float] = {}
    for path in _newest(folder):
        try:
            results = read_report(path).results
        except UsageError:
            continue
        seconds: dict[str, float] = {}
        for result in results:
            seconds[result.task] = max(result.seconds, seconds.get(result.task, 0.0))
        found = {task: time for task, time in seconds.items() if time} | found
    return found


def _newest(folder: Path) -> list[Path]:
    """Return the newest reports, the newest first."""
    try:
        stats = ((path, path.stat()) for path in folder.glob("*.json"))
        files = sorted((stat.st_mtime, path) for path, stat in stats if stat.st_size <= LARGEST)
    except OSError:
        return []
    return [path for _, path in reversed(files[-REPORTS:])]
