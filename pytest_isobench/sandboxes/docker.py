"""The sandbox `docker`: every arm in a container of its own, on an engine that speaks Docker's protocol.

A container has no network, no capability but those with which the supervisor changes users and ends their processes, a system that
nobody can write to, and limits that the kernel keeps. Its first process is the supervisor: when the controller is gone its input ends,
and with it everything in the container.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_isobench.engines.client import connect, failures, image_of, is_podman
from pytest_isobench.errors import NotEvaluableError, SandboxError, UsageError
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.models.result import Isolation
from pytest_isobench.sandboxes import building
from pytest_isobench.sandboxes.base import STANDARD, Needs, SandboxProvider
from pytest_isobench.sandboxes.containers import ROOT, Container, ContainerSandbox, gpu_facts
from pytest_isobench.sandboxes.session import Owner
from pytest_isobench.sandboxes.streams import SocketChannel
from pytest_isobench.sandboxes.supervision import PROGRAM, SupervisorClient, boot_command

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container as EngineContainer

    from pytest_isobench.gpus import Gpu

LABEL, OWNER, HOST = "isobench.sandbox", "isobench.owner", "isobench.host"
TASK_LABEL = "isobench.task"
"""Of images: the task that it was built for."""
CAPABILITIES = ["SETUID", "SETGID", "KILL"]
"""What the supervisor needs to become its candidates' users, and to freeze and end what they started."""
PATIENCE = 120
"""Seconds that the engine may take for one answer."""
OWN_MEMORY = 64
"""Megabytes for the supervisor itself."""
OWN_PROCESSES = 16


class DockerProvider(SandboxProvider):
    """Makes sandboxes on a container engine."""

    name = "docker"

    def __init__(self, settings: ContainerSettings | None = None) -> None:
        self._settings = settings or ContainerSettings()
        self.exclusive = self.shows_folders = is_here(os.environ.get("DOCKER_HOST", ""))
        self.cores = cores_of(self._settings.cpuset) if self._settings.cpuset else None

    def open(self, needs: Needs = STANDARD) -> ContainerSandbox:
        settings = self._settings
        client = self._connect()
        try:
            reap(client)
            name, image = self._image(client, needs)
            isolation = self._isolation(client, f", image {name} ({image[7:19]}, {_megabytes(client, image)} MB)")
        except BaseException:
            client.close()
            raise
        sandbox = ContainerSandbox(
            lambda: DockerContainer(client, container_options(settings, needs, image, sandbox.gpus), settings),
            isolation,
            alone=True,
            whole=needs.environment.image is not None,
            user=settings.user,
        )
        sandbox.on_close(client.close)
        return sandbox

    def identity(self, needs: Needs) -> str:
        with closing(self._connect()) as client:
            return f"{self._isolation(client, '').model_dump_json(exclude={'notes'})} {self._image(client, needs)[1]}"

    def is_closed(self) -> bool:
        return self._settings.network == "off"

    def clean(self) -> list[str]:
        with closing(self._connect()) as client:
            return reap(client)

    def isolation(self) -> Isolation:
        with closing(self._connect()) as client:
            return self._isolation(client, "")

    def _image(self, client: docker.DockerClient, needs: Needs) -> tuple[str, str]:
        """Return the name and the id of the image to run."""
        name = self._settings.image or built_for(client, needs.label) or needs.environment.image
        if name is None:
            raise UsageError("no image: build one (isobench images build), give --isobench-image, or set the task's environment.image")
        return name, image_of(client, name, self._settings)

    def _connect(self) -> docker.DockerClient:
        return connect(feature="the sandbox docker", timeout=PATIENCE, podman=self._settings.engine == "podman")

    def _isolation(self, client: docker.DockerClient, image: str) -> Isolation:
        with failures("ask the container engine for its version"):
            version = client.version()
        engine = "Podman" if is_podman(client) else "Docker"
        online = self._settings.network == "on"
        notes = ("the patch under test can use the network (--isobench-network=on)",) if online else ()
        kept = {"filesystem": True, "network": not online, "processes": True, "user": True, "limits": True}
        return Isolation(sandbox=self.name, place=f"{engine} {version.get('Version', '')}{image}", notes=notes, **kept)


def is_here(host: str) -> bool:
    """Tell whether an engine runs on this machine, whose cores can then be leased."""
    return not host or host.startswith(("unix://", "http+unix://"))


def cores_of(cpuset: str) -> frozenset[int]:
    """Return the logical CPUs of a text such as 0-3,8."""
    ranges = [part.partition("-") for part in cpuset.split(",")]
    return frozenset(cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1))


def built_for(client: docker.DockerClient, task: str) -> str | None:
    """Return the newest image that `isobench images build` made for a task."""
    with failures("look for the task's image"):
        found = client.images.list(filters={"label": f"{TASK_LABEL}={task}"}) if task else []
    newest = max(found, key=lambda image: str(image.attrs.get("Created", "")), default=None)
    return str(newest.tags[0] if newest.tags else newest.id) if newest else None


def container_options(settings: ContainerSettings, needs: Needs, image: str, gpus: Sequence[Gpu] = ()) -> dict[str, Any]:
    """Return what the engine's client is asked for; `gpus` are those that are leased to the campaign."""
    asked = {
        "cpuset_cpus": settings.cpuset,
        "nano_cpus": int(settings.cpus * 1e9) if settings.cpus else None,
        "platform": settings.platform,
        "device_requests": _device_requests(settings, needs, gpus),
    }
    return {
        "image": image,
        "command": list(boot_command("python3")),
        "entrypoint": [],
        "working_dir": "/",
        "environment": {"LANG": "C.UTF-8"},
        "labels": labels(needs),
        "stdin_open": True,
        **_walls(settings, needs),
        **_limits(settings, needs),
        **{name: value for name, value in asked.items() if value},
    }


