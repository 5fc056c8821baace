"""The controller's end of the supervisor: requests out, answers back, over a channel to a process that may be far away."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes import supervisor as program
from pytest_isobench.sandboxes.base import ExecResult, Process, Remains, Reply, Stream, Supervisor, Turn
from pytest_isobench.sandboxes.channel import Channel, PipeChannel

PROGRAM = Path(program.__file__)
OPERATIONS = {"load": "L", "inputs": "I", "check": "C", "echo": "E"}
ANSWER_LIMIT = 64 * 2**20
"""Bytes of one answer; more is `oversized`."""
GRACE = 60.0
"""Seconds beyond a request's own limits after which the supervisor itself counts as lost."""
STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")


BOOT = "import sys; exec(compile(sys.stdin.buffer.read(int(sys.argv[1])), 'program', 'exec'))"
"""Runs a program that comes first over stdin, its size as the argument: where no file of ours is."""


def boot_command(python: str) -> tuple[str, ...]:
    """Return the command that becomes a supervisor once its program, `PROGRAM`, is sent to it."""
    return (python, "-I", "-c", BOOT, str(PROGRAM.stat().st_size))


class SupervisorClient(Supervisor):
    """Speaks to a supervisor over a channel. Every method raises `SandboxError` when it is lost."""

    def __init__(self, channel: Channel, *, patience: float = 30.0) -> None:
        """Greet the supervisor, which may take `patience` seconds to come up. The channel is closed when that fails."""
        self._channel = channel
        try:
            greeting, _ = self._request({"do": "hello"}, timeout=patience)
        except BaseException:
            channel.close()
            raise
        self.python: str = greeting["python"]
        """The interpreter that runs it."""
        self.environment: dict[str, str] = greeting["environment"]
        """Its variables: in a container those of the image."""

    @classmethod
    def launch(cls, argv: Sequence[str] = (), *, environment: Mapping[str, str] | None = None, python: str = sys.executable) -> Self:
        """Start a supervisor on this machine; `argv` is what it is started through, such as `unshare --mount`."""
        command = [*argv, python, "-I", str(PROGRAM)]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True, bufsize=0
            )
        except OSError as error:
            raise SandboxError(f"the supervisor could not be started ({' '.join(command)}): {error}") from error
        return cls(PipeChannel(process))

    def mount(self, mounts: Sequence[Mapping[str, str]]) -> None:
        """Mount (type, source, target, options) where the supervisor lives; gone when it ends, if it has its own mount namespace."""
        self._request({"do": "mount", "mounts": [dict(mount) for mount in mounts]}, timeout=30)

    def start(self, name: str, process: Process) -> None:
        self._request({"do": "start", "name": name, "process": asdict(process)}, timeout=30)

    def serve(self, name: str, process: Process) -> None:
        self._request({"do": "serve", "name": name, "process": asdict(process)}, timeout=30)

    def is_serving(self, name: str) -> bool:
        answer, _ = self._request({"do": "look", "name": name}, timeout=30)
        return bool(answer["running"])

    def ask(self, name: str, operation: str, payload: bytes, *, timeout: float) -> Reply:
        header = {"do": "ask", "name": name, "operation": OPERATIONS[operation], "timeout": timeout, "limit": ANSWER_LIMIT}
        answer, blobs = self._request(header, [payload], timeout=2 * timeout)
        return Reply(payload=blobs[0], **answer)

    def turns(self, turns: Sequence[Turn], *, timeout: float) -> list[dict[str, Reply]]:
        header = {"do": "turns", "orders": [turn.order for turn in turns], "timeout": timeout, "limit": ANSWER_LIMIT}
        longest = 2 * timeout * sum(len(turn.order) for turn in turns)
        answer, blobs = self._request(header, [turn.inputs for turn in turns], timeout=longest)
        played: list[dict[str, Reply]] = [{} for _ in turns]
        for facts, payload in zip(answer["played"], blobs, strict=True):
            turn, arm = facts.pop("turn"), facts.pop("arm")
            played[turn][arm] = Reply(payload=payload, **facts)
        return played

    def stop(self, names: Sequence[str]) -> dict[str, Remains]:
        answer, logs = self._request({"do": "stop", "names": list(names)}, timeout=15.0 * (1 + len(names)))
        remains = {}
        for facts, log in zip(answer["remains"], logs, strict=True):
            name, notes = facts.pop("name"), tuple(facts.pop("notes"))
            remains[name] = Remains(log=log.decode(errors="replace"), notes=notes, **facts)
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
        header = {"do": "run", "process": asdict(process), "timeout": timeout, "limit": output_limit, "stream": on_output is not None}
        facts, (stdout, stderr) = self._request(header, [stdin], timeout=timeout, on_output=on_output)
        return ExecResult(stdout=stdout, stderr=stderr, **facts)

    def cancel(self) -> None:
        self._send({"do": "cancel"})

    def close(self) -> None:
        """End the supervisor, and with it everything that it started. Idempotent."""
        self._channel.close()

    def _request(
        self,
        header: dict[str, Any],
        blobs: Sequence[bytes] = (),
        *,
        timeout: float,
        on_output: Callable[[Stream, bytes], None] | None = None,
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Send one request and wait for its answer, handing on the output that comes before it."""
        deadline = time.monotonic() + timeout + GRACE
        self._send(header, blobs)
        while True:
            answer, received = self._receive(deadline)
            if "error" in answer:
                raise SandboxError(f"the supervisor could not do {header['do']!r}: {answer['error']}")
            if "output" not in answer:
                return answer, received
            if on_output is not None:
                on_output(STREAMS[answer["output"]], received[0])

    def _send(self, header: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> None:
        text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
        self._channel.send(struct.pack(">I", len(text)) + text + b"".join(blobs))

    def _receive(self, deadline: float) -> tuple[dict[str, Any], list[bytes]]:
        (size,) = struct.unpack(">I", self._channel.exactly(4, deadline))
        header: dict[str, Any] = json.loads(self._channel.exactly(size, deadline))
        return header, [self._channel.exactly(length, deadline) for length in header.pop("blobs")]
