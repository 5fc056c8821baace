"""Confinement by bubblewrap: own namespaces, a read-only system, and of the other arms not even a name."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.gpus import Driver, libraries
from pytest_isobench.sandboxes.base import Process
from pytest_isobench.sandboxes.confinement import Confinement, Order, Place, limits, stand_ins, substitute, variables, visible
from pytest_isobench.sandboxes.interpreter import SYSTEM, packages
from pytest_isobench.sandboxes.seccomp import Filters
from pytest_isobench.sandboxes.trees import make_folder
from pytest_isobench.sandboxes.users import tasks_of

TREE, ENVIRONMENT, PROGRAMS, TEMPORARY, SHARED = "/repo", "/env", "/isobench", "/tmp", "/dev/shm"  # noqa: S108 - inside the sandbox
PYTHON = f"{ENVIRONMENT}/bin/python"
"""Where every arm finds its files: the same in all of them, so that none can tell which one it is."""
NAMESPACES = ("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try")
SAFETY = ("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox", "--uid", "1000", "--gid", "1000")
CONFIGURATION = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/localtime")
NETWORK_CONFIGURATION = ("/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/gai.conf")
FILES = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nrunner:x:1000:1000::/tmp:/bin/sh\n",
    "group": "root:x:0:\nrunner:x:1000:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
}
"""Files of /etc that every program may expect, without anything of this machine in them."""
FILTER_DESCRIPTOR = 99
"""Number under which bubblewrap reads the system call filter; high, so that it takes no other descriptor's place."""

DRIVER = Driver()


@dataclass(frozen=True, slots=True)
class Program:
    """A bubblewrap that works here, and the options that its version knows."""

    path: str
    options: frozenset[str]

    def size(self, megabytes: int) -> tuple[str, ...]:
        """Limit the temporary file system that is named next."""
        return ("--size", str(megabytes * 2**20)) if "--size" in self.options else ()

    @property
    def no_nesting(self) -> tuple[str, ...]:
        return ("--disable-userns",) if "--disable-userns" in self.options else ()


def find(user: int | None) -> Program | str:
    """Find bubblewrap and try it as a user; return why not when it does not work."""
    path = shutil.which("bwrap")
    if path is None:
        return "bubblewrap is not installed (apt install bubblewrap)"
    usage = subprocess.run([path, "--help"], capture_output=True, text=True, check=False).stdout
    program = Program(path, frozenset(word for word in usage.split() if word.startswith("--")))
    argv = [path, *NAMESPACES, "--unshare-net", *program.no_nesting, *SAFETY, *_system(), "--proc", "/proc", "--dev", "/dev", "/bin/true"]
    groups: list[int] | None = None if user is None else []
    tried = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", user=user, group=user, extra_groups=groups)
    if tried.returncode:
        return f"bubblewrap does not work here ({tried.stderr.strip() or f'status {tried.returncode}'})"
    return program


