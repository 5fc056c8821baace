"""Leases on cores and GPUs: one measurement at a time on each, across processes, sessions and users of a machine.

A lease is an `flock` on a file, so the kernel ends it when its holder dies, however that happens. Waiters queue at a
turnstile: whoever passes it gathers what it needs, so that a request for many cores is not starved by small ones. Nobody
waits at the GPUs' turnstile with cores in hand, and a holder asks for nothing more of its kind: so nobody waits in a circle.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pytest_isobench.errors import NotEvaluableError, SandboxError
from pytest_isobench.gpus import VARIABLE, Gpu, matching, usable

FOLDER = Path("/tmp/isobench-leases")  # noqa: S108 - must be one folder for all users and sessions, whatever TMPDIR says
PAUSE = 0.05
"""Seconds between two looks at a lock that somebody else holds."""

FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
CPUS = Path("/sys/devices/system/cpu")

Wait = Callable[[float], None]

_held: set[int] = set()
"""Descriptors of this process's leases."""


def _forget() -> None:
    """Let go, in a child that was forked: it would keep the lease when its parent dies."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget)


@contextmanager
def lease_cores(
    count: int, folder: Path | None = None, wait: Wait = time.sleep, within: Collection[int] | None = None
) -> Iterator[tuple[int, ...]]:
    """Hold `count` physical cores to the end of the block; gives one logical CPU of each, its siblings stay idle.

    With `within` only these logical CPUs are taken. Core 0, where the system does most of its own work, is used only when the
    others are not enough. `wait` is called with the seconds to wait whenever somebody else holds a core.

    Raises:
        NotEvaluableError: this machine, or this process's share of it, has fewer cores.
        SandboxError: the leases' folder cannot be used.
    """
    allowed = os.sched_getaffinity(0)
    cores = leasable_cores(count, physical_cores(allowed if within is None else allowed.intersection(within)))
    with _lease("core", [str(core) for core in cores], count, folder or FOLDER, wait) as names:
        yield tuple(int(name) for name in names)


@contextmanager
def lease_gpus(
    count: int, model: str | None = None, folder: Path | None = None, wait: Wait = time.sleep, gpus: Sequence[Gpu] | None = None
) -> Iterator[tuple[Gpu, ...]]:
    """Hold `count` GPUs, of a model whose name contains `model`, to the end of the block. Take cores afterwards, not before.

    By default the devices are those that `CUDA_VISIBLE_DEVICES` leaves to this process.

    Raises:
        NotEvaluableError: there are fewer of them.
        SandboxError: the leases' folder cannot be used.
    """
    if not count:
        yield ()
        return
    devices = {gpu.uuid: gpu for gpu in leasable_gpus(count, model, gpus)}
    with _lease("gpu", list(devices), count, folder or FOLDER, wait) as names:
        yield tuple(devices[name] for name in names)


def leasable_gpus(count: int, model: str | None = None, gpus: Sequence[Gpu] | None = None) -> tuple[Gpu, ...]:
    """Return the GPUs that a lease of `count` may take. Raises NotEvaluableError when there are fewer of them."""
    found = usable(model) if gpus is None else matching(gpus, model)
    if len(found) < count:
        wanted, hidden = f" of model {model!r}" if model else "", f" ({VARIABLE}={os.environ[VARIABLE]})" if VARIABLE in os.environ else ""
        raise NotEvaluableError(f"needs {count} GPU(s){wanted}; this machine has {len(found)}{hidden}")
    return found


def physical_cores(allowed: set[int], cpus: Path = CPUS) -> tuple[tuple[int, ...], ...]:
    """Return the allowed logical CPUs, grouped into physical cores."""
    groups = {tuple(sorted(_siblings(cpu, cpus) & allowed)) for cpu in allowed}
    return tuple(sorted(groups))


def leasable_cores(count: int, cores: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the first CPU of each core that a lease of `count` cores may take: without core 0 where that leaves enough."""
    if count > len(cores):
        raise NotEvaluableError(f"needs {count} physical cores; this process may use {len(cores)}")
    spared = [core for core in cores if 0 not in core]
    return tuple(core[0] for core in (spared if len(spared) >= count else cores))


def _siblings(cpu: int, cpus: Path) -> set[int]:
    try:
        return parse_cpu_list((cpus / f"cpu{cpu}/topology/thread_siblings_list").read_text())
    except (OSError, ValueError):
        return {cpu}


def parse_cpu_list(text: str) -> set[int]:
    """Read the kernel's lists of CPUs, such as '0-2,8'."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


@contextmanager
def _lease(kind: str, names: Sequence[str], count: int, folder: Path, wait: Wait) -> Iterator[list[str]]:
    with ExitStack() as held:
        with ExitStack() as turnstile:
            while not _try_lock(folder, f"{kind}-turnstile", turnstile):
                wait(PAUSE)
            taken = _gather(kind, names, count, folder, wait, held)
        yield taken


def _gather(kind: str, names: Sequence[str], count: int, folder: Path, wait: Wait, held: ExitStack) -> list[str]:
    taken: list[str] = []
    while True:
        for name in names:
            if len(taken) == count:
                return sorted(taken, key=list(names).index)
            if name not in taken and _try_lock(folder, f"{kind}-{name}", held):
                taken.append(name)
        if len(taken) < count:
            wait(PAUSE)


def _try_lock(folder: Path, name: str, stack: ExitStack) -> bool:
    descriptor = _open(folder, name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _held.add(descriptor)
    stack.callback(_release, descriptor)
    return True


def _release(descriptor: int) -> None:
    if descriptor in _held:
        _held.remove(descriptor)
        os.close(descriptor)


def _open(folder: Path, name: str) -> int:
    """Open the lock's file for reading: all that `flock` needs, and all that another user's file allows."""
    path = folder / f"{name}.lock"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o1777)
        try:
            return os.open(path, FLAGS)
        except FileNotFoundError:
            descriptor = os.open(path, FLAGS | os.O_CREAT, 0o644)
            os.fchmod(descriptor, 0o644)
            return descriptor
    except OSError as error:
        raise SandboxError(f"cannot lease: {error}") from error
