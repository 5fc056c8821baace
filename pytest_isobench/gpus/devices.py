"""What of the driver a process must see to use some GPUs and no others: device files, and libraries in odd places."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.gpus.inventory import Gpu

NEEDED = ("nvidiactl", "nvidia-uvm")
"""Device files that every user of any GPU opens."""
OPTIONAL = ("nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps")
"""Those that few programs open, and not every driver has."""
LIBRARY = re.compile(r"^\s*libcuda\.so\.1 .*=> (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """Where the driver shows its devices."""

    devices: Path = Path("/dev")
    facts: Path = Path("/proc/driver/nvidia/gpus")
    """A folder for each GPU, with what the driver tells of it."""

    def files(self, gpus: Iterable[Gpu]) -> tuple[str, ...]:
        """Return the names, below the folder of devices, of all that the users of these GPUs open; a few of them are folders.

        Raises:
            NotEvaluableError: one is not there, is not the candidates' to open, or nobody can tell which one it is.
        """
        needed = [*(f"nvidia{self._minor(gpu)}" for gpu in gpus), *NEEDED]
        for name in needed:
            self._demand(self.devices / name)
        return (*needed, *(name for name in OPTIONAL if (self.devices / name).exists()))

    def _minor(self, gpu: Gpu) -> int:
        """Return the number in the name of a device's file, which need not be its index."""
        if gpu.minor is not None:
            return gpu.minor
        for path in sorted(self.facts.glob("*/information")):
            told = dict(_facts(path.read_text(errors="replace")))
            if told.get("GPU UUID") == gpu.uuid and told.get("Device Minor", "").isdecimal():
                return int(told["Device Minor"])
        where = f"which of {self.devices}/nvidia* is GPU {gpu.index} ({gpu.uuid})"
        raise NotEvaluableError(f"cannot tell {where}: install 'pytest-isobench[gpu]', which asks the driver")

    def _demand(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            hint = "load the driver's modules, such as with: nvidia-modprobe -u -c 0"
            raise NotEvaluableError(f"needs a GPU, and {path} is not there ({error.strerror}); {hint}") from error
        if mode & 0o006 != 0o006 if os.geteuid() == 0 else not os.access(path, os.R_OK | os.W_OK):  # root gives candidates other users
            raise NotEvaluableError(f"needs a GPU, and candidates cannot open {path} (mode {mode & 0o777:o}); allow it: chmod a+rw {path}")


def libraries(told: str | None = None) -> tuple[Path, ...]:
    """Return the folders in which the loader finds the driver's library; the text is what `ldconfig -p` prints."""
    paths = map(Path, LIBRARY.findall(_loader_cache() if told is None else told))
    return tuple(dict.fromkeys(folder for path in paths for folder in (path.parent, path.resolve().parent)))


def _facts(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()


@cache
def _loader_cache() -> str:
    try:
        return subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
