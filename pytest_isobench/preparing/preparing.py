"""A run: the items of a plan are made by several agents at a time, each one recorded before the next one starts."""

from __future__ import annotations

import datetime
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pytest_isobench.agents.running import Progress
from pytest_isobench.errors import InfrastructureError, IsobenchError
from pytest_isobench.jsonl import LineFile
from pytest_isobench.models.agent import AttemptRecord, Usage
from pytest_isobench.models.preparing import Ceiling, ItemSummary, PlanItem, Refused, RunSummary, State
from pytest_isobench.preparing.base import Todo
from pytest_isobench.preparing.summary import summarise
from pytest_isobench.threads import in_threads

JOURNAL, SUMMARY = "journal.jsonl", "run_summary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """How a run goes."""

    workers: int = 1
    resume: bool = True
    """Whether attempts that are there, final and made of the same, are kept."""
    seconds: float | None = None
    """After how long no new item starts."""
    usd: float | None = None
    """Cost of this run's attempts from which no new item starts."""


class Observer(Protocol):
    """Who watches a run; called from several threads."""

    def started(self, item: PlanItem) -> None: ...

    def progress(self, item: PlanItem, progress: Progress) -> None: ...

    def ended(self, summary: ItemSummary) -> None: ...


def standing(todo: Todo, resume: bool = True) -> tuple[State | None, AttemptRecord | None, str]:
    """Tell whether an item is to be made (state None), with what is there already, and why.

    What was imported and ended by the agent's doing is never replaced: nobody could make it again.
    """
    record = todo.maker.recorded(todo.assignment)
    if record is None:
        return None, None, "is not there yet"
    if record.origin and record.final:
        return "kept", record, f"was imported from {record.origin}"
    if not resume:
        return None, record, "is made again as asked"
    if record.key != todo.item.key:
        return None, record, "was made of another task, agent or prompt"
    if not record.final:
        return None, record, f"ended with {record.status.value}"
    return "kept", record, "is there already"


def prepare(
    todos: Sequence[Todo],
    choices: Choices,
    folder: Path,
    *,
    stop: threading.Event,
    observer: Observer,
    refused: Sequence[Refused] = (),
    clock: Callable[[], float] = time.monotonic,
) -> RunSummary:
    """Make what is not there yet, and write `journal.jsonl` and `run_summary.json` into a folder.

    When `stop` is set no new item starts, running agents are ended, and the summary is written all the same.

    Raises:
        JournalError: the disk refused the journal; what agents made is recorded nevertheless.
        InfrastructureError: the disk refused the summary.
    """
    with LineFile(folder / JOURNAL) as journal:
        run = _Run(todos, choices, journal, stop, observer, clock)
        summary = run.through(refused)
    _write(summary, folder / SUMMARY)
    return summary


@dataclass(slots=True)
class _Run:
    """What the threads of a run share."""

    todos: Sequence[Todo]
    choices: Choices
    journal: LineFile
    stop: threading.Event
    observer: Observer
    clock: Callable[[], float]
    lock: threading.Lock = field(default_factory=threading.Lock)
    costs: dict[str, float] = field(default_factory=dict)
    """Of each item that is being made or was made, as far as its program says."""
    ceilings: set[Ceiling] = field(default_factory=set)
    begin: float = 0.0

    def through(self, refused: Sequence[Refused]) -> RunSummary:
        """Make all items."""
        started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.begin = self.clock()
        self._note("run", items=len(self.todos), workers=self.choices.workers)
        done, broken = list[ItemSummary](), list[BaseException]()
        for _, said in in_threads(self.choices.workers, self.todos, self._handle):
            if isinstance(said, BaseException):
                self.stop.set()
                broken.append(said)
            else:
                done.append(said)
        if broken:
            raise broken[0]
        return summarise(
            done,
            started=started,
            seconds=self.clock() - self.begin,
            ceilings=sorted(self.ceilings),
            interrupted=self.stop.is_set(),
            refused=refused,
        )

    def _handle(self, todo: Todo) -> ItemSummary:
        summary = self._kept(todo) or self._barred(todo) or self._make(todo)
        self._note("item", **summary.model_dump(mode="json"))
        self.observer.ended(summary)
        return summary

    def _kept(self, todo: Todo) -> ItemSummary | None:
        state, record, reason = standing(todo, self.choices.resume)
        return _summary(todo, state, record, reason) if state else None

    def _barred(self, todo: Todo) -> ItemSummary | None:
        """Return why an item does not start, if so."""
        with self.lock:
            if self.choices.seconds is not None and self.clock() - self.begin >= self.choices.seconds:
                self.ceilings.add("time")
            if self.choices.usd is not None and sum(self.costs.values()) >= self.choices.usd:
                self.ceilings.add("cost")
            reached = sorted(self.ceilings)
        if self.stop.is_set():
            return _summary(todo, "not_started", None, "the run was interrupted")
        return _summary(todo, "not_started", None, f"the run's {' and '.join(reached)} had reached the ceiling") if reached else None

    def _make(self, todo: Todo) -> ItemSummary:
        item, begin = todo.item, self.clock()
        self._note("start", id=item.id)
        self.observer.started(item)
        try:
            record = todo.maker.make(todo.assignment, progress=lambda progress: self._watch(item, progress), stop=self.stop)
        except Exception as error:  # whatever it is, it takes no neighbour with it
            return _summary(todo, "failed", None, _reason(error), self.clock() - begin)
        self._spent(item, record.usage.usd)
        return _summary(todo, "made", record, "; ".join(record.reasons), self.clock() - begin)

    def _watch(self, item: PlanItem, progress: Progress) -> None:
        self._spent(item, progress.usd)
        self.observer.progress(item, progress)

    def _spent(self, item: PlanItem, usd: float | None) -> None:
        if usd is not None:
            with self.lock:
                self.costs[item.id] = usd

    def _note(self, entry: str, **facts: object) -> None:
        with self.lock:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
            self.journal.append({"entry": entry, "at": now, **facts})


def _reason(error: Exception) -> str:
    if isinstance(error, IsobenchError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}: {error}"


def _summary(todo: Todo, state: State, record: AttemptRecord | None, reason: str, seconds: float = 0.0) -> ItemSummary:
    item = todo.item
    return ItemSummary(
        id=item.id,
        task=item.task,
        agent=item.agent,
        attempt=item.attempt,
        state=state,
        status=record.status if record else None,
        reason=reason,
        seconds=seconds,
        steps=record.steps if record else None,
        usage=record.usage if record else Usage(),
    )


def _write(summary: RunSummary, path: Path) -> None:
    try:
        path.write_text(summary.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(f"{path}: cannot be written: {error.strerror or error}") from error
