"""The arena that all integrity tests share, with secrets and listeners of this machine for the cheats to look for.

`ISOBENCH_ARENA=docker` plays everything in containers instead of the local sandbox.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from arena import DAEMON, Arena, make_environment
from cheats_command import COMMAND_INPUTS
from cheats_reported import SCRIPT
from containers.engine import Engine

from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.sandboxes.base import SandboxProvider
from pytest_isobench.sandboxes.docker import DockerProvider
from pytest_isobench.sandboxes.local import LocalProvider

SECRET = "isobench-test-secret"


@pytest.fixture(scope="session")
def arena(provider: SandboxProvider) -> Iterator[Arena]:
    temporary = tempfile.TemporaryDirectory(prefix="isobench-arena-")
    with pytest.MonkeyPatch.context() as patch, temporary as name, listeners() as (port, address):
        patch.setenv("ISOBENCH_TEST_SECRET", SECRET)
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "inputs.py").write_text(COMMAND_INPUTS)
        (folder / "bench.py").write_text(SCRIPT)
        found = Arena(folder, make_environment(folder / "venv"), provider)
        found.words = {"@FOLDER@": name, "@PORT@": str(port), "@SOCKET@": address, DAEMON: f"{DAEMON}-{os.getpid()}"}
        yield found


@pytest.fixture(scope="session")
def provider(request: pytest.FixtureRequest) -> Iterator[SandboxProvider]:
    """Where the cheats are played."""
    if os.environ.get("ISOBENCH_ARENA", "local") == "local":
        yield LocalProvider()
        return
    engine: Engine = request.getfixturevalue("engine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.host)
        yield DockerProvider(ContainerSettings(image=engine.image))


@contextmanager
def listeners() -> Iterator[tuple[int, str]]:
    """Listen on a port and on an abstract socket: nobody who is shut in may reach them."""
    address = f"isobench-arena-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as other:
        other.bind(f"\0{address}")
        other.listen()
        yield server.getsockname()[1], address
