"""Devices as `nvidia-smi` tells them: for machines without the extra `gpu`. It takes too long to be asked for states while measuring."""

from __future__ import annotations

import csv
import subprocess
from shutil import which

from pytest_isobench.gpus.inventory import Gpu
from pytest_isobench.models.result import GpuState

FIELDS = ("index", "uuid", "name", "memory.total", "driver_version")
PROGRAM = "nvidia-smi"
FORMAT = "--format=csv,noheader,nounits"


class Smi:
    """Asks the driver's own program."""

    def __init__(self, timeout: float = 20.0) -> None:
        self._timeout = timeout

    def devices(self) -> tuple[Gpu, ...]:
        """Return the devices that the driver shows; none without a driver, or when it does not answer in time."""
        return parse_query(self._ask(f"--query-gpu={','.join(FIELDS)}"))

    def state(self, gpu: Gpu) -> GpuState | None:  # noqa: ARG002 - the inventory's signature
        return None

    def memory_used_mb(self, gpu: Gpu) -> int | None:
        text = self._ask("--query-gpu=memory.used", f"--id={gpu.uuid}").strip()
        return int(text) if text.isdecimal() else None

    def _ask(self, *query: str) -> str:
        if which(PROGRAM) is None:
            return ""
        try:
            return subprocess.run([PROGRAM, *query, FORMAT], capture_output=True, text=True, timeout=self._timeout, check=True).stdout
        except (subprocess.SubprocessError, OSError):
            return ""


def parse_query(text: str) -> tuple[Gpu, ...]:
    """Read the query's CSV; a line that does not describe a device is left out."""
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return tuple(gpu for gpu in map(_gpu, rows) if gpu is not None)


def _gpu(row: list[str]) -> Gpu | None:
    if len(row) != len(FIELDS):
        return None
    index, uuid, name, memory, driver = row
    try:
        return Gpu(index=int(index), uuid=uuid, name=name, memory_mb=_megabytes(memory), driver=driver)
    except ValueError:
        return None


def _megabytes(text: str) -> int:
    """Return the size; 0 where the device does not say one, such as one that shares the machine's memory."""
    return 0 if text.startswith("[") else int(float(text))
