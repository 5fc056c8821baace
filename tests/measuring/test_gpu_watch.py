"""The watch over the GPUs of a campaign, with devices that a script plays."""

from __future__ import annotations

import time

import pytest

from pytest_isobench.gpus import Gpu
from pytest_isobench.measuring.gpu_watch import GpuWatch
from pytest_isobench.models.result import GpuState
from pytest_isobench.testing.gpus import ScriptedInventory

GPU = Gpu(index=3, uuid="GPU-3", name="NVIDIA H100", memory_mb=80_000, driver="1")
IDLE = GpuState(sm_clock=345, temperature=30, reasons=("idle",), processes=())
NEVER = 1e6


def busy(clock: int, *reasons: str, processes: tuple[int, ...] = (7,)) -> GpuState:
    return GpuState(sm_clock=clock, temperature=60, reasons=reasons, processes=processes)


def watched(*states: GpuState | None, margin: float = 0.05) -> tuple[GpuWatch, list[str]]:
    """Let a watch see these states, the first before and the last after; process 7 is the campaign's."""
    watch = GpuWatch([GPU], lambda pid: pid == 7, ScriptedInventory([GPU], {GPU.uuid: states}), NEVER)
    for _ in states[1:-1]:
        watch.look()
    watch.close()
    return watch, [f"{finding.severity} {finding.kind}: {finding.message}" for finding in watch.findings(margin)]


def test_a_quiet_campaign_is_described_and_finds_nothing():
    watch, found = watched(IDLE, busy(1980), busy(1965), busy(1980), IDLE)
    [device] = watch.devices()
    assert (device.uuid, device.index, device.before, device.after, device.looks) == ("GPU-3", 3, IDLE, IDLE, 5)
    assert found == []


def test_clocks_of_an_idle_device_mean_nothing():
    assert watched(IDLE, busy(1980), IDLE, busy(1980), IDLE)[1] == []


def test_a_clock_that_rises_has_not_dropped():
    assert watched(IDLE, busy(1200), busy(1980), busy(1980), IDLE)[1] == []


@pytest.mark.parametrize(("low", "drops"), [(1890, False), (1875, True)])
def test_a_drop_counts_when_it_exceeds_the_margin(low, drops):
    found = watched(IDLE, busy(1500), busy(1980), busy(low), busy(1980), IDLE)[1]
    assert len(found) == drops
    if drops:
        assert found[0].startswith("alarm gpu_clock_dropped: GPU 3 (NVIDIA H100): its clock fell from 1980 to 1875 MHz (-5%) under load")


def test_a_wider_margin_bears_a_deeper_drop():
    assert watched(IDLE, busy(1980), busy(1700), IDLE, margin=0.2)[1] == []


@pytest.mark.parametrize("reason", ["heat", "hardware_heat", "power_cap", "power_brake", "hardware_slowdown"])
def test_heat_and_power_are_alarms(reason):
    [found] = watched(IDLE, busy(1980), busy(1980, reason), busy(1980, reason), IDLE)[1]
    assert found == (
        f"alarm gpu_throttled: GPU 3 (NVIDIA H100): was slowed down for heat or power: {reason.replace('_', ' ')} in 2 of 5 looks"
    )


@pytest.mark.parametrize("reason", ["clock_setting", "sync_boost", "display_setting"])
def test_what_somebody_has_set_is_no_alarm(reason):
    assert watched(IDLE, busy(1500, reason), IDLE)[1] == []


def test_a_reason_that_was_there_before_has_not_appeared():
    before = IDLE.model_copy(update={"reasons": ("idle", "power_cap")})
    assert watched(before, busy(1980, "power_cap"), before)[1] == []


@pytest.mark.parametrize("when", [0, 1, 2])
def test_another_process_is_an_alarm_whenever_it_is_seen(when):
    states = [IDLE, busy(1980), IDLE]
    states[when] = states[when].model_copy(update={"processes": (7, 99, 98)})
    assert watched(*states)[1] == ["alarm gpu_shared: GPU 3 (NVIDIA H100): was used by others meanwhile: process 98, 99"]


def test_a_device_that_tells_nothing_raises_no_alarm():
    watch, found = watched(GpuState(), GpuState(), GpuState())
    assert found == []
    assert watch.devices()[0].before == GpuState()


def test_states_that_cannot_be_read_are_said_to_be_so():
    watch, [found] = watched(None, None, None)
    assert found.startswith("note gpu_not_watched: GPU 3 (NVIDIA H100): its state cannot be read")
    assert watch.devices()[0].after is None


def test_a_device_that_is_lost_on_the_way_is_described_as_far_as_it_went():
    watch, found = watched(IDLE, busy(1980), None)
    assert (watch.devices()[0].before, watch.devices()[0].after) == (IDLE, None)
    assert found == []


def test_it_looks_by_itself_until_it_is_closed():
    watch = GpuWatch([GPU], bool, ScriptedInventory([GPU]), 0.001)
    while watch.devices()[0].looks < 5:
        time.sleep(0.001)
    watch.close()
    looks = watch.devices()[0].looks
    time.sleep(0.01)
    watch.close()
    assert watch.devices()[0].looks == looks


def test_no_device_is_nothing_to_watch():
    watch = GpuWatch([], bool)
    watch.close()
    assert (watch.devices(), watch.findings(0.05)) == ((), ())
