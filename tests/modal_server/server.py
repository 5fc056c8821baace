"""The server: both services on free loopback ports, in a thread with its own event loop."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType

from grpclib.config import Configuration
from grpclib.protocol import H2Protocol
from grpclib.server import Server

from modal_server.control import ControlPlane
from modal_server.faults import Faults
from modal_server.records import Image, Sandbox, Volume
from modal_server.router import CommandRouter
from modal_server.rpc import Service, World

WINDOW = 64 * 2**20
"""Bytes that may be under way; the client has the same."""


def _listen() -> socket.socket:
    # with the protocol named, asyncio sends small messages at once; without it each takes 40 ms
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    place.bind(("127.0.0.1", 0))
    return place


class Line(Server):
    """A gRPC server that ends its connections when it ends; grpclib's own leaves that to the client."""

    def __init__(self, service: Service) -> None:
        super().__init__([service], config=Configuration(http2_connection_window_size=WINDOW, http2_stream_window_size=WINDOW))
        self._protocols: list[H2Protocol] = []

    def _protocol_factory(self) -> H2Protocol:
        self._protocols.append(super()._protocol_factory())
        return self._protocols[-1]

    async def hang_up(self) -> None:
        """Answer nothing more, and end all connections."""
        self.close()
        for protocol in self._protocols:
            protocol.connection.close()
        await self.wait_closed()


class ModalServer:
    """A Modal service for as long as the `with` block lasts; it sets nothing outside of itself."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._world = World(Path(tempfile.mkdtemp(prefix="modal-server-")), self.faults)
        self._sockets = [_listen() for _ in range(2)]
        self._urls = [f"http://127.0.0.1:{place.getsockname()[1]}" for place in self._sockets]
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(target=self._run, name="modal-server", daemon=True)
        self._router: Line | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a client needs to come here."""
        return {
            "MODAL_SERVER_URL": self._urls[0],
            "MODAL_TOKEN_ID": self._world.token_id,
            "MODAL_TOKEN_SECRET": self._world.token_secret,
            "MODAL_CONFIG_PATH": str(self._world.folder / "no-config.toml"),
        }

    @property
    def sandboxes(self) -> list[Sandbox]:
        """All sandboxes so far, the oldest first."""
        return list(self._world.sandboxes)

    @property
    def images(self) -> list[Image]:
        """All images that were asked for, with the lines they would be built from."""
        return list(self._world.images.values())

    @property
    def volumes(self) -> list[Volume]:
        """All volumes."""
        return list(self._world.volumes.values())

    @property
    def calls(self) -> list[str]:
        """The names of all calls, in their order."""
        return list(self._world.calls)

    def add_secret(self, name: str, values: dict[str, str]) -> None:
        """Have a secret that `Secret.from_name` finds."""
        self._world.secrets[f"st-{name}"] = values

    def lose_worker(self) -> None:
        """End the machine of all sandboxes and its router, so that connections to it are refused."""
        loop = self._started.result()
        asyncio.run_coroutine_threadsafe(self._lose_worker(), loop).result()

    async def _lose_worker(self) -> None:
        assert self._router
        for sandbox in self._world.sandboxes:
            sandbox.kill()
        await self._router.hang_up()

    def start(self) -> None:
        """Start to answer."""
        self._thread.start()
        self._started.result()

    def close(self) -> None:
        """Kill all sandboxes and stop to answer."""
        if self._thread.is_alive():
            self._started.result().call_soon_threadsafe(self._stop.set)
            self._thread.join()
        for place in self._sockets:
            place.close()
        shutil.rmtree(self._world.folder, ignore_errors=True)

    def __enter__(self) -> ModalServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._world.router_url = self._urls[1]
        lines = [Line(ControlPlane(self._world)), Line(CommandRouter(self._world))]
        self._router = lines[1]
        for line, place in zip(lines, self._sockets, strict=True):
            await line.start(sock=place)
        self._started.set_result(asyncio.get_running_loop())
        await self._stop.wait()
        for line in lines:
            await line.hang_up()
        for sandbox in self._world.sandboxes:
            await sandbox.close()
