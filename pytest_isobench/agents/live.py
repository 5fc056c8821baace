"""Agents that files describe: what they made before is taken, and what is missing is made now, if that is allowed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_isobench.agents import specs
from pytest_isobench.agents.attempting import Attempting
from pytest_isobench.agents.base import AgentContext, Assignment, Submission
from pytest_isobench.agents.recorded import RecordedAgent
from pytest_isobench.agents.running import Progress
from pytest_isobench.agents.tries import Try
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, AttemptRecord

FIRST_WAIT, LONGEST_WAIT = 10.0, 300.0
"""Seconds before a call is made again: the first time, and at most; each wait is twice as long as the one before."""


class LiveAgent(RecordedAgent):
    """One agent of a file."""

    def __init__(self, name: str, spec: AgentSpec, context: AgentContext) -> None:
        super().__init__(name, context.patches / name)
        self.spec, self._context = spec, context

    def submit(self, assignment: Assignment) -> Submission:
        record = self.store.record(assignment.task.id, assignment.attempt)
        has_patch = self.store.diff(assignment.task.id, assignment.attempt).is_file()
        missing = not (has_patch if record is None else record.final)
        if missing and self._context.provider is not None:
            self._make_here(assignment)
        return super().submit(assignment)

    def _make_here(self, assignment: Assignment) -> None:
        """Make the attempt in another thread, so that whoever interrupts this one ends the agent, and what it has made is recorded."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as thread:
            made = thread.submit(self.make, assignment, progress=lambda now: assignment.progress(said(now)), stop=stop)
            try:
                made.result()
            except KeyboardInterrupt:
                stop.set()
                raise

    def recorded(self, assignment: Assignment) -> AttemptRecord | None:
        """Return the record of an attempt that was made before."""
        return self.store.record(assignment.task.id, assignment.attempt)

    def key(self, assignment: Assignment) -> str:
        """Return the digest of all that an attempt depends on: task, prompt, base tree and this agent's file."""
        return self._attempting(assignment).key

    def make(
        self,
        assignment: Assignment,
        *,
        progress: Callable[[Progress], None] = lambda _: None,
        stop: threading.Event | None = None,
    ) -> AttemptRecord:
        """Run the agent and record what it made. Setting `stop` in another thread ends it; what it has made so far is recorded.

        Raises:
            UsageError: the program is not installed, its key is not set, or the task gives its prompt away.
            InfrastructureError: the machine failed, and nothing was recorded.
        """
        stop = stop or threading.Event()
        self._spare(assignment)
        attempting = self._attempting(assignment)
        attempting.require()
        wait = FIRST_WAIT
        for number in range(1, self.spec.retries + 2):
            tried = attempting.run(progress, stop)
            if not tried.retry or number > self.spec.retries:
                break
            progress(Progress(phase=f"waiting {wait:.0f} s before try {number + 1}: {tried.reason}"))
            if stop.wait(wait):
                break
            wait = min(2 * wait, LONGEST_WAIT)
        return self._record(assignment, attempting, tried, number)

    def _spare(self, assignment: Assignment) -> None:
        """Raise `UsageError` rather than replace a patch of which nothing is known."""
        patch = self.store.diff(assignment.task.id, assignment.attempt)
        if patch.is_file() and self.recorded(assignment) is None:
            raise UsageError(f"{patch} is there, and no record of how it was made: move it away to have it made again")

    def _record(self, assignment: Assignment, attempting: Attempting, tried: Try, tries: int) -> AttemptRecord:
        record = attempting.record(self.name, assignment.attempt, tried, tries)
        self.store.write(record, tried.harvest.diff or None, attempting.kept(tried))
        return record

    def _attempting(self, assignment: Assignment) -> Attempting:
        return Attempting(self.spec, assignment, self._context)


def said(now: Progress) -> str:
    """Return progress as a text."""
    return f"{now.phase} for {now.seconds:.0f} s{', work tree changed' if now.edited else ''}" if now.seconds else now.phase


def live(name: str, file: Path, context: AgentContext) -> LiveAgent:
    """Return the agent of a file. Raises `TaskError` for a file that is wrong."""
    return LiveAgent(name, specs.read(file), context)