def _walls(settings: ContainerSettings, needs: Needs) -> dict[str, Any]:
    """Return what keeps a container to itself."""
    return {
        "user": "0:0",
        "hostname": "sandbox",
        "network_mode": "none" if settings.network == "off" else "bridge",
        "read_only": True,
        "volumes": [ROOT, *(f"{mount}:ro" for mount in (*settings.mounts, *(f"{path}:{path}" for path in needs.folders)))],
        "cap_drop": ["ALL"],
        "cap_add": CAPABILITIES,
        "security_opt": ["no-new-privileges"],
        "ipc_mode": "private",
        "cgroupns": "private",
    }


def _limits(settings: ContainerSettings, needs: Needs) -> dict[str, Any]:
    """Return how much a container may use: what its candidate may, what builds may where there are any, and the supervisor."""
    resources = needs.resources
    memory = settings.memory_mb or max(resources.memory_mb, building.RESOURCES.memory_mb if needs.environment.install else 0)
    pids = settings.pids or max(resources.pids, building.RESOURCES.pids)
    memory_limit = f"{memory + OWN_MEMORY}m"
    return {
        "tmpfs": dict.fromkeys(("/tmp", "/var/tmp"), f"rw,exec,nosuid,nodev,mode=1777,size={resources.disk_mb}m"),  # noqa: S108
        "shm_size": f"{settings.shm_mb or resources.disk_mb}m",
        "mem_limit": memory_limit,
        "memswap_limit": memory_limit,
        "pids_limit": pids + OWN_PROCESSES,
    }


def _device_requests(settings: ContainerSettings, needs: Needs, gpus: Sequence[Gpu]) -> list[Any]:
    """Ask for the GPUs that the settings name, else for the leased ones, else for all if the task needs any."""
    import docker

    leased = f"device={','.join(gpu.uuid for gpu in gpus)}" if gpus else ""
    wanted = settings.gpus or leased or ("all" if needs.resources.gpus else "none")
    if wanted == "none":
        return []
    kind = {"capabilities": [["gpu"]]}
    if wanted == "all":
        return [docker.types.DeviceRequest(count=-1, **kind)]
    return [docker.types.DeviceRequest(device_ids=wanted.removeprefix("device=").split(","), **kind)]


def labels(needs: Needs) -> dict[str, str]:
    """Return by what a container and its owner are known."""
    return {LABEL: needs.label or "sandbox", OWNER: Owner.me().model_dump_json(), HOST: socket.gethostname()}


class DockerContainer(Container):
    """One container on the engine."""

    def __init__(self, client: docker.DockerClient, options: dict[str, Any], settings: ContainerSettings) -> None:
        self._client, self._settings, self._sealed, self._open = client, settings, settings.network != "on_for_prepare", True
        self._streams = ExitStack()
        with failures("create a container"):
            self._container: EngineContainer = client.containers.create(**options)
        try:
            self._start(gpus="device_requests" in options)
        except BaseException:
            self.close()
            raise

    def _start(self, *, gpus: bool) -> None:
        with failures("attach to a container"):
            attached = self._client.api.attach_socket(self._container.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        connection = getattr(attached, "_sock", attached)
        self._streams.callback(connection.close)
        self._streams.callback(attached.close)
        try:
            with failures("start a container"):
                self._container.start()
        except SandboxError as error:
            if gpus:
                raise NotEvaluableError(f"this engine gives containers no GPU: {error}") from error
            raise
        channel = SocketChannel(connection, self._explain)
        channel.send(PROGRAM.read_bytes())
        self.supervisor = SupervisorClient(channel)
        if gpus:
            gpu_facts(self.supervisor)

    def seal(self) -> None:
        if self._sealed:
            return
        with failures("take the network away from a container"):
            self._container.reload()
            for name in self._container.attrs["NetworkSettings"]["Networks"]:
                self._client.networks.get(name).disconnect(self._container, force=True)
        self._sealed = True

    def owns(self, pid: int) -> bool:
        try:
            return str(self._container.id) in Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            return False

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        if hasattr(self, "supervisor"):
            self.supervisor.close()
        self._streams.close()
        _remove(self._container)

    def _explain(self) -> str:
        """Say why it is gone: the engine knows."""
        try:
            with failures("look at the container"):
                with suppress(SandboxError), failures("wait for the container"):
                    self._container.wait(timeout=5)
                self._container.reload()
        except SandboxError as error:
            return str(error)
        state = self._container.attrs["State"]
        if state.get("OOMKilled"):
            return "its memory was used up (OOMKilled)"
        return f"{state.get('Status')}, exit status {state.get('ExitCode')} {state.get('Error', '')}".strip()


def reap(client: docker.DockerClient) -> list[str]:
    """Remove the containers that killed controllers of this machine left behind; returns what they were for."""
    reaped = []
    with failures("look for containers that were left behind"):
        for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
            if container.labels.get(HOST) == socket.gethostname() and Owner.model_validate_json(container.labels[OWNER]).gone:
                _remove(container)
                reaped.append(f"{container.labels[LABEL]} ({container.short_id})")
    return reaped


def _remove(container: EngineContainer) -> None:
    """Remove a container with its volumes, running or not; one that is gone is fine."""
    import docker

    with suppress(docker.errors.NotFound, docker.errors.APIError):
        container.remove(force=True, v=True)


def _megabytes(client: docker.DockerClient, image: str) -> int:
    with failures("look at an image"):
        return int(client.images.get(image).attrs.get("Size", 0)) // 10**6
