"""The sandbox contract: servers that are candidates, and trusted programs beside them."""

from __future__ import annotations

import socket
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_isobench.dataset.versions import Version
from pytest_isobench.models.task import Environment
from pytest_isobench.sandboxes.base import Sandbox
from pytest_isobench.testing.base import SMALL, ContractBase, require, require_processes

SERVE = """
import os, socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print('I listen', flush=True)
if sys.argv[2:] == ['twice'] and os.fork():
    import time
    time.sleep(600)
while True:
    connection, _ = server.accept()
    if connection.recv(16) == b'leave':
        sys.exit(7)
    import pkg
    connection.sendall(pkg.VALUE.encode())
    connection.close()
"""
ASK = """
import socket
def ask(port, word):
    for _ in range(int(sys.argv[3])):
        try:
            with socket.create_connection(('127.0.0.1', port), 5) as there:
                there.sendall(word)
                return there.recv(100).decode()
        except OSError:
            import time
            time.sleep(0.05)
    return None
tell(ask(int(sys.argv[1]), sys.argv[2].encode()))
"""


class ServingContract(ContractBase):
    """Servers and those who ask them."""

    @pytest.fixture(scope="class")
    @classmethod
    def asking(cls, sandbox: Sandbox, version: Version) -> str:
        """An arm beside the agent's."""
        sandbox.add("asking", version, Environment(), beside="agent")
        return "asking"

    @contextmanager
    def server(self, sandbox: Sandbox, *arguments: str) -> Iterator[int]:
        """Run a server in the agent's arm, and give its port."""
        require_processes(sandbox)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        argv = ["{python}", "-c", textwrap.dedent(SERVE), str(port), *arguments]
        sandbox.supervisor.serve("server", sandbox.process("agent", argv, resources=SMALL, joint=True))
        try:
            yield port
        finally:
            sandbox.supervisor.stop(["server"])

    def ask(self, sandbox: Sandbox, arm: str, port: int, word: str = "hello", *, tries: int = 200) -> object:
        return self.tell(sandbox, ASK, str(port), word, str(tries), arm=arm, joint=True)

    def test_server_is_reached_from_beside_it(self, sandbox: Sandbox, asking: str) -> None:
        with self.server(sandbox) as port:
            assert self.ask(sandbox, asking, port) == "patched"
            assert sandbox.supervisor.is_serving("server")
            [remains] = sandbox.supervisor.stop(["server"]).values()
        assert (remains.returncode, remains.log) == (None, "I listen\n")
        assert self.ask(sandbox, asking, port, tries=1) is None

    def test_end_of_a_server_is_noticed(self, sandbox: Sandbox, asking: str) -> None:
        with self.server(sandbox) as port:
            self.ask(sandbox, asking, port, "leave")
            deadline = time.monotonic() + 30
            while sandbox.supervisor.is_serving("server"):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert sandbox.supervisor.stop(["server"])["server"].returncode == 7

    def test_server_ends_with_all_that_it_started(self, sandbox: Sandbox, asking: str) -> None:
        with self.server(sandbox, "twice") as port:
            assert self.ask(sandbox, asking, port) == "patched"
        assert self.ask(sandbox, asking, port, tries=1) is None

    def test_server_reaches_nothing_of_the_machine(self, sandbox: Sandbox) -> None:
        require(sandbox, "network")
        with socket.create_server(("127.0.0.1", 0)) as machine:
            assert self.ask(sandbox, "agent", machine.getsockname()[1], tries=1) is None
