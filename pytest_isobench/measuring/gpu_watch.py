"""A watch over the GPUs of a campaign: what they are before, meanwhile and after, and whether the times can be trusted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pytest_isobench import gpus as machine
from pytest_isobench.gpus import Gpu, Inventory
from pytest_isobench.models.result import Device, Finding, GpuReason, GpuState

PERIOD = 0.5
"""Seconds between two looks. It reads the state from the controller's own thread, so the candidate's core has no part in it."""
PATIENCE = 10.0
"""Seconds to wait for a look in progress at the end: a driver that hangs must not hang the session."""
THROTTLED: frozenset[GpuReason] = frozenset({"heat", "hardware_heat", "power_cap", "power_brake", "hardware_slowdown"})
"""Reasons of heat and of power; `hardware_slowdown` is one of the two."""


@dataclass(slots=True)
class Course:
    """All that was seen of one device, in order."""

    gpu: Gpu
    states: list[GpuState | None] = field(default_factory=list)
    strangers: set[int] = field(default_factory=set)
    """Processes that are not of the campaign."""

    def device(self) -> Device:
        known = {name: getattr(self.gpu, name) for name in ("index", "uuid", "name", "memory_mb", "driver")}
        return Device(**known, before=self.states[0], after=self.states[-1], looks=len(self.states))

    def busy(self) -> list[GpuState]:
        """The states in which the device worked: an idle one lowers its clocks, which means nothing."""
        return [state for state in self.states if state is not None and state.reasons is not None and "idle" not in state.reasons]


class GpuWatch:
    """Looks at devices from its making to `close`, from a thread of its own. Without devices it does nothing."""

    def __init__(
        self, gpus: Sequence[Gpu], owns: Callable[[int], bool], inventory: Inventory | None = None, period: float = PERIOD
    ) -> None:
        self._courses = [Course(gpu) for gpu in gpus]
        self._owns, self._inventory, self._period = owns, inventory, period
        self._over = threading.Event()
        self.look()
        self._thread = threading.Thread(target=self._keep_looking, name="isobench-gpu-watch", daemon=True)
        if self._courses:
            self._thread.start()

    def look(self) -> None:
        """Read every device's state once."""
        for course in self._courses:
            state = (self._inventory or machine.local_inventory()).state(course.gpu)
            course.states.append(state)
            pids = state.processes or () if state else ()
            course.strangers.update(pid for pid in pids if not self._owns(pid))

    def close(self) -> None:
        """Look for the last time. Idempotent."""
        if not self._courses or self._over.is_set():
            return
        self._over.set()
        self._thread.join(PATIENCE)
        if not self._thread.is_alive():
            self.look()

    def devices(self) -> tuple[Device, ...]:
        """Return what goes into the results."""
        return tuple(course.device() for course in self._courses)

    def findings(self, margin: float) -> tuple[Finding, ...]:
        """Return what makes the times doubtful; `margin` is what still counts as equal."""
        return tuple(finding for course in self._courses for finding in findings(course, margin))

    def _keep_looking(self) -> None:
        while not self._over.wait(self._period):
            self.look()


def findings(course: Course, margin: float) -> Iterator[Finding]:
    """Yield what was seen on one device that can make times differ for no reason in the code."""
    gpu = f"GPU {course.gpu.index} ({course.gpu.name})"
    if not any(course.states):
        yield Finding(kind="gpu_not_watched", severity="note", message=f"{gpu}: its state cannot be read: install 'pytest-isobench[gpu]'")
        return
    if text := dropped(course.busy(), margin):
        yield Finding(kind="gpu_clock_dropped", severity="alarm", message=f"{gpu}: {text}; fix it with nvidia-smi --lock-gpu-clocks")
    before = course.states[0].reasons or () if course.states[0] else ()
    appeared = {reason for state in course.states if state for reason in state.reasons or ()} - set(before)
    if found := sorted(appeared & THROTTLED):
        yield Finding(kind="gpu_throttled", severity="alarm", message=f"{gpu}: was slowed down for heat or power: {_often(course, found)}")
    if course.strangers:
        pids = ", ".join(map(str, sorted(course.strangers)))
        yield Finding(kind="gpu_shared", severity="alarm", message=f"{gpu}: was used by others meanwhile: process {pids}")


def dropped(states: Sequence[GpuState], margin: float) -> str:
    """Say how far the clock fell while the device worked; empty for a fall that cannot matter.

    No kernel slows down by more than its clock does. So a fall that is smaller than the margin cannot make a difference of the margin,
    even if it hits one arm only.
    """
    peak, worst = 0, (1.0, 0, 0)
    for clock in (state.sm_clock for state in states if state.sm_clock):
        peak = max(peak, clock)
        worst = min(worst, (clock / peak, peak, clock))
    share, high, low = worst
    return f"its clock fell from {high} to {low} MHz (-{1 - share:.0%}) under load" if 1 - share > margin else ""


def _often(course: Course, reasons: Sequence[GpuReason]) -> str:
    counts = {reason: sum(reason in (state.reasons or ()) for state in course.states if state) for reason in reasons}
    return ", ".join(f"{reason.replace('_', ' ')} in {count} of {len(course.states)} looks" for reason, count in counts.items())
