"""How bytes get to a supervisor and back: over the pipes of a process on this machine, or over a stream to wherever it runs."""

from __future__ import annotations

import os
import select
import subprocess
import time
from abc import ABC, abstractmethod

from pytest_isobench.errors import SandboxError

PIECE = 2**20
"""Bytes that are read at once."""


class Channel(ABC):
    """A supervisor's stdin and stdout. Every method but `close` raises `SandboxError` when the other end is gone."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send all of it."""

    @abstractmethod
    def receive(self, most: int, deadline: float) -> bytes:
        """Return some bytes, at most `most`, as soon as there are any; `deadline` is on the monotonic clock."""

    @abstractmethod
    def close(self) -> None:
        """End the supervisor, and with it everything that it started. Idempotent."""

    def exactly(self, size: int, deadline: float) -> bytes:
        """Return this many bytes."""
        parts = bytearray()
        while len(parts) < size:
            parts += self.receive(min(size - len(parts), PIECE), deadline)
        return bytes(parts)


def silent() -> SandboxError:
    """Return what to raise when nothing came in time."""
    return SandboxError("the supervisor does not answer any more")


def closed() -> SandboxError:
    """Return what to raise when a closed sandbox is used."""
    return SandboxError("the sandbox is closed")


class PipeChannel(Channel):
    """The pipes of a process on this machine."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take over an unbuffered process that was started with pipes as its stdin and stdout."""
        assert process.stdin
        assert process.stdout
        self._process, self._requests, self._answers = process, process.stdin, process.stdout

    def send(self, data: bytes) -> None:
        if self._requests.closed:
            raise closed()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._requests.fileno(), view) :]
        except OSError as error:
            raise self._lost() from error

    def receive(self, most: int, deadline: float) -> bytes:
        ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise silent()
        data = os.read(self._answers.fileno(), most)
        if not data:
            raise self._lost()
        return data

    def close(self) -> None:
        self._requests.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()

    def _lost(self) -> SandboxError:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return SandboxError("the supervisor closed its pipe")
        return SandboxError(f"the supervisor ended with status {code}")
