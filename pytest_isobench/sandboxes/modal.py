"""The sandbox `modal`: all arms of a campaign in one Modal sandbox, so that every ratio is formed on one machine and one GPU.

Only sandboxes are used, no functions: none of this program's modules is sent but the supervisor and the worker. Its first process sleeps;
the supervisor is started beside it and keeps the clock there.
"""

from __future__ import annotations

import asyncio
import functools
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock, Timeout

from pytest_isobench.engines.client import credentials
from pytest_isobench.errors import MissingExtraError, SandboxError, UsageError
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.models.result import Isolation
from pytest_isobench.sandboxes.base import STANDARD, Needs, SandboxProvider
from pytest_isobench.sandboxes.containers import Container, ContainerSandbox, gpu_facts
from pytest_isobench.sandboxes.remote import RemoteChannel
from pytest_isobench.sandboxes.session import Owner
from pytest_isobench.sandboxes.supervision import PROGRAM, SupervisorClient, boot_command

if TYPE_CHECKING:
    import modal

T = TypeVar("T")

APP = "isobench"
"""The app that holds all sandboxes."""
TAG, HOST, OWNER, STARTED, BOOT = "isobench", "isobench-host", "isobench-pid", "isobench-started", "isobench-boot"
TOKEN = "isobench-token"  # noqa: S105 - the name of a tag by which one sandbox is found again
NOT_HERE = ("engine", "platform", "pull", "cpuset", "pids", "shm_mb", "gpus")
"""Settings that Modal has no counterpart for."""
ATTEMPTS = 4
"""How often a transient failure is met before it counts."""
PAUSE = 1.0
"""Seconds before the second attempt; doubled each time."""
LONGEST_PAUSE = 30.0
REAP = 60.0
"""Seconds that looking for leftovers may take."""
LONGEST_LIFE = 24 * 3600
"""Seconds that Modal lets a sandbox live."""
OWN_MEMORY = 256
"""Megabytes beyond the arms'."""
PRICES = {
    "T4": 0.59, "L4": 0.80, "A10": 1.10, "A10G": 1.10, "L40S": 1.95, "A100": 2.10, "A100-40GB": 2.10, "A100-80GB": 2.50,
    "H100": 3.95, "H200": 4.54, "B200": 6.25,
}  # fmt: skip
"""List prices of one GPU, USD an hour, of 2025. CPU and memory come on top; what is charged is on Modal's own bill."""
CPU_PRICE, MEMORY_PRICE = 0.142, 0.024
"""USD an hour: a sandbox's physical core, a GiB of its memory."""


class ModalProvider(SandboxProvider):
    """Makes sandboxes on Modal."""

    name = "modal"
    exclusive = False

    def __init__(self, settings: ContainerSettings | None = None) -> None:
        self._settings = settings or ContainerSettings()
        default = ContainerSettings()
        if wrong := [name for name in NOT_HERE if getattr(self._settings, name) != getattr(default, name)]:
            raise UsageError(f"the sandbox modal knows no {', '.join(wrong)}; leave out the option, or use --isobench-sandbox=docker")
        if self._settings.network == "on_for_prepare":
            raise UsageError("the sandbox modal has a network or has none: give --isobench-network=off or on")

    def open(self, needs: Needs = STANDARD) -> ContainerSandbox:
        settings = self._settings
        reap()
        with ExitStack() as stack:
            stack.enter_context(slot(settings.parallel, settings.wait))
            container = ModalContainer(settings, needs)
            stack.callback(container.close)
            cost = price(gpu_spec(needs), needs, settings)
            isolation = self._isolation(container.place()).model_copy(update={"usd_per_hour": cost})
            sandbox = ContainerSandbox(
                lambda: container,
                isolation,
                alone=False,
                whole=needs.environment.image is not None,
                user=settings.user,
            )
            sandbox.on_close(stack.pop_all().close)
        return sandbox

    def identity(self, needs: Needs) -> str:
        image = self._settings.image or needs.environment.image or "debian"
        return f"{super().identity(needs)} {image} {gpu_spec(needs)} {self._settings.region}"

    def clean(self) -> list[str]:
        reap.cache_clear()
        return reap()

    def isolation(self) -> Isolation:
        return self._isolation("Modal")

    def _isolation(self, place: str) -> Isolation:
        online = self._settings.network == "on"
        notes = (
            "arms share one remote machine: users keep their files apart, but they see each other's processes, and share memory and disk",
            *(("the patch under test can use the network (--isobench-network=on)",) if online else ()),
        )
        kept = {"filesystem": True, "network": not online, "processes": False, "user": True, "limits": False}
        return Isolation(sandbox=self.name, place=place, notes=notes, **kept)


