"""The HTTP side: what a request is answered with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llm_server.chat import Chat
from llm_server.messages import Messages
from llm_server.protocol import Body, Dialect, Event
from llm_server.request import Request
from llm_server.responses import Responses
from llm_server.tools import ScriptError

if TYPE_CHECKING:
    from llm_server.server import LlmServer

DIALECTS: dict[str, Dialect] = {"messages": Messages(), "responses": Responses(), "chat/completions": Chat()}
MODELS = ("scripted",)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LlmServer

    def do_HEAD(self) -> None:
        """Say that there is somebody."""
        self._send(200, {})

    def do_GET(self) -> None:
        """List the models."""
        self.server.record(self._request({}))
        if "upgrade" in self.headers:
            self._send(426, Chat().error(426, "no WebSockets here"))
            return
        models = [{"id": name, "type": "model", "object": "model", "display_name": name} for name in MODELS]
        self._send(200, {"object": "list", "data": models, "has_more": False}) if self._route() == "models" else self._not_found()

    def do_POST(self) -> None:
        """Answer as the model."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        request = self._request(body)
        fault = self.server.record(request)
        if not request.dialect:
            counted = {"input_tokens": self.server.script.usage.prompt}
            self._send(200, counted) if self._route() == "messages/count_tokens" else self._not_found()
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
        return urlsplit(self.path).path.removeprefix("/v1").strip("/")

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
        if self.close_connection:
            self.send_header("Connection", "close")
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
