"""The server: threads on a free loopback port."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llm_server.chat import Chat
from llm_server.messages import Messages
from llm_server.protocol import Answer, Body, Dialect, Event
from llm_server.responses import Responses
from llm_server.script import Fault, Script
from llm_server.tools import ScriptError, call_of

DIALECTS: dict[str, Dialect] = {"messages": Messages(), "responses": Responses(), "chat/completions": Chat()}
MODELS = ("scripted",)


@dataclass(frozen=True, slots=True)
class Request:
    """What came in."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    """By names in lower case."""
    body: Body
    dialect: Dialect | None = None

    @property
    def key(self) -> str:
        """The API key, from whichever header brings it."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def model(self) -> str:
        """The model that is asked for."""
        return str(self.body.get("model", ""))

    @property
    def prompt(self) -> str:
        """What the user said first."""
        return self.dialect.prompt(self.body) if self.dialect else ""

    @property
    def results(self) -> int:
        """The number of tools' results so far."""
        return self.dialect.results(self.body) if self.dialect else 0


class LlmServer(ThreadingHTTPServer):
    """A scripted model's address, and what was asked of it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, script: Script, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.script = script
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._all: list[Request] = []
        self._count = 0

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

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave out the trace of a client that went away."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: LlmServer

    def do_HEAD(self) -> None:
        """Say that there is somebody."""
        self._send(200, {})

    def do_GET(self) -> None:
        """List the models."""
        self.server.record(self._request({}))
        models = [{"id": name, "type": "model", "object": "model", "display_name": name} for name in MODELS]
        self._send(200, {"object": "list", "data": models, "has_more": False}) if self._route() == "models" else self._not_found()

    def do_POST(self) -> None:
        """Answer as the model."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        request = self._request(body)
        fault = self.server.record(request)
        if not request.dialect:
            self._send(200, {"input_tokens": self.server.script.usage.prompt}) if self._route() == "messages/count_tokens" else self._not_found()
        elif fault and isinstance(fault.status, int):
            self._send(fault.status, request.dialect.error(fault.status, fault.message), fault.headers)
        elif fault and fault.status == "hang":
            self.server.closing.wait()
            self.close_connection = True
        else:
            self._answer(request, request.dialect, broken=fault is not None)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def _route(self) -> str:
        return self.path.partition("?")[0].removeprefix("/v1").strip("/")

    def _request(self, body: Body) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, self.path, headers, body, DIALECTS.get(self._route()) if self.command == "POST" else None)

    def _answer(self, request: Request, dialect: Dialect, *, broken: bool) -> None:
        try:
            answer = self.server.answer(request, dialect)
        except ScriptError as error:
            self._send(400, dialect.error(400, str(error)))
            return
        if request.body.get("stream"):
            self._stream(dialect.events(answer), ends="data: [DONE]\n\n" if isinstance(dialect, Chat) else "", broken=broken)
        elif broken:
            self._break_off(json.dumps(dialect.whole(answer)))
        else:
            self._send(200, dialect.whole(answer))

    def _not_found(self) -> None:
        self._send(404, Chat().error(404, f"no such path here: {self.path}"))

    def _send(self, status: int, body: Body, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self._head(status, {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, events: Iterable[Event], *, ends: str, broken: bool) -> None:
        self._head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        pieces = [(f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n" for name, data in events] + [ends]
        for piece in pieces[: 2 if broken else None]:
            self._chunk(piece)
        if broken:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _break_off(self, text: str) -> None:
        data = text.encode()
        self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(data))})
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True


@contextmanager
def llm_server(script: Script, port: int = 0) -> Iterator[LlmServer]:
    """Serve a script for as long as the `with` block lasts, by default on a free port."""
    server = LlmServer(script, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="llm-server", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
