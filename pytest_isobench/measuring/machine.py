"""Facts about the machine that a result was measured on, and what happened to it meanwhile."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from pytest_isobench.gpus import local_inventory
from pytest_isobench.models.result import Device, Machine

PROC = Path("/proc")
CPUS = Path("/sys/devices/system/cpu")
DISTRIBUTIONS = ("pytest-isobench", "pytest", "pytest-xdist", "pydantic", "numpy", "nvidia-ml-py")
PROGRAMS = ("git", "bwrap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The kernel's running counters of what disturbs a measurement, at one moment."""

    cpu: float
    """Jiffies of all CPUs together since boot, idle ones included."""
    stolen: float
    """Jiffies that the hypervisor gave to others."""
    throttled: int | None
    """Thermal throttling events; None where the kernel does not count them."""


def counters() -> Counters:
    """Read the counters; hand them to `describe` when the measurement is over."""
    times = [float(part) for part in _first_line(PROC / "stat").split()[1:9]]
    return Counters(cpu=sum(times), stolen=times[7] if len(times) > 7 else 0.0, throttled=_throttled())


def describe(cores: Sequence[int] = (), since: Counters | None = None, devices: Sequence[Device] = ()) -> Machine:
    """Describe this machine; with `since`, also what the hypervisor stole and how often it throttled from then to now."""
    import psutil

    now = counters() if since else None
    return Machine(
        host=platform.node(),
        system=_system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        cpu=_cpu(),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=os.cpu_count() or 1,
        memory_mb=psutil.virtual_memory().total // 2**20,
        governor=_governor(cores),
        load=os.getloadavg(),
        steal=_steal(since, now) if since and now else None,
        throttled=_events(since, now) if since and now else None,
        cores=tuple(cores),
        gpus=_gpus(),
        devices=tuple(devices),
        python=platform.python_version(),
        versions=dict(_versions()),
        boot=_first_line(PROC / "sys/kernel/random/boot_id") or None,
    )


def _steal(since: Counters, now: Counters) -> float:
    spent = now.cpu - since.cpu
    return max(0.0, now.stolen - since.stolen) / spent if spent > 0 else 0.0


def _events(since: Counters, now: Counters) -> int | None:
    if since.throttled is None or now.throttled is None:
        return None
    return max(0, now.throttled - since.throttled)


def _throttled() -> int | None:
    counts = [_first_line(path) for path in CPUS.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
    return sum(int(count) for count in counts if count.isdecimal()) if counts else None


def _governor(cores: Sequence[int]) -> str | None:
    names = {_first_line(CPUS / f"cpu{core}/cpufreq/scaling_governor") for core in cores or (0,)}
    return ", ".join(sorted(names - {""})) or None


def _first_line(path: Path) -> str:
    try:
        with path.open() as file:
            return file.readline().strip()
    except OSError:
        return ""


@cache
def _cpu() -> str:
    for line in (PROC / "cpuinfo").read_text(errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.processor() or platform.machine()


@cache
def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


@cache
def _gpus() -> tuple[str, ...]:
    return tuple(str(gpu) for gpu in local_inventory().devices())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    installed = ((name, _distribution(name)) for name in DISTRIBUTIONS)
    programs = ((name, _program(name)) for name in PROGRAMS)
    return (*((name, found) for name, found in (*installed, *programs) if found), ("libc", "-".join(platform.libc_ver())))


def _distribution(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _program(name: str) -> str:
    try:
        answer = subprocess.run([name, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip().split(" ")[-1]
