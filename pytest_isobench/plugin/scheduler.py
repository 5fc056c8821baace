"""The order of work under xdist: all cases of one task on one worker, and no task waits behind another that still runs.

A worker starts a test only when it knows the next one. Its last one would wait until the worker is given another task, which then
waits for it in turn while other workers are idle. So the scheduler ends each portion of work with its last test a second time, and
the worker (`run_once`) lets that second time pass.

Long tasks go first, as far as earlier reports tell which are long: what is started last decides when all is over.
"""

from __future__ import annotations

import math
import re
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

CASE = re.compile(r"\[(?P<task>[A-Za-z0-9][A-Za-z0-9._-]*):(?P<agent>[^:\]]+):(?P<attempt>\d+)")
TASK = "task "
PR_SET_PDEATHSIG = 1
FINISHED = pytest.StashKey[bool]()


def scope(nodeid: str) -> str:
    """Return what must stay together: a task's cases, or the tests of one other file or class."""
    found = CASE.search(nodeid)
    return f"{TASK}{found['task']}" if found else nodeid.rsplit("::", 1)[0]


class TaskScheduling:
    """Hands whole tasks to workers, one at a time; implements xdist's `Scheduling`."""

    def __init__(self, workers: int, seconds: Mapping[str, float] | None = None) -> None:
        """Take the number of workers, and how long tasks took earlier; a task that is not known goes before those that are."""
        self._workers, self._seconds = workers, seconds or {}
        self._collections: dict[WorkerController, list[str]] = {}
        self._assigned: dict[WorkerController, deque[int]] = {}
        """What each worker has not completed. A second time is kept as its complement, a negative number."""
        self._waiting: deque[list[str]] = deque()
        self._agreed: list[str] | None = None

    @property
    def nodes(self) -> list[WorkerController]:
        return list(self._assigned)

    @property
    def collection_is_completed(self) -> bool:
        return len(self._collections) >= self._workers

    @property
    def tests_finished(self) -> bool:
        return self.collection_is_completed and not self.has_pending

    @property
    def has_pending(self) -> bool:
        return bool(self._waiting) or any(self._pending(node) for node in self._assigned)

    def add_node(self, node: WorkerController) -> None:
        self._assigned[node] = deque()

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Take note of what a worker collected. Raises `pytest.UsageError` when another one collected something else."""
        for other in (self._agreed, *self._collections.values()):
            if other is not None and other != list(collection):
                odd = sorted(set(other) ^ set(collection))[:3] or ["the same tests in another order"]
                raise pytest.UsageError(f"the workers collected different tests: {', '.join(odd)}")
        self._collections[node] = list(collection)

    def schedule(self) -> None:
        if self._agreed is None:
            self._agreed = next(iter(self._collections.values()))
            groups: dict[str, list[str]] = {}
            for nodeid in self._agreed:
                groups.setdefault(scope(nodeid), []).append(nodeid)
            order = sorted(groups, key=lambda group: -self._seconds.get(group.removeprefix(TASK), math.inf))
            self._waiting.extend(groups[group] for group in order)
        self._feed_all()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:  # noqa: ARG002 - xdist's signature
        assigned = self._assigned[node]
        assigned.remove(item_index if item_index in assigned else ~item_index)
        self._feed(node)

    def mark_test_pending(self, item: str) -> None:
        self._waiting.appendleft([item])
        self._feed_all()

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        raise NotImplementedError("no test is taken back from a worker")

    def remove_node(self, node: WorkerController) -> str | None:
        """Forget a worker. Returns the test that it died in; the rest of its task goes to another one."""
        unfinished = [self._collections[node][index] for index in self._pending(node)]
        del self._assigned[node]
        self._collections.pop(node, None)
        if unfinished[1:]:
            self._waiting.appendleft(unfinished[1:])
        self._feed_all()
        return unfinished[0] if unfinished else None

    def _pending(self, node: WorkerController) -> list[int]:
        return [index for index in self._assigned[node] if index >= 0]

    def _feed_all(self) -> None:
        for node in self.nodes:
            self._feed(node)

    def _feed(self, node: WorkerController) -> None:
        """Give a worker the next task when it has nothing left to run."""
        if not self._waiting or self._pending(node) or node.shutting_down or node not in self._collections:
            return
        collection = self._collections[node]
        indices = [collection.index(nodeid) for nodeid in self._waiting.popleft()]
        self._assigned[node].extend([*indices, ~indices[-1]])
        node.send_runtest_some([*indices, indices[-1]])


def end_with_controller() -> None:
    """Let this worker be ended when the controller dies: xdist itself would notice, and let the test in progress run on for a while."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Pause(pytest.Item):
    """Stands for a next test that is not known yet: the session's fixtures stay for it, all others are torn down."""

    def runtest(self) -> None:
        raise NotImplementedError("a pause is no test")


def run_once(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Implement `pytest_runtest_protocol` on a worker: run a test that is its own next one, and let its second time pass."""
    if item.stash.get(FINISHED, False):
        return True
    if nextitem is not item:
        return None
    pause = Pause.from_parent(item.session, name="pause")
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=pause)
    item.stash[FINISHED] = True
    return True
