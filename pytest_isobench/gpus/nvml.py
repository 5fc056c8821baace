"""Devices and their states through NVML, the driver's management library (extra `gpu`). A state costs about a millisecond."""

from __future__ import annotations

from typing import Any

from pytest_isobench.errors import MissingExtraError, NotEvaluableError
from pytest_isobench.gpus.inventory import Gpu
from pytest_isobench.models.result import GpuReason, GpuState

REASONS: dict[int, GpuReason] = {
    0x1: "idle",
    0x2: "clock_setting",
    0x4: "power_cap",
    0x8: "hardware_slowdown",
    0x10: "sync_boost",
    0x20: "heat",
    0x40: "hardware_heat",
    0x80: "power_brake",
    0x100: "display_setting",
}
"""The bits of `nvmlClocksEventReasons`."""


class Nvml:
    """Asks the driver's library. What a device does not tell is None: few tell everything."""

    def __init__(self) -> None:
        """Load the library.

        Raises:
            MissingExtraError: nvidia-ml-py is not installed.
            NotEvaluableError: this machine has no driver that answers.
        """
        try:
            import pynvml
        except ImportError as error:
            raise MissingExtraError("reading the state of GPUs", "gpu") from error
        self._nvml: Any = pynvml
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise NotEvaluableError(f"the NVIDIA driver does not answer: {error}") from error

    def devices(self) -> tuple[Gpu, ...]:
        handles = ((index, self._ask("DeviceGetHandleByIndex", index)) for index in range(self._ask("DeviceGetCount") or 0))
        found = (self._device(index, handle) for index, handle in handles if handle is not None)
        return tuple(gpu for gpu in found if gpu.uuid)

    def state(self, gpu: Gpu) -> GpuState | None:
        handle = self._ask("DeviceGetHandleByUUID", gpu.uuid)
        if handle is None:
            return None
        power = self._ask("DeviceGetPowerUsage", handle)
        return GpuState(
            sm_clock=self._ask("DeviceGetClockInfo", handle, self._nvml.NVML_CLOCK_SM),
            memory_clock=self._ask("DeviceGetClockInfo", handle, self._nvml.NVML_CLOCK_MEM),
            temperature=self._either("DeviceGetTemperatureV", "DeviceGetTemperature", handle, self._nvml.NVML_TEMPERATURE_GPU),
            power=None if power is None else power / 1000,
            reasons=reasons(self._either("DeviceGetCurrentClocksEventReasons", "DeviceGetCurrentClocksThrottleReasons", handle)),
            ecc=_switch(self._ask("DeviceGetEccMode", handle)),
            persistence=_switch(self._ask("DeviceGetPersistenceMode", handle)),
            mig=_switch(self._ask("DeviceGetMigMode", handle)),
            processes=self._processes(handle),
            memory_used_mb=self._used(handle),
        )

    def memory_used_mb(self, gpu: Gpu) -> int | None:
        handle = self._ask("DeviceGetHandleByUUID", gpu.uuid)
        return None if handle is None else self._used(handle)

    def _device(self, index: int, handle: object) -> Gpu:
        memory = self._ask("DeviceGetMemoryInfo", handle)
        return Gpu(
            index=index,
            uuid=self._ask("DeviceGetUUID", handle) or "",
            name=self._ask("DeviceGetName", handle) or "unknown",
            memory_mb=memory.total // 2**20 if memory else 0,
            driver=self._ask("SystemGetDriverVersion") or "unknown",
            minor=self._ask("DeviceGetMinorNumber", handle),
        )

    def _used(self, handle: object) -> int | None:
        memory = self._ask("DeviceGetMemoryInfo", handle)
        return None if memory is None else memory.used // 2**20

    def _processes(self, handle: object) -> tuple[int, ...] | None:
        names = [f"DeviceGet{kind}RunningProcesses" for kind in ("Compute", "Graphics")]
        lists = [self._either(name, f"{name}_v2", handle) for name in names]
        if lists[0] is None:
            return None
        return tuple(sorted({process.pid for found in lists for process in found or ()}))

    def _either(self, first: str, second: str, *given: object) -> Any:
        """Ask a newer function, and an older one where the driver does not know it."""
        found = self._ask(first, *given)
        return self._ask(second, *given) if found is None else found

    def _ask(self, name: str, *given: object) -> Any:
        try:
            return getattr(self._nvml, f"nvml{name}")(*given)
        except Exception:  # with a driver of another age the bindings raise more than their own errors
            return None


def reasons(bits: int | None) -> tuple[GpuReason, ...] | None:
    """Name the reasons for which the clocks are not higher."""
    return None if bits is None else tuple(name for bit, name in REASONS.items() if bits & bit)


def _switch(found: int | list[int] | None) -> bool | None:
    """Return a mode as it is now; some are pairs, now and after the next start."""
    return bool(found[0] if isinstance(found, list) else found) if found is not None else None
