"""The channel to a container's first process: one socket, over which the engine sends both outputs in frames."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress

from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes.channel import PIECE, Channel, closed, silent

HEADER = struct.Struct(">BxxxL")
"""Of a frame: which output, and its size."""
STDOUT = 1
TAIL = 4096
"""Bytes of the last error output that are kept."""


class SocketChannel(Channel):
    """An attached socket; what comes on the error output is kept for the message when the container is lost."""

    def __init__(self, attached: socket.socket, explain: Callable[[], str]) -> None:
        """Use a socket; `explain` says why a container is gone."""
        self._socket, self._explain = attached, explain
        self._buffer, self._errors = bytearray(), bytearray()
        self._left, self._output = 0, 0
        self._closed = False
        attached.settimeout(None)

    def send(self, data: bytes) -> None:
        if self._closed:
            raise closed()
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost() from error

    def receive(self, most: int, deadline: float) -> bytes:
        if self._closed:
            raise closed()
        while True:
            self._header()
            if self._left and self._buffer:
                data = bytes(self._buffer[: min(most, self._left)])
                del self._buffer[: len(data)]
                self._left -= len(data)
                if self._output == STDOUT:
                    return data
                self._errors = (self._errors + data)[-TAIL:]
                continue
            self._fill(deadline)

    def _header(self) -> None:
        """Read the next frame's header, when one is due and there."""
        if not self._left and len(self._buffer) >= HEADER.size:
            self._output, self._left = HEADER.unpack(self._buffer[: HEADER.size])
            del self._buffer[: HEADER.size]

    def _fill(self, deadline: float) -> None:
        if not select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise silent()
        try:
            data = self._socket.recv(PIECE)
        except OSError as error:
            raise self._lost() from error
        if not data:
            raise self._lost()
        self._buffer += data

    def _lost(self) -> SandboxError:
        errors = self._errors.decode(errors="replace").strip()
        return SandboxError(f"the container is lost: {self._explain()}" + (f"\n{errors}" if errors else ""))

    def close(self) -> None:
        """Close it: the supervisor reads the end of its input, and leaves."""
        self._closed = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()