class ModalContainer(Container):
    """One Modal sandbox with a supervisor in it."""

    def __init__(self, settings: ContainerSettings, needs: Needs) -> None:
        self._settings, self._needs, self._gpu = settings, needs, gpu_spec(needs)
        self._life = min(LONGEST_LIFE, int(settings.life or needs.seconds))
        self._sandbox: modal.Sandbox | None = None
        self._token = secrets.token_hex(8)
        self._begun = time.monotonic()
        deadline = self._begun + settings.wait
        try:
            self._create(deadline)
            with failures("start the supervisor"):
                self.supervisor = self._supervise(deadline)
        except BaseException:
            self.close()
            raise

    def _create(self, deadline: float) -> None:
        api = client()
        with failures("make a sandbox on Modal"):
            app = patiently(lambda: api.App.lookup.aio(APP, create_if_missing=True), deadline)
            options = self._options(api)
            try:
                self._sandbox = patiently(lambda: api.Sandbox.create.aio("sleep", "infinity", app=app, **options), deadline)
            except BaseException:
                self._abandon(api, app)
                raise

    def _abandon(self, api: Any, app: Any) -> None:
        """End what was made although the answer never came."""
        with suppress(SandboxError), failures("end a sandbox"):
            for sandbox in api.Sandbox.list(app_id=app.app_id, tags={TOKEN: self._token}):
                sandbox.terminate()

    def _options(self, api: Any) -> dict[str, Any]:
        """Return what the sandbox is asked to be: room for all arms, and a life that covers the campaign."""
        settings, needs = self._settings, self._needs
        memory = settings.memory_mb or needs.arms * needs.resources.memory_mb + OWN_MEMORY
        return {
            "image": _image(api, settings, needs),
            "tags": {**tags(), TOKEN: self._token},
            "timeout": self._life,
            "gpu": self._gpu,
            "cpu": settings.cpus or float(needs.resources.cpus),
            "memory": memory,
            "region": settings.region,
            "block_network": settings.network == "off",
            "volumes": {path: api.Volume.from_name(name).read_only() for name, path in (mount.split(":", 1) for mount in settings.mounts)},
        }

    def _supervise(self, deadline: float) -> SupervisorClient:
        """Start the supervisor; a sandbox that gets no machine in time is given up."""
        sandbox = self._sandbox
        assert sandbox is not None
        problem = f"Modal had no free machine{f' with {self._gpu}' if self._gpu else ''}"
        process = within(lambda: sandbox.exec.aio(*boot_command("python3"), text=False), deadline, problem)
        channel = RemoteChannel(process, self._explain)
        channel.send(PROGRAM.read_bytes())
        return SupervisorClient(channel, patience=max(30.0, deadline - time.monotonic()))

    def place(self) -> str:
        """Say what it is: the sandbox, and its GPU as the driver tells it."""
        assert self._sandbox is not None
        told = [f"Modal {self._sandbox.object_id}"]
        if self._gpu:
            told.append(gpu_facts(self.supervisor))
        return ", ".join(told)

    def seal(self) -> None:
        """Nothing is to be taken away."""

    def close(self) -> None:
        if hasattr(self, "supervisor"):
            self.supervisor.close()
        if self._sandbox is not None:
            sandbox, self._sandbox = self._sandbox, None
            with suppress(SandboxError), failures("end a sandbox"):
                sandbox.terminate()

    def _explain(self) -> str:
        """Ask Modal, as a lost process says nothing of the reason: 137 may be a kill, the memory, or the end of the sandbox's life."""
        if self._sandbox is None:
            return "it was never made, or is closed"
        try:
            with failures("ask Modal for its state"):
                code = self._sandbox.poll()
        except SandboxError as error:
            return str(error)
        if code is None:
            return "the sandbox lives, and the supervisor in it has ended"
        if code == 124 or time.monotonic() - self._begun >= self._life:
            return f"its life of {self._life} s is over (--isobench-life)"
        return f"the sandbox ended with status {code}: it was terminated, or its memory was used up"


@functools.cache
def reap() -> list[str]:
    """End the sandboxes that killed controllers of this machine left behind, once per process; returns their ids."""
    api = client()
    with failures("look for sandboxes that were left behind"):
        app = patiently(lambda: api.App.lookup.aio(APP, create_if_missing=True), time.monotonic() + REAP)
        found = list(api.Sandbox.list(app_id=app.app_id, tags={TAG: "1", HOST: _host()}))
        return [_terminate(sandbox) for sandbox in found if _gone(sandbox)]


def client() -> Any:
    """Return the package `modal`. Raises `MissingExtraError`."""
    try:
        import modal
    except ImportError:
        raise MissingExtraError("the sandbox modal", "modal") from None
    return modal


