"""The gate: the only way out of a sandbox without a network, to the few hosts that an agent needs."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_isobench.agents.launching import pump

SOCKET = "gate"
LONGEST = 300
"""Bytes of the longest HOST:PORT."""
PATIENCE = 30.0
"""Seconds in which a host must answer the first time."""
HTTPS = 443


@dataclass(slots=True)
class Gate:
    """Lets through connections to some hosts, and notes the others."""

    folder: Path
    """Holds the socket and nothing else; to be shown in the sandbox."""
    hosts: frozenset[str]
    """HOST:PORT of those who may be reached."""
    refused: dict[str, int] = field(default_factory=dict)
    """HOST:PORT of the others that somebody tried to reach, and how often."""

    @property
    def path(self) -> Path:
        return self.folder / SOCKET

    @property
    def near(self) -> tuple[int, ...]:
        """Ports of services on this machine, which are offered inside under the same ports."""
        pairs = (host.rpartition(":") for host in sorted(self.hosts))
        return tuple(dict.fromkeys(int(port) for name, _, port in pairs if name in ("127.0.0.1", "localhost")))

    def serve(self, server: socket.socket) -> None:
        """Let clients through, each in a thread, until the socket is closed."""
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client, suppress(OSError, UnicodeDecodeError):
            client.settimeout(PATIENCE)
            target = _line(client)
            client.settimeout(None)
            if target not in self.hosts:
                if len(self.refused) < LONGEST:
                    self.refused[target] = self.refused.get(target, 0) + 1
                return client.sendall(b"-")
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as beyond:
                beyond.settimeout(None)
                client.sendall(b"+")
                pump(client, beyond)
        return None


@contextmanager
def open_gate(hosts: Iterable[str]) -> Iterator[Gate]:
    """Open a gate to some hosts, HOST or HOST:PORT."""
    with TemporaryDirectory(prefix="isobench-gate-") as name, socket.socket(socket.AF_UNIX) as server:
        gate = Gate(Path(name), frozenset(host if ":" in host else f"{host}:{HTTPS}" for host in hosts))
        server.bind(str(gate.path))
        os.chmod(name, 0o755)  # noqa: S103 - the agent has a user of its own
        gate.path.chmod(0o777)
        server.listen(64)
        threading.Thread(target=gate.serve, args=(server,), daemon=True).start()
        yield gate
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def _line(client: socket.socket) -> str:
    said = b""
    while not said.endswith(b"\n") and len(said) < LONGEST:
        data = client.recv(1)
        if not data:
            break
        said += data
    return said.decode("ascii").strip().lower()
