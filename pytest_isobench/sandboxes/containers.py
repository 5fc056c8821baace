"""Sandboxes made of containers: arms are placed, built and run by a supervisor that is root inside, as users of their own.

Where the engine is near, every arm has a container of its own, and can see, fill and slow only that. Far away all arms share one, so that
a ratio is always formed on one machine; there users and folders keep them apart. Nothing else differs.
"""

from __future__ import annotations

import random
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench import workloads
from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import NotEvaluableError, SandboxError
from pytest_isobench.models.result import Isolation
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes import building, settle
from pytest_isobench.sandboxes.base import ExecResult, Process, Sandbox, no_arm
from pytest_isobench.sandboxes.conductor import Conductor
from pytest_isobench.sandboxes.confinement import SYSTEM_PATH, Order, Place, limits, stand_ins, substitute, variables
from pytest_isobench.sandboxes.parcels import UNPACK, pack, pack_environment, pack_files
from pytest_isobench.sandboxes.supervision import SupervisorClient

ROOT = "/box"
"""Folder of a container in which everything lies."""
IMAGE_ENVIRONMENT = "/isobench/image/env"
"""Where our own images have the task's packages."""
PROGRAMS = (Path(workloads.__file__).with_name("worker.py"), Path(settle.__file__))
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock")  # noqa: S108 - inside the container
"""Folders of an image that every user may write to."""
PREPARE = f"""
import os, sys
os.umask(0)
for name, mode in ("programs", 0o755), ("envs", 0o755), ("arms", 0o1733), ("build", 0o1733):
    os.makedirs(os.path.join({ROOT!r}, name), mode, exist_ok=True)
print("%d.%d" % sys.version_info[:2])
"""
ENVIRONMENT = f"""
import glob, os, sys, venv
target, whole = sys.argv[1], sys.argv[2] == "whole"
venv.create(target, symlinks=True, system_site_packages=whole)
[packages] = glob.glob(os.path.join(target, "lib", "python3*", "site-packages"))
below = glob.glob("{IMAGE_ENVIRONMENT}/lib/python3*/site-packages")
if below:
    with open(os.path.join(packages, "image.pth"), "w") as file:
        file.write("\\n".join(below))
"""
"""Program with the arguments TARGET and `whole` or `bare`: makes an environment that sees the image's own packages, or none but its own."""
STAMP = f"""
import os
open({ROOT + "/stamp"!r}, "w").close()
print(os.stat({ROOT + "/stamp"!r}).st_ctime_ns)
"""
GPU_FACTS = ("nvidia-smi", "--query-gpu=name,driver_version,clocks.sm,temperature.gpu", "--format=csv,noheader")
PLACING = 600.0
"""Seconds that sending a tree or an environment may take."""
KEPT = 2
"""Processes of ours that count against a candidate's limit."""
FIRST_USERS = range(20000, 60000, 64)
"""Users are counted by the kernel, for all containers together: each sandbox begins at another one."""


class Container(ABC):
    """A running container with a supervisor in it that is root there."""

    supervisor: SupervisorClient

    @abstractmethod
    def seal(self) -> None:
        """Take away what only the preparation may have, such as the network. Idempotent."""

    def owns(self, pid: int) -> bool:  # noqa: ARG002 - far away there is none of this machine's processes
        """Tell whether a process of this machine runs in it; also after its end."""
        return False

    @abstractmethod
    def close(self) -> None:
        """End it and remove every trace of it. Idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarters:
    """An arm's part of a container."""

    machine: str
    container: Container
    place: Place