class Bubblewrap(Confinement):
    """Starts processes through bubblewrap."""

    processes = 3

    def __init__(
        self,
        program: Program,
        folder: Path,
        *,
        source: Callable[[Path], Path],
        filters: Filters | None,
        driver: Driver = DRIVER,
    ) -> None:
        """Use a session's `folder`; `source` makes a folder reachable."""
        self._program, self._folder, self._source, self._filters, self._driver = program, folder, source, filters, driver
        make_folder(folder / "etc", 0o755)
        make_folder(folder / "empty", 0o755)
        for name, text in FILES.items():
            (folder / "etc" / name).write_text(text)
            (folder / "etc" / name).chmod(0o644)

    def prepare(self, place: Place) -> None:
        for path in (place.environment, *place.prefixes, *place.folders):
            self._source(path)

    def process(self, place: Place, order: Order) -> Process:
        names = stand_ins(TREE, PYTHON, PROGRAMS)
        user = place.builder if order.writable else place.runner
        filter_options, descriptors = self._filter(order)
        return Process(
            argv=(self._program.path, *self._options(place, order), *filter_options, "--", *substitute(order.argv, names)),
            environment={"PATH": os.defpath},
            directory=str(place.tree),  # bubblewrap goes there by itself, but cannot open it again when an agent closed it
            user=user,
            cores=order.cores,
            limits=limits(order.resources, processes=order.resources.pids + self.processes + tasks_of(user)),
            cgroups=order.cgroups,
            joint=order.joint,
            descriptors=descriptors,
        )

    def _filter(self, order: Order) -> tuple[tuple[str, ...], dict[str, int]]:
        if self._filters is None:
            return (), {}
        candidate = self._filters.gpu_user if order.gpus else self._filters.candidate
        chosen = self._filters.build if order.writable else candidate
        return ("--seccomp", str(FILTER_DESCRIPTOR)), {str(chosen): FILTER_DESCRIPTOR}

    def _options(self, place: Place, order: Order) -> Iterator[str]:
        """The order matters: temporary file systems come before what is bound below them, and the root is closed last."""
        yield from (*NAMESPACES, *(() if order.network or order.joint else ("--unshare-net",)), *self._program.no_nesting, *SAFETY)
        temporary = (*self._program.size(order.resources.disk_mb), "--perms", "1777", "--tmpfs")
        yield from (*temporary, TEMPORARY)
        yield from _system()
        yield from self._configuration(order)
        yield from self._interpreter(place)
        yield from ("--proc", "/proc", "--dev", "/dev", *temporary, SHARED)
        yield from self._devices(order)
        yield from ("--ro-bind-try", "/sys/devices/system", "/sys/devices/system")
        yield from ("--bind" if order.writable else "--ro-bind", str(place.tree), TREE, "--chdir", TREE)
        yield from ("--remount-ro", "/dev", "--remount-ro", "/", "--clearenv")
        settings = variables(place, order, tree=TREE, python=PYTHON, temporary=TEMPORARY)
        for name, value in (settings | visible(range(len(order.gpus)))).items():
            yield from ("--setenv", name, value)

    def _devices(self, order: Order) -> Iterator[str]:
        """The devices of the GPUs that it may use, and the driver's library. Who may write to a device may do so on a read-only system."""
        if not order.gpus:
            return
        for name in self._driver.files(order.gpus):
            yield from ("--dev-bind", str(self._driver.devices / name), f"/dev/{name}")
        for folder in libraries():
            if not any(folder.is_relative_to(path) for path in SYSTEM):
                yield from ("--ro-bind", str(folder), str(folder))

    def _configuration(self, order: Order) -> Iterator[str]:
        own = {name: str(self._folder / "etc" / name) for name in FILES}
        if order.network:
            own["hosts"] = "/etc/hosts"
        for name, path in own.items():
            yield from ("--ro-bind", path, f"/etc/{name}")
        for path in (*CONFIGURATION, *(NETWORK_CONFIGURATION if order.network else ())):
            yield from ("--ro-bind-try", path, path)

    def _interpreter(self, place: Place) -> Iterator[str]:
        """The environment at one path for all; also by its own name, which its scripts and libraries may carry."""
        for prefix in place.prefixes:
            yield from ("--ro-bind", str(self._source(prefix)), str(prefix))
            for installed in packages(prefix):  # among them may be a later release of what is measured
                yield from ("--ro-bind", str(self._folder / "empty"), str(installed))
        for folder in place.folders:
            yield from ("--ro-bind", str(self._source(folder)), str(folder))
        yield from ("--ro-bind", str(self._source(place.environment)), ENVIRONMENT)
        taken = (*place.prefixes, *place.folders, *map(Path, (*SYSTEM, ENVIRONMENT, TEMPORARY)))
        if not any(place.environment.is_relative_to(path) for path in taken):
            yield from ("--symlink", ENVIRONMENT, str(place.environment))
        yield from ("--ro-bind", str(self._folder / "programs"), PROGRAMS)


def _system() -> Iterator[str]:
    """The system's programs and libraries, with its own links where it has links."""
    for name in SYSTEM:
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)
