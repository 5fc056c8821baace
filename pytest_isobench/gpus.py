"""The GPUs of this machine, as `nvidia-smi` tells them; no GPU is an empty tuple, never an error."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from shutil import which

FIELDS = ("index", "uuid", "name", "memory.total", "driver_version")
QUERY = ("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One device."""

    index: int
    uuid: str
    """Identity of the device: stays the same when the order of devices changes."""
    name: str
    """Model, such as 'NVIDIA H100 80GB HBM3'."""
    memory_mb: int
    driver: str

    def __str__(self) -> str:
        return f"{self.name} ({self.memory_mb} MiB, driver {self.driver}, {self.uuid})"


def find_gpus(timeout: float = 20.0) -> tuple[Gpu, ...]:
    """Return the NVIDIA devices that the driver shows; empty without a driver, or when it does not answer in `timeout` seconds."""
    if which(QUERY[0]) is None:
        return ()
    try:
        answer = subprocess.run(QUERY, capture_output=True, text=True, timeout=timeout, check=True)
    except (subprocess.SubprocessError, OSError):
        return ()
    return parse_query(answer.stdout)


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


def matching(gpus: Iterable[Gpu], model: str | None) -> tuple[Gpu, ...]:
    """Return the devices whose model's name contains `model`, in any case; all of them when it is None."""
    return tuple(gpu for gpu in gpus if model is None or model.casefold() in gpu.name.casefold())
