"""What a GPU is, where GPUs are looked up, and which of them this process may use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pytest_isobench.models.result import GpuState

VARIABLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One device."""

    index: int
    """Its place in the driver's order, that of the PCI bus."""
    uuid: str
    """Identity of the device: stays the same when the order of devices changes."""
    name: str
    """Model, such as 'NVIDIA H100 80GB HBM3'."""
    memory_mb: int
    driver: str
    minor: int | None = None
    """Number in the name of its device file, `/dev/nvidia0`; None where that was not asked."""

    def __str__(self) -> str:
        return f"{self.name} ({self.memory_mb} MiB, driver {self.driver}, {self.uuid})"


class Inventory(Protocol):
    """Where devices and their states are looked up. No question raises anything."""

    def devices(self) -> tuple[Gpu, ...]:
        """Return the machine's devices; no GPU is an empty tuple."""

    def state(self, gpu: Gpu) -> GpuState | None:
        """Look at a device; None when its state cannot be read at all."""

    def memory_used_mb(self, gpu: Gpu) -> int | None:
        """Return how much of a device's memory is taken, by anybody; None when it does not tell."""


def matching(gpus: Iterable[Gpu], model: str | None) -> tuple[Gpu, ...]:
    """Return the devices whose model's name contains `model`, in any case; all of them when it is None."""
    return tuple(gpu for gpu in gpus if model is None or model.casefold() in gpu.name.casefold())


def visible(gpus: Iterable[Gpu], named: str | None) -> tuple[Gpu, ...]:
    """Return the devices that a value of `CUDA_VISIBLE_DEVICES` names, by number or by (the beginning of) a uuid; None is no limit.

    As CUDA does, take what stands before the first entry that is no device. Numbers count in the driver's order
    (`CUDA_DEVICE_ORDER=PCI_BUS_ID`).
    """
    gpus = tuple(gpus)
    if named is None:
        return gpus
    shown: list[Gpu] = []
    for entry in named.split(","):
        gpu = _named(gpus, entry.strip())
        if gpu is None or gpu in shown:
            break
        shown.append(gpu)
    return tuple(shown)


def _named(gpus: tuple[Gpu, ...], entry: str) -> Gpu | None:
    if entry.isdecimal():
        return next((gpu for gpu in gpus if gpu.index == int(entry)), None)
    found = [gpu for gpu in gpus if entry and gpu.uuid.startswith(entry)]
    return found[0] if len(found) == 1 else None