class ContainerSandbox(Sandbox):
    """One campaign's arms in containers."""

    supervisor: Conductor

    def __init__(
        self,
        launch: Callable[[], Container],
        isolation: Isolation,
        *,
        alone: bool,
        whole: bool,
        user: int | None,
    ) -> None:
        """`launch` starts a container: one per arm when they live `alone`.

        `whole` shows candidates the image's own variables and the packages of its Python as well.
        """
        self.isolation, self.supervisor = isolation, Conductor()
        self._launch, self._alone, self._whole = launch, alone, whole
        self.apart = alone
        self._next_user = random.choice(FIRST_USERS) if user is None else user
        self._arms: dict[str, Quarters] = {}
        self._containers: dict[str, Container] = {}
        self._versions: dict[str, str] = {}
        self._environments: dict[tuple[str, Path], str] = {}
        self._stack, self._release = ExitStack(), ExitStack()
        self._stack.push(self._release)
        self._stack.callback(self.supervisor.close)

    def add(
        self, arm: str, version: Version, environment: Environment, *, patch: str | None = None, beside: str | None = None
    ) -> None:
        if arm in self._arms:
            raise SandboxError(f"the sandbox already has an arm {arm!r}")
        quarters = self._quarters(version, environment, beside)
        run = self._runner(quarters)
        self._send(quarters, UNPACK, pack(version.tree), str(quarters.place.tree), "0750", user=quarters.place.builder)
        for text in (version.patch, patch):
            if text is not None:
                building.apply(run, text)
        building.settle(run, 0)
        if environment.install:
            since = int(self._as_root(quarters, STAMP).stdout)
            for command in environment.install:
                building.install(run, command)
            building.settle(run, since)
        self._arms[arm] = quarters

    def process(
        self,
        arm: str,
        argv: Sequence[str],
        *,
        resources: Resources,
        variables: Mapping[str, str] | None = None,
        cores: Sequence[int] = (),
        writable: bool = False,
        network: bool = False,  # noqa: ARG002 - a container has it or not
        joint: bool = False,  # noqa: ARG002 - all processes of a container share its loopback
    ) -> Process:
        """Describe a process in an arm; `{worker}` stands for the worker program. Ask again for every start."""
        if arm not in self._arms:
            raise no_arm(arm, self._arms)
        quarters = self._arms[arm]
        if not writable:
            quarters.container.seal()
        order = Order(argv=argv, resources=resources, variables=variables or {}, cores=tuple(cores), writable=writable)
        return self._describe(quarters, order)

    def owns(self, pid: int) -> bool:
        return any(container.owns(pid) for container in list(self._containers.values()))

    def close(self) -> None:
        self._stack.close()

    def on_close(self, release: Callable[[], None]) -> None:
        """Release something once everything is closed."""
        self._release.callback(release)

    def _quarters(self, version: Version, environment: Environment, beside: str | None) -> Quarters:
        """Make room for an arm, with its environment in it."""
        machine = self._arms[beside].machine if beside else self._machine()
        container = self._containers[machine]
        name = ("beside" if beside else "arm") if self._alone else secrets.token_hex(6)
        path = self._environment(machine, container, version)
        builder, runner = self._next_user, self._next_user + 1
        self._next_user += 2
        place = Place(
            tree=Path(ROOT, "arms", name, "tree"), environment=Path(path), prefixes=(), spec=environment, builder=builder, runner=runner
        )
        return Quarters(machine=machine, container=container, place=place)

    def _machine(self) -> str:
        """Return the container for the next arm, a new one where it needs it."""
        if self._containers and not self._alone:
            return next(iter(self._containers))
        machine = str(len(self._containers))
        container = self._launch()
        self._stack.callback(container.close)
        self._containers[machine] = container
        self.supervisor.join(machine, container.supervisor)
        told = self._root(machine, container.supervisor.python, PREPARE)
        self._versions[machine] = told.stdout.decode().strip()
        self._root(machine, container.supervisor.python, UNPACK, f"{ROOT}/programs", "0755", stdin=pack_files(*PROGRAMS))
        return machine

    def _environment(self, machine: str, container: Container, version: Version) -> str:
        """Make the version's environment in a container, with the image's own interpreter."""
        source = version.environment.path
        key = machine, source
        if key not in self._environments:
            wanted = python_version(source)
            if wanted != self._versions[machine]:
                raise NotEvaluableError(
                    f"the task's environment has Python {wanted}, and the image Python {self._versions[machine]}: "
                    f"use an image with Python {wanted} (--isobench-image), or set 'python' in the task's environment"
                )
            path = f"{ROOT}/envs/{sum(home == machine for home, _ in self._environments)}"
            self._root(machine, container.supervisor.python, ENVIRONMENT, path, "whole" if self._whole else "bare")
            self._root(machine, container.supervisor.python, UNPACK, path, "0755", stdin=pack_environment(source, path))
            self._environments[key] = path
        return self._environments[key]

    def _runner(self, quarters: Quarters) -> building.Run:
        def run(argv: Sequence[str], *, variables: Mapping[str, str] | None = None, stdin: bytes = b"", timeout: float) -> ExecResult:
            order = Order(argv=argv, resources=building.RESOURCES, variables=variables or {}, writable=True)
            return self.supervisor.run(self._describe(quarters, order), stdin=stdin, timeout=timeout)

        return run

    def _describe(self, quarters: Quarters, order: Order) -> Process:
        place = quarters.place
        tree, python = str(place.tree), f"{place.environment}/bin/python"
        folder = f"{ROOT}/build" if order.writable else "/tmp"  # noqa: S108 - inside the container
        temporary = f"{folder}/{secrets.token_hex(6)}"
        settings = variables(place, order, tree=tree, python=python, temporary=temporary)
        return Process(
            argv=substitute(order.argv, stand_ins(tree, python, f"{ROOT}/programs")),
            environment=settings if not self._whole else in_image(quarters.container.supervisor.environment, settings),
            directory=tree,
            machine=quarters.machine,
            user=place.builder if order.writable else place.runner,
            group=place.runner,
            cores=order.cores,
            limits=limits(order.resources, processes=order.resources.pids + KEPT),
            keep=True,
            temporary=temporary,
            swept=SHARED,
        )

    def _as_root(self, quarters: Quarters, code: str, *arguments: str) -> ExecResult:
        return self._root(quarters.machine, quarters.container.supervisor.python, code, *arguments)

    def _send(self, quarters: Quarters, code: str, stdin: bytes, *arguments: str, user: int | None) -> None:
        python, group = quarters.container.supervisor.python, quarters.place.runner
        self._root(quarters.machine, python, code, *arguments, stdin=stdin, user=user, group=group)

    def _root(
        self, machine: str, python: str, code: str, *arguments: str, stdin: bytes = b"", user: int | None = None, group: int | None = None
    ) -> ExecResult:
        """Run trusted code in a container, as root or as a user. Raises `SandboxError` when it fails."""
        process = Process(
            argv=(python, "-I", "-c", code, *arguments),
            environment={"PATH": f"{SYSTEM_PATH}:/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": "/"},
            directory="/",
            machine=machine,
            user=user,
            group=group,
        )
        result = self.supervisor.run(process, stdin=stdin, timeout=PLACING)
        if result.returncode:
            raise SandboxError(f"the container could not be prepared (status {result.returncode}):\n{building.last_lines(result)}")
        return result


