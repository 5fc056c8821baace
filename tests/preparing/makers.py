"""An agent that makes patches in no time, or as slowly as a test wants, and records them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_isobench.agents.base import Assignment
from pytest_isobench.agents.running import Progress
from pytest_isobench.agents.store import AttemptStore
from pytest_isobench.models.agent import AgentStatus, AttemptRecord, Usage

DIFF = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n"


@dataclass
class FakeMaker:
    """Makes what `says` returns for an item's task: a status, a cost, or an exception."""

    name: str
    folder: Path
    configuration: str = "1"
    says: Callable[[Assignment], Any] = lambda _: AgentStatus.MADE_PATCH
    usd: float | None = 0.5
    waits: bool = False
    made: list[tuple[str, int]] = field(default_factory=list)
    at_work: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def store(self) -> AttemptStore:
        return AttemptStore(self.folder / self.name)

    def key(self, assignment: Assignment) -> str:
        tree = sorted((path.name, path.read_text()) for path in assignment.source.base_tree().path.iterdir())
        return hashlib.sha256(repr((assignment.task.id, tree, self.configuration)).encode()).hexdigest()

    def recorded(self, assignment: Assignment) -> AttemptRecord | None:
        return self.store.record(assignment.task.id, assignment.attempt)

    def make(self, assignment: Assignment, *, progress: Callable[[Progress], None], stop: threading.Event) -> AttemptRecord:
        progress(Progress(phase="working", seconds=1.0, steps=3, usd=self.usd))
        status = self.says(assignment)
        if isinstance(status, Exception):
            raise status
        self.made.append((assignment.task.id, assignment.attempt))
        self.at_work.release()
        if self.waits:
            assert stop.wait(60)
            status = AgentStatus.INTERRUPTED
        record = AttemptRecord(
            task=assignment.task.id,
            agent=self.name,
            attempt=assignment.attempt,
            status=status,
            driver="command",
            usage=Usage(usd=self.usd, output_tokens=10),
            key=self.key(assignment),
        )
        self.store.write(record, DIFF if status is AgentStatus.MADE_PATCH else None, {"prompt.md": b"Make it fast."})
        return record
