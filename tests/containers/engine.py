"""The fixture `engine`: a container engine of the tests' own, started once for all workers of a session, with a base image made offline.

A keeper, which is this file as a program, runs dockerd as long as any process holds a shared lock on `users`. So the engine ends with the
last of its users, however that ends, and the machine is left as it was: no process, mount, network rule or folder remains.

`ISOBENCH_TEST_ENGINE` names an engine that is there already, such as `unix:///run/podman/podman.sock`; it is neither started nor stopped.
With `ISOBENCH_REQUIRE_ENGINE` a machine without one fails the tests instead of skipping them.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    import docker

IMAGE = "isobench-test:base"
"""The base image: this machine's Python with pip, git, bash, busybox and a user 1000."""
CHANGES = ["ENV PATH=/usr/bin:/bin", "WORKDIR /repo", "LABEL isobench.test=1"]
PATIENCE = 60.0
"""Seconds in which dockerd starts, or ends."""
PROGRAM = "/usr/sbin/dockerd"


@dataclass(frozen=True)
class Engine:
    """An engine that answers."""

    host: str
    """What DOCKER_HOST has to be."""
    image: str
    """Tag of the base image."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a program that uses this engine."""
        return {**os.environ, "DOCKER_HOST": self.host}

    @property
    def pid(self) -> int:
        """A process in the engine's network: dockerd, or this one where the engine is not the tests' own."""
        said = Path(self.host.removeprefix("unix://")).with_name("docker.pid")
        return int(said.read_text()) if said.exists() else os.getpid()

    def client(self) -> docker.DockerClient:
        """Return a new client, to be closed by the caller."""
        return connect(self.host)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A container engine with the base image."""
    pytest.importorskip("docker", reason="the engine is spoken to through the package docker")
    given = os.environ.get("ISOBENCH_TEST_ENGINE")
    with using(place_of(request.config)) if not given else lent(given) as host:
        yield Engine(host, IMAGE)


@contextmanager
def lent(host: str) -> Iterator[str]:
    """Use an engine that is there already."""
    with FileLock(Path(tempfile.gettempdir(), "isobench-test-engine.lock")):
        bring_image(host)
    yield host


@contextmanager
def using(root: Path) -> Iterator[str]:
    """Use the engine that lives in a folder, started now unless it runs."""
    if os.geteuid() != 0 or not shutil.which(PROGRAM) or not shutil.which("busybox"):
        give_up = pytest.fail if os.environ.get("ISOBENCH_REQUIRE_ENGINE") else pytest.skip
        give_up("an engine of the tests' own needs root, dockerd and busybox (apt: docker.io, busybox-static)")
    host, users = f"unix://{root}/docker.sock", hold(root)
    try:
        with FileLock(root / "start.lock"):
            if not answers(root):
                start(root)
            bring_image(host)
        yield host
    finally:
        os.close(users)
        wait_until(lambda: not root.exists() or in_use(root))


def place_of(config: pytest.Config) -> Path:
    """Return the folder of this session's engine: the same in all its workers, and short, since a socket's path may have 107 bytes."""
    if given := os.environ.get("ISOBENCH_ENGINE_ROOT"):
        return Path(given)
    worker = getattr(config, "workerinput", {})
    return Path(tempfile.gettempdir(), f"isobench-engine-{worker.get('testrunuid', os.getpid())!s:.12}")


def hold(root: Path) -> int:
    """Take part in the use of a folder's engine, and return the lock; a keeper that is about to leave is waited for."""
    while True:
        root.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            lock = os.open(root / "users", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if is_same(lock, root / "users"):
                return lock
            os.close(lock)


def is_same(lock: int, path: Path) -> bool:
    """Tell whether a lock is on the file that has this name now."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(lock), path.stat())
    return False


def in_use(root: Path) -> bool:
    """Tell whether somebody else uses the engine; the keeper's own lock, held while it cleans up, is exclusive."""
    with suppress(FileNotFoundError), open(root / "users") as file:
        return not locks(file.fileno(), fcntl.LOCK_EX) and locks(file.fileno(), fcntl.LOCK_SH)
    return False


def locks(file: int, kind: int) -> bool:
    """Try to take a lock, and tell whether it was free."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start(root: Path) -> None:
    """Start the keeper, and return when the engine answers."""
    with open(root / "keeper.log", "ab") as log:
        # It forks, so that no test finds an unexpected child.
        subprocess.run([sys.executable, __file__, str(root)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    if not wait_until(lambda: answers(root)):
        pytest.fail(f"dockerd did not start:\n{(root / 'keeper.log').read_text()[-2000:]}")


def answers(root: Path) -> bool:
    """Tell whether the engine of a folder is there."""
    with closing(socket.socket(socket.AF_UNIX)) as end, suppress(OSError):
        end.connect(f"{root}/docker.sock")
        end.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
        return b" 200 " in end.recv(64)
    return False


def connect(host: str) -> docker.DockerClient:
    """Return a client of an engine that answers."""
    import docker

    return docker.DockerClient(base_url=host, version="auto", timeout=120)


def bring_image(host: str) -> None:
    """Import the base image unless the engine has it."""
    from docker.errors import ImageNotFound

    client = connect(host)
    try:
        client.images.get(IMAGE)
    except ImageNotFound:
        import_image(client)
    finally:
        client.close()


def import_image(client: docker.DockerClient) -> None:
    """Make the base image's root file system and import it; tagged by its id, since podman ignores the import's tag."""
    import json

    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "base.tar")
        subprocess.run([sys.executable, str(Path(__file__).with_name("mkimage.py")), str(archive)], check=True)
        said: Any = client.api.import_image(src=str(archive), changes=CHANGES)
    name = json.loads(said.splitlines()[-1])["status"]
    client.images.get(name).tag(*IMAGE.split(":"))


def wait_until(happens: Any) -> bool:
    """Wait for something, and return whether it happened in time."""
    deadline = time.monotonic() + PATIENCE
    while not (happened := happens()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(happened)


# The keeper.


def keep(root: Path) -> None:
    """Run dockerd until nobody uses it, and remove all that it made."""
    process = subprocess.Popen(command(root), stdin=subprocess.DEVNULL)
    with open(root / "users") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        remove_containers(f"unix://{root}/docker.sock")
        process.terminate()
        process.wait()
        unmount(root)
        shutil.rmtree(root, ignore_errors=True)


def command(root: Path) -> list[str]:
    """Return dockerd's command line: everything in one folder, and a network of its own, so that the machine's is left alone."""
    places = [f"--data-root={root}/data", f"--exec-root={root}/exec", f"--pidfile={root}/docker.pid", f"--host=unix://{root}/docker.sock"]
    network = ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"]
    return ["unshare", "--net", "sh", "-c", 'busybox ip link set lo up && exec "$@"', "sh", PROGRAM, *places, *network, "--log-level=warn"]


def remove_containers(host: str) -> None:
    """Remove all containers: dockerd waits ten seconds for each that still runs."""
    with suppress(Exception):
        client = connect(host)
        for container in client.containers.list(all=True):
            container.remove(force=True, v=True)
        client.close()


def unmount(root: Path) -> None:
    """Unmount what dockerd left mounted below its folder."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in sorted((re.sub(r"\\040", " ", place) for place in mounted), reverse=True):
        if place.startswith(f"{root}/"):
            subprocess.run(["umount", place], check=False)


if __name__ == "__main__" and not os.fork():
    keep(Path(sys.argv[1]))
