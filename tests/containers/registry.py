"""A registry for tests: what the distribution protocol needs to push and pull an image, on this machine, with a login."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER, PASSWORD = "builder", "open-sesame-4711"


class Registry(ThreadingHTTPServer):
    """Keeps blobs and manifests in memory."""

    daemon_threads = True

    def __init__(self, pid: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.socket.close()
        with ThreadPoolExecutor(1) as thread:  # a socket stays in the network that its thread was in
            self.socket = thread.submit(socket_beside, pid).result()
        self.server_bind()
        self.server_activate()
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}

    @property
    def name(self) -> str:
        """Host and port; engines trust 127.0.0.0/8 without encryption."""
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers one engine."""

    protocol_version = "HTTP/1.1"
    server: Registry

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_GET(self) -> None:
        body = self._body()
        if self._refused():
            return None
        place = self.path.partition("?")[0]
        if place == "/v2/":
            return self._answer(200)
        if found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", place):
            return self._manifest(*found.groups(), body)
        if found := re.fullmatch(r"/v2/.+/blobs/(sha256:\w+)", place):
            data = self.server.blobs.get(found[1])
            return self._answer(404) if data is None else self._answer(200, data, {"Docker-Content-Digest": found[1]})
        if found := re.fullmatch(r"(/v2/.+/blobs/uploads/)([\w-]*)", place):
            return self._upload(*found.groups(), body)
        return self._answer(404)

    do_HEAD = do_PUT = do_POST = do_PATCH = do_GET  # noqa: N815 - the names that http.server asks for

    def _refused(self) -> bool:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == wanted:
            return False
        self._answer(
            401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}', {"WWW-Authenticate": 'Basic realm="test"'}
        )
        return True

    def _manifest(self, name: str, reference: str, body: bytes) -> None:
        key = f"{name}@{reference}"
        if self.command == "PUT":
            digest = digest_of(body)
            for known in (key, f"{name}@{digest}"):
                self.server.manifests[known] = (json.loads(body)["mediaType"], body)
            return self._answer(201, headers={"Docker-Content-Digest": digest, "Location": self.path})
        if key not in self.server.manifests:
            return self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        kind, data = self.server.manifests[key]
        return self._answer(200, data, {"Content-Type": kind, "Docker-Content-Digest": digest_of(data)})

    def _upload(self, start: str, upload: str, body: bytes) -> None:
        upload = upload or str(uuid.uuid4())
        data = self.server.uploads[upload] = self.server.uploads.get(upload, b"") + body
        headers = {"Location": start + upload, "Range": f"0-{max(len(data) - 1, 0)}", "Docker-Upload-UUID": upload}
        if self.command != "PUT":
            return self._answer(202, headers=headers)
        self.server.blobs[digest_of(data)] = data
        return self._answer(201, headers={"Location": start, "Docker-Content-Digest": digest_of(data)})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Docker-Distribution-Api-Version": "registry/2.0", "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def digest_of(data: bytes) -> str:
    """Return the name of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def socket_beside(pid: int) -> socket.socket:
    """Return a socket in the network of a process, which this thread enters."""
    with open(f"/proc/{pid}/ns/net") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), f"the network of process {pid} cannot be entered")
    return socket.socket()


@contextmanager
def serving(pid: int) -> Iterator[Registry]:
    """Run a registry in the network of a process."""
    with Registry(pid) as registry:
        thread = threading.Thread(target=registry.serve_forever, daemon=True)
        thread.start()
        yield registry
        registry.shutdown()
        thread.join()
