"""A binary conversation with a process in a sandbox, as a driver has it: reads end at a deadline, writes go in slices."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

SLICE = 8 * 2**20
"""The client holds at most 16 MiB before it must be drained."""

ECHO = """
import sys
while head := sys.stdin.buffer.read(8):
    body = sys.stdin.buffer.read(int.from_bytes(head, "big"))
    sys.stdout.buffer.write(head)
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()
"""
"""Sends each frame back: eight bytes of length, then the body."""


class Duplex:
    """Frames to and from a process that was started with `text=False`; use it from one thread."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self._received: queue.Queue[bytes | BaseException] = queue.Queue()
        self._left = bytearray()
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        try:
            for part in self._process.stdout:
                self._received.put(part)
            self._received.put(EOFError("the stream of output ended"))
        except Exception as error:
            self._received.put(error)

    def send(self, body: bytes) -> None:
        """Write a frame; blocks while the process does not read."""
        frame = memoryview(len(body).to_bytes(8, "big") + body)
        for start in range(0, len(frame), SLICE):
            self._process.stdin.write(frame[start : start + SLICE])
            self._process.stdin.drain()

    def receive(self, seconds: float = 20) -> bytes:
        """Read a frame within some seconds, or raise TimeoutError; what came so far stays for the next call."""
        end = time.monotonic() + seconds
        size = 8 + int.from_bytes(self._peek(8, end), "big")
        frame = self._peek(size, end)
        del self._left[:size]
        return frame[8:]

    def _peek(self, size: int, end: float) -> bytes:
        while len(self._left) < size:
            try:
                part = self._received.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"{len(self._left)} of {size} bytes came in time") from None
            if isinstance(part, BaseException):
                self._received.put(part)
                raise part
            self._left += part
        return bytes(self._left[:size])
