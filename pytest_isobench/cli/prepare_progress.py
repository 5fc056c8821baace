"""Live progress of `isobench prepare`: a table of running agents on a terminal, a line for each that ends elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pytest_isobench.agents.running import Progress
from pytest_isobench.models.preparing import ItemSummary, PlanItem
from pytest_isobench.reports.text import CUT, Paper, grid, pad
from pytest_isobench.times import clock

SHOWN = 20
"""Running agents that are shown."""
EACH_SECOND = 4


@dataclass(slots=True)
class Running:
    """An agent at work."""

    item: PlanItem
    since: float
    progress: Progress = field(default_factory=lambda: Progress(phase="starting"))


class Board:
    """What is known of a run; told by several threads."""

    def __init__(self, total: int, workers: int, on: Paper, say: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self.total, self.workers, self.on, self.say, self.now = total, workers, on, say, now
        self.done = 0
        self.usd = 0.0
        self.times: list[float] = []
        """Seconds of each attempt that was made."""
        self.running: dict[str, Running] = {}
        self._lock = threading.Lock()

    def started(self, item: PlanItem) -> None:
        with self._lock:
            self.running[item.id] = Running(item, self.now())

    def progress(self, item: PlanItem, progress: Progress) -> None:
        with self._lock:
            if item.id in self.running:
                self.running[item.id].progress = progress

    def ended(self, summary: ItemSummary) -> None:
        with self._lock:
            self.running.pop(summary.id, None)
            self.done += 1
            if summary.state == "made":
                self.times.append(summary.seconds)
                self.usd += summary.usage.usd or 0.0
            done = self.done
        # Without the lock: whoever prints may draw the board anew.
        self.say(f"[{done}/{self.total}] {ended_text(summary)}")

    def seconds_left(self) -> float | None:
        """Return how long the rest will take, judging by the attempts that were made; None before the first one."""
        if not self.times:
            return None
        mean = sum(self.times) / len(self.times)
        left = [max(mean - (self.now() - running.since), 0.0) for running in self.running.values()]
        return (sum(left) + mean * (self.total - self.done - len(left))) / max(min(self.workers, self.total - self.done), 1)

    def head(self) -> str:
        """Return the line above the table."""
        with self._lock:
            left = self.seconds_left()
            usd = self.usd + sum(running.progress.usd or 0.0 for running in self.running.values())
            parts = [f"{self.done} of {self.total} done", f"{len(self.running)} running"]
        return ", ".join([*parts, *([f"${usd:.2f}"] if usd else []), *([f"about {clock(left)} left"] if left and left >= 1 else [])])

    def lines(self) -> list[str]:
        """Return the running agents, the oldest first, in lines that fit."""
        with self._lock:
            running = list(self.running.values())
        rows = [self._row(each.item.id, clock(self.now() - each.since), each.progress) for each in running[:SHOWN]]
        more = [f"and {len(running) - SHOWN} more"] if len(running) > SHOWN else []
        return [*(self.on.cut(line, self.on.width) for line in (grid(rows) if rows else ())), *more]

    def _row(self, name: str, elapsed: str, progress: Progress) -> list[str]:
        room = self.on.width * 2 // 5
        short = name if len(name) <= room else f"{name[: room // 3]}{'~' if self.on.ascii_only else CUT}{name[1 - room + room // 3 :]}"
        phase = progress.phase + (", edited" if progress.edited else "")
        return [short, pad(elapsed, 7, right=True), ", ".join(_counts(progress.steps, progress.usd)), self.on.clean(phase)]

    def __rich__(self) -> Text:
        return Text("\n".join([self.head(), *self.lines()]))


def ended_text(summary: ItemSummary) -> str:
    """Say what became of an item, in a line."""
    said = summary.status.value.replace("_", " ") if summary.status else ""
    match summary.state:
        case "made":
            text = ", ".join([f"{said} in {clock(summary.seconds)}", *_counts(summary.steps, summary.usage.usd)])
        case "kept":
            text = f"kept ({said})"
        case state:
            text = state.replace("_", " ")
    return f"{summary.id} {text}" + (f": {summary.reason}" if summary.reason and summary.state != "kept" else "")


def _counts(steps: int | None, usd: float | None) -> Iterator[str]:
    if steps:
        yield f"{steps} steps"
    if usd is not None:
        yield f"${usd:.2f}"


@contextmanager
def watching(total: int, workers: int, on: Paper) -> Iterator[Board]:
    """Show a run for as long as it lasts."""
    if not _is_watched():
        yield Board(total, workers, on, lambda text: print(on.clean(text), flush=True))
        return
    console = Console(no_color=not on.color, highlight=False)
    with Live(console=console, refresh_per_second=EACH_SECOND, transient=True) as live:
        board = Board(total, workers, on, lambda text: live.console.print(Text(on.clean(text))))
        live.update(board, refresh=True)
        yield board


def _is_watched() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