@contextmanager
def failures(doing: str) -> Iterator[None]:
    """Turn what Modal's client raises into `SandboxError`, with what to do about it where that is known."""
    api = client()
    try:
        yield
    except api.exception.AuthError as error:
        cure = "run 'modal token new', or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
        raise SandboxError(f"could not {doing}: Modal refuses the token ({error}): {cure}") from error
    except api.exception.ImageBuildError as error:
        raise SandboxError(f"could not {doing}: the image could not be built: {error}") from error
    except (api.exception.Error, OSError) as error:
        raise SandboxError(f"could not {doing}: {type(error).__name__}: {error}") from error


def patiently(work: Callable[[], Coroutine[Any, Any, T]], deadline: float) -> T:
    """Try again what failed for a moment only: some times, or until the deadline where a machine may become free."""
    api = client().exception
    pause, attempt = PAUSE, 1
    while True:
        try:
            return within(work, deadline, "Modal did not answer")
        except (api.ResourceExhaustedError, api.ServiceError, api.ConnectionError, api.InternalError) as error:
            spent = attempt >= ATTEMPTS and not isinstance(error, api.ResourceExhaustedError)
            if spent or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause, attempt = min(LONGEST_PAUSE, 2 * pause), attempt + 1


def within(work: Callable[[], Coroutine[Any, Any, T]], deadline: float, problem: str) -> T:
    """Do something, and give it up at the deadline: what Modal began for it is taken back."""
    seconds = max(0.1, deadline - time.monotonic())

    async def bounded() -> T:
        return await asyncio.wait_for(work(), seconds)

    try:
        return asyncio.run(bounded())
    except TimeoutError:
        raise SandboxError(f"{problem} within {seconds:.0f} s (--isobench-wait)") from None


@contextmanager
def slot(count: int, wait: float) -> Iterator[None]:
    """Hold one of this machine's slots for remote sandboxes; a dead process holds none."""
    folder = Path(tempfile.gettempdir(), f"isobench-modal-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    deadline = time.monotonic() + wait
    while (lock := _free_slot(folder, count)) is None:
        if time.monotonic() > deadline:
            raise SandboxError(f"all {count} slots for remote sandboxes were taken for {wait:.0f} s (--isobench-parallel, --isobench-wait)")
        time.sleep(0.5)
    try:
        yield
    finally:
        lock.release()


def _free_slot(folder: Path, count: int) -> FileLock | None:
    for number in range(count):
        lock = FileLock(folder / f"{number}.lock", thread_local=False)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            return lock
    return None


def gpu_spec(needs: Needs) -> str | None:
    """Return the GPUs as Modal spells them, such as `H100:2`.

    Raises:
        UsageError: the task needs GPUs and nobody says which.
    """
    model, count = needs.gpu, needs.resources.gpus
    if not count and not model:
        return None
    if not model:
        raise UsageError("the task needs a GPU and does not say which: give --isobench-gpu, such as H100")
    return model if ":" in model or count < 2 else f"{model}:{count}"


def price(gpu: str | None, needs: Needs, settings: ContainerSettings) -> float:
    """Return about what a sandbox costs, USD an hour, by list prices."""
    model, _, count = (gpu or "").partition(":")
    memory = settings.memory_mb or needs.arms * needs.resources.memory_mb
    cores = settings.cpus or needs.resources.cpus
    return PRICES.get(model.upper().rstrip("!"), 0.0) * int(count or 1) + CPU_PRICE * cores + MEMORY_PRICE * memory / 1024


def tags() -> dict[str, str]:
    """Return by what a sandbox and its owner are known."""
    owner = Owner.me()
    return {TAG: "1", HOST: _host(), OWNER: str(owner.pid), STARTED: str(owner.started), BOOT: f"{owner.boot}"}


def _host() -> str:
    return socket.gethostname()


def _gone(sandbox: modal.Sandbox) -> bool:
    found = sandbox.get_tags()
    me = Owner.me()
    owner = me.model_copy(update={"pid": int(found[OWNER]), "started": int(found[STARTED]), "boot": found[BOOT]})
    return owner.gone


def _terminate(sandbox: modal.Sandbox) -> str:
    sandbox.terminate()
    return str(sandbox.object_id)


def _image(api: Any, settings: ContainerSettings, needs: Needs) -> Any:
    """Return the image: the one that is named, else Debian with Python and git."""
    name = settings.image or needs.environment.image
    if name is None:
        python = needs.environment.python or f"{sys.version_info.major}.{sys.version_info.minor}"
        return api.Image.debian_slim(python_version=python).apt_install("git")
    login = credentials()
    secret = api.Secret.from_dict({"REGISTRY_USERNAME": login["username"], "REGISTRY_PASSWORD": login["password"]}) if login else None
    return api.Image.from_registry(name, secret=secret).entrypoint([])
