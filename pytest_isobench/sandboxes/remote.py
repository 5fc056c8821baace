"""The channel to a program in a Modal sandbox: its output is read by a thread, so that no read is without an end."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes.channel import Channel, closed, silent

if TYPE_CHECKING:
    from modal.container_process import ContainerProcess

PIECE = 8 * 2**20
"""Bytes that are sent at once; the client takes twice as many."""
AHEAD = 64
"""Pieces of output that may wait to be read."""


class RemoteChannel(Channel):
    """A process of a sandbox. `explain` says why it is gone, once its output ends or breaks."""

    def __init__(self, process: ContainerProcess[bytes], explain: Callable[[], str]) -> None:
        self._process, self._explain = process, explain
        self._pieces: queue.Queue[bytes | None] = queue.Queue(AHEAD)
        self._rest, self._closed, self._ended = b"", False, False
        self._problem: Exception | None = None
        threading.Thread(target=self._read, daemon=True, name="isobench-modal").start()

    def send(self, data: bytes) -> None:
        if self._closed:
            raise closed()
        try:
            for begin in range(0, len(data), PIECE):
                self._process.stdin.write(data[begin : begin + PIECE])
                self._process.stdin.drain()
        except Exception as error:
            raise self._lost(error) from error

    def receive(self, most: int, deadline: float) -> bytes:
        if self._closed:
            raise closed()
        if not self._rest:
            self._rest = self._next(deadline)
        data, self._rest = self._rest[:most], self._rest[most:]
        return data

    def close(self) -> None:
        """End its input; the sandbox is ended by whoever made it."""
        if self._closed:
            return
        self._closed = True
        try:
            self._process.stdin.write_eof()
            self._process.stdin.drain()
        except Exception:  # noqa: S110 - it is gone already
            pass

    def _next(self, deadline: float) -> bytes:
        if self._ended:
            raise self._lost(self._problem)
        try:
            piece = self._pieces.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise silent() from None
        if piece is None:
            self._ended = True
            raise self._lost(self._problem)
        return piece

    def _read(self) -> None:
        try:
            for piece in self._output():
                while not self._closed:
                    try:
                        self._pieces.put(piece, timeout=1.0)
                        break
                    except queue.Full:
                        continue
        except Exception as error:
            self._problem = error
        self._pieces.put(None)

    def _output(self) -> Iterator[bytes]:
        yield from (piece for piece in self._process.stdout if piece)

    def _lost(self, error: Exception | None) -> SandboxError:
        told = f" ({type(error).__name__}: {error})" if error else ""
        return SandboxError(f"the remote sandbox is lost: {self._explain()}{told}")
