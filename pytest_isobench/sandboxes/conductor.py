"""One supervisor made of several: where every arm has a machine, and so a supervisor, of its own.

Each of them stops its own candidate after its turn, so a turn goes from one to the next, and all clocks are that of one kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes.base import ExecResult, Process, Remains, Reply, Stream, Supervisor, Turn


class Conductor(Supervisor):
    """Hands every request to the supervisor of its machine."""

    def __init__(self) -> None:
        self._machines: dict[str, Supervisor] = {}
        self._homes: dict[str, Supervisor] = {}
        self._closed = False

    def join(self, machine: str, supervisor: Supervisor) -> None:
        """Add a machine, by the name that its processes carry."""
        self._machines[machine] = supervisor

    def start(self, name: str, process: Process) -> None:
        supervisor = self._of(process)
        supervisor.start(name, process)
        self._homes[name] = supervisor

    def serve(self, name: str, process: Process) -> None:
        supervisor = self._of(process)
        supervisor.serve(name, process)
        self._homes[name] = supervisor

    def is_serving(self, name: str) -> bool:
        return self._homes[name].is_serving(name)

    def ask(self, name: str, operation: str, payload: bytes, *, timeout: float) -> Reply:
        return self._homes[name].ask(name, operation, payload, timeout=timeout)

    def turns(self, turns: Sequence[Turn], *, timeout: float) -> list[dict[str, Reply]]:
        played: list[dict[str, Reply]] = []
        failed: set[str] = set()
        for turn in turns:
            replies: dict[str, Reply] = {}
            for name in turn.order:
                if name not in failed:
                    [own] = self._homes[name].turns([Turn(order=(name,), inputs=turn.inputs)], timeout=timeout)
                    replies |= own
            failed |= {name for name, reply in replies.items() if reply.status != "ok"}
            played.append(replies)
        return played

    def stop(self, names: Sequence[str]) -> dict[str, Remains]:
        remains: dict[str, Remains] = {}
        for name in names:
            if name in self._homes:
                remains |= self._homes.pop(name).stop([name])
        return remains

    def run(
        self,
        process: Process,
        *,
        stdin: bytes = b"",
        timeout: float,
        output_limit: int = 2**20,
        on_output: Callable[[Stream, bytes], None] | None = None,
    ) -> ExecResult:
        supervisor = self._of(process)
        return supervisor.run(process, stdin=stdin, timeout=timeout, output_limit=output_limit, on_output=on_output)

    def cancel(self) -> None:
        for supervisor in self._machines.values():
            supervisor.cancel()

    def close(self) -> None:
        self._closed = True
        for supervisor in self._machines.values():
            supervisor.close()

    def _of(self, process: Process) -> Supervisor:
        if self._closed:
            raise SandboxError("the sandbox is closed")
        return self._machines[process.machine]
