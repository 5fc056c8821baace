"""GPUs that a test makes up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat

from pytest_isobench.gpus import Gpu
from pytest_isobench.models.result import GpuState


class ScriptedInventory:
    """Devices whose states come from a script: each look takes the next one, and the last one stays."""

    def __init__(self, gpus: Sequence[Gpu], states: Mapping[str, Sequence[GpuState | None]] | None = None) -> None:
        """Take the devices, and states by uuid; a device without any is idle."""
        self._gpus = tuple(gpus)
        self._states = {uuid: _lasting(script) for uuid, script in (states or {}).items()}

    def devices(self) -> tuple[Gpu, ...]:
        return self._gpus

    def state(self, gpu: Gpu) -> GpuState | None:
        return next(self._states[gpu.uuid]) if gpu.uuid in self._states else GpuState(reasons=("idle",), processes=())

    def memory_used_mb(self, gpu: Gpu) -> int | None:
        """Take the next state, too."""
        state = self.state(gpu)
        return state.memory_used_mb if state else None


def _lasting(script: Sequence[GpuState | None]) -> Iterator[GpuState | None]:
    yield from script
    yield from repeat(script[-1])
