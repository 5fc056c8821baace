"""The server: threads on a free loopback port."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from typing import Any

from llm_server.handler import Handler
from llm_server.protocol import Answer, Dialect
from llm_server.request import Request
from llm_server.script import Fault, Script
from llm_server.tools import call_of


class LlmServer(ThreadingHTTPServer):
    """A scripted model's address, and what was asked of it."""

    daemon_threads = False  # the end waits for all of them
    request_queue_size = 64

    def __init__(self, script: Script, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.script = script
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._all: list[Request] = []
        self._count = 0
        self._connections: set[socket.socket] = set()

    @property
    def url(self) -> str:
        """The address without a path: Anthropic's base URL; OpenAI's ends with `/v1`."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def all_requests(self) -> list[Request]:
        """All requests, the oldest first."""
        return list(self._all)

    @property
    def requests(self) -> list[Request]:
        """The requests for an answer of the model, the oldest first."""
        return [request for request in self._all if request.dialect]

    def record(self, request: Request) -> Fault | None:
        """Write a request down; return the fault that it meets."""
        with self._lock:
            self._all.append(request)
            if not request.dialect:
                return None
            self._count += 1
            return self.script.fault(self._count - 1)

    def answer(self, request: Request, dialect: Dialect) -> Answer:
        """Return the answer of the script."""
        step = self.script.step(request.results)
        return Answer(request.model, step, call_of(step, dialect.tools(request.body)), step.usage or self.script.usage)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Remember a connection, to end it with the server."""
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """End all connections, also those that wait for an answer."""
        self.closing.set()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def llm_server(script: Script, port: int = 0) -> Iterator[LlmServer]:
    """Serve a script for as long as the `with` block lasts, by default on a free port."""
    server = LlmServer(script, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="llm-server", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()
