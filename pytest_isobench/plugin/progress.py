"""Live progress: one line below pytest's own, on a terminal that somebody watches, and nothing anywhere else.

Under xdist each worker leaves its line in a file, and the controller shows them together.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pytest

    from pytest_isobench.models.result import Estimate
    from pytest_isobench.plugin.run import Run

PERIOD = 0.1
"""Seconds between two updates of the rounds."""
LOOK = 0.5
"""Seconds between two looks of the controller at its workers' lines."""
FOLDER = "progress"
BELOW = "\x1bD\x1b[A\x1b7\x1b[B\r\x1b[2K\x1b[?7l"
"""Make sure that there is a line below the current one, remember the place, go there, empty it, do not wrap."""
BACK = "\x1b[?7h\x1b8"


class Observer(Protocol):
    """What a campaign tells; see `measuring.campaign.Observer`."""

    def phase(self, task: str, text: str) -> None: ...

    def round(self, task: str, done: int, limit: int, estimates: Mapping[str, Estimate], seconds_left: float | None) -> None: ...

    def done(self, task: str) -> None:
        """Forget about the task."""


def observer(run: Run) -> Observer:
    """Return what suits this process."""
    if run.is_worker:
        return WorkerLine(run.settings.journal / FOLDER, run.config.workerinput) if run.watched else Quiet()  # type: ignore[attr-defined]
    return TerminalLine(run.config) if run.watched else Quiet()


def is_watched(config: pytest.Config) -> bool:
    """Tell whether somebody sees the terminal as it changes."""
    plain = os.environ.get("CI") or os.environ.get("TERM", "dumb") == "dumb"
    return not plain and config.get_verbosity() >= 0 and sys.__stdout__ is not None and sys.__stdout__.isatty()


class Quiet:
    """Shows nothing."""

    def phase(self, task: str, text: str) -> None:
        pass

    def round(self, task: str, done: int, limit: int, estimates: Mapping[str, Estimate], seconds_left: float | None) -> None:
        pass

    def done(self, task: str) -> None:
        pass


class _Line:
    """Puts what a campaign tells into one line."""

    def __init__(self) -> None:
        self._shown = 0.0

    def phase(self, task: str, text: str) -> None:
        self._shown = 0.0
        self.show(f"{task}: {text}")

    def round(self, task: str, done: int, limit: int, estimates: Mapping[str, Estimate], seconds_left: float | None) -> None:
        now = time.monotonic()
        if now - self._shown >= PERIOD:
            self._shown = now
            self.show(round_text(task, done, limit, estimates, seconds_left))

    def done(self, task: str) -> None:  # noqa: ARG002 - one line is all there is
        self.show("")

    def show(self, text: str) -> None:
        raise NotImplementedError


class TerminalLine(_Line):
    """Writes to the terminal around pytest's capturing."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__()
        self._capture = config.pluginmanager.getplugin("capturemanager")

    def show(self, text: str) -> None:
        uncaptured: AbstractContextManager[None] = self._capture.global_and_fixture_disabled() if self._capture else nullcontext()
        with uncaptured:
            write_below(text)


class WorkerLine(_Line):
    """Leaves the line in a file for the controller."""

    def __init__(self, folder: Path, worker: Mapping[str, str]) -> None:
        super().__init__()
        self._file = folder / worker["workerid"]

    def show(self, text: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._file)


class WorkersWatch:
    """Shows the lines of all workers, from a thread of the controller, until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="isobench-progress")
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        write_below("")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self) -> None:
        while not self._closed.wait(LOOK):
            write_below(self.text())

    def text(self) -> str:
        """Return all workers' lines as one."""
        lines = ((file.name, _read(file)) for file in sorted(self._folder.glob("gw*")) if not file.suffix)
        return " · ".join(f"{name} {line}" for name, line in lines if line)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def write_below(text: str) -> None:
    """Replace the line below the terminal's current one, and stay where pytest writes on."""
    if sys.__stdout__ is not None:
        sys.__stdout__.write(f"{BELOW}{text[: shutil.get_terminal_size().columns - 1]}{BACK}")
        sys.__stdout__.flush()


def round_text(task: str, done: int, limit: int, estimates: Mapping[str, Estimate], seconds_left: float | None) -> str:
    """Say how far a task has come: its rounds, the time left, and how fast everyone is."""
    from pytest_isobench.reports.numbers import ratio_text

    human = [f"human {ratio_text(estimates['human'])} of base"] if "human" in estimates else []
    agents = [f"{_who(name)} {ratio_text(estimate)}" for name, estimate in estimates.items() if name != "human"]
    compared = [f"of human: {', '.join(agents)}"] if agents else []
    left = [] if seconds_left is None else [f"{time_left(seconds_left)} left"]
    return " · ".join([f"{task}: round {done}/{limit}", *left, *human, *compared])


def _who(name: str) -> str:
    """Return the agent of a case, with its attempt when it is not the first."""
    parts = name.split(":")
    return name if len(parts) < 3 else parts[1] if parts[2] == "0" else f"{parts[1]}:{parts[2]}"


def time_left(seconds: float) -> str:
    """Return `12 s` or `3 min`."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