def gpu_facts(supervisor: SupervisorClient) -> str:
    """Return the GPUs of a container as its driver tells them: an engine may leave them out without a word.

    Raises:
        NotEvaluableError: there is none.
    """
    process = Process(argv=GPU_FACTS, environment={"PATH": f"/usr/local/nvidia/bin:{SYSTEM_PATH}"}, directory="/")
    try:
        result = supervisor.run(process, timeout=60)
    except SandboxError as error:
        raise NotEvaluableError(f"the container has no GPU: nvidia-smi cannot be run in it ({error})") from error
    if result.returncode or not result.stdout.strip():
        raise NotEvaluableError(f"the container has no GPU: nvidia-smi says {building.last_lines(result)!r}")
    return "; ".join(result.stdout.decode(errors="replace").split("\n")).strip("; ")


def in_image(image: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Return a candidate's variables on top of those of the image, whose programs it finds after its own."""
    path = ":".join(dict.fromkeys([*settings["PATH"].split(":")[:1], *image.get("PATH", SYSTEM_PATH).split(":"), *SYSTEM_PATH.split(":")]))
    return {**image, **settings, "PATH": path}


def python_version(environment: Path) -> str:
    """Return the Python version of a virtual environment, such as 3.12."""
    lines = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    facts = dict(line.replace(" ", "").split("=", 1) for line in lines if "=" in line)
    found = facts.get("version") or facts.get("version_info", "")
    return ".".join(found.split(".")[:2])
