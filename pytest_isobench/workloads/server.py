"""The life of a server that is a candidate: started on a free port, waited for, asked, and stopped with everything that it started."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_isobench.benchmarks.resolving import fill
from pytest_isobench.errors import SandboxError
from pytest_isobench.models.result import Outcome
from pytest_isobench.models.task import Task
from pytest_isobench.models.trial import ArmFailure
from pytest_isobench.sandboxes.base import Remains
from pytest_isobench.workloads import asking
from pytest_isobench.workloads.base import Bench
from pytest_isobench.workloads.gpu_memory import given_back
from pytest_isobench.workloads.observed import SHOWN

HOST = "127.0.0.1"
SLICE, ANSWER = 5.0, 30.0
"""Seconds of one wait, after which it is seen whether the server still runs, and that an answer may take."""
PAUSE = 0.05
PROGRAM = Path(asking.__file__)


class ServerError(Exception):
    """A server did not do its work."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(slots=True, kw_only=True)
class Server:
    """A server that runs."""

    bench: Bench
    task: Task
    arm: str
    name: str
    port: int
    setup: float = 0.0
    """Seconds from its start until it could be asked."""
    remains: Remains | None = None
    """What was seen at its end."""

    @property
    def places(self) -> dict[str, object]:
        """What stands for it in its own items and in those of its clients."""
        return {"host": HOST, "port": self.port}

    def wait(self, health: str, seconds: float) -> None:
        """Wait until it answers. Raises `ServerError` when it ends, or does not in time."""
        while self.setup < seconds:
            left = min(SLICE, seconds - self.setup)
            told, spent = _ask(self.bench, self.task, self.arm, do="wait", url=self._url(health), seconds=left)
            self.setup += spent
            self.demand()
            if told == "ready":
                return
        raise ServerError(Outcome.TIMED_OUT, f"the server does not answer {health} with status 200 within {seconds:g} s")

    def flush(self, path: str) -> None:
        """Empty its caches. Raises `ServerError` when it does not."""
        status, _ = _ask(self.bench, self.task, self.arm, do="post", url=self._url(path), seconds=ANSWER)
        self.demand()
        if status != "200":
            raise ServerError(Outcome.CRASHED, f"the server answers a POST to {path} with status {status}, not 200")

    def demand(self, patience: float = 0.0) -> None:
        """Raise `ServerError` when it runs no more, or ends within some seconds."""
        deadline = time.monotonic() + patience
        while self.bench.sandbox.supervisor.is_serving(self.name):
            if time.monotonic() >= deadline:
                return
            time.sleep(PAUSE)
        raise ServerError(Outcome.CRASHED, "the server has ended")

    def failure(self, error: ServerError) -> ArmFailure:
        """Say why its arm has no times, with the end of its log; once it is stopped."""
        log = self.remains.log.strip() if self.remains else ""
        status = "" if self.remains is None or self.remains.returncode is None else f" with status {self.remains.returncode}"
        return ArmFailure(outcome=error.outcome, message=f"{error}{status}\n{log[-SHOWN:]}".strip())

    def _url(self, path: str) -> str:
        return f"http://{HOST}:{self.port}{path}"


@contextmanager
def serving(bench: Bench, task: Task, arm: str, argv: Sequence[str], variables: Mapping[str, str], label: str) -> Iterator[Server]:
    """Start an arm's server, and stop it at the end; its log is kept under the label. Raises `SandboxError` when the machine fails.

    GPUs must have their memory back afterwards.
    """
    port = int(_ask(bench, task, arm, do="port")[0])
    server = Server(bench=bench, task=task, arm=arm, name=f"server-{arm}", port=port)
    process = bench.sandbox.process(
        arm,
        fill(argv, server.places),
        resources=task.resources,
        variables={**task.environment.variables, **variables},
        cores=server_cores(bench.cores),
        joint=True,
    )
    supervisor = bench.sandbox.supervisor
    with given_back(bench.sandbox.gpus):
        supervisor.serve(server.name, process)
        try:
            yield server
        finally:
            server.remains = supervisor.stop([server.name]).get(server.name)
            _keep(bench.logs, label, server.remains)


def server_cores(cores: Sequence[int]) -> tuple[int, ...]:
    """Return the server's part of the cores: the last is for its clients, where there are several."""
    return tuple(cores[:-1] or cores)


def client_cores(cores: Sequence[int]) -> tuple[int, ...]:
    """Return the clients' part."""
    return tuple(cores[-1:])


def _ask(bench: Bench, task: Task, arm: str, **job: Any) -> tuple[str, float]:
    """Run the program that speaks to servers, where the arm's server can be reached: what it says, and the seconds that it took.

    A server can keep it from saying anything.
    """
    process = bench.sandbox.process(
        bench.companion(arm),
        ["{python}", "-I", "-S", "-c", PROGRAM.read_text("utf-8")],
        resources=task.resources,
        cores=client_cores(bench.cores),
        joint=True,
    )
    seconds = float(job.get("seconds", 0.0))
    done = bench.sandbox.supervisor.run(process, stdin=json.dumps(job).encode(), timeout=seconds + ANSWER)
    if done.returncode and not done.timed_out:
        raise SandboxError(f"the program that asks servers ended with status {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode().strip(), done.wall


def _keep(folder: Path | None, label: str, remains: Remains | None) -> None:
    """Write a server's log down, whole."""
    if folder is not None and remains is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{label}.log").write_text(remains.log, encoding="utf-8", errors="replace")
