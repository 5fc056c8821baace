"""GPU memory after a server, with devices that a script plays."""

from __future__ import annotations

import pytest

from pytest_isobench.errors import SandboxError
from pytest_isobench.gpus import Gpu
from pytest_isobench.models.result import GpuState
from pytest_isobench.testing.gpus import ScriptedInventory
from pytest_isobench.workloads.gpu_memory import allowed, given_back

GPU = Gpu(index=3, uuid="GPU-3", name="NVIDIA H100", memory_mb=80_000, driver="1")


def played(*used: int | None, patience: float = 60.0, error: Exception | None = None) -> list[int | None]:
    """Return what is left of a script of used memory once a block is over."""
    inventory = ScriptedInventory([GPU], {GPU.uuid: [GpuState(memory_used_mb=value) for value in (*used, -1)]})
    with given_back([GPU], inventory, patience, period=0.0):
        if error:
            raise error
    left: list[int | None] = []
    while (value := inventory.memory_used_mb(GPU)) != -1:
        left.append(value)
    return left


def test_it_is_waited_for_until_the_memory_is_back() -> None:
    assert played(1000, 70_000, 30_000, 1600, 1500, 1400) == [1400]


@pytest.mark.parametrize(("expected", "most"), [(0, 512), (1000, 1512), (20_000, 21_000)])
def test_a_little_more_is_back(expected: int, most: int) -> None:
    assert allowed(expected) == most
    assert played(expected, most, 7) == [7]


def test_a_device_that_does_not_tell_is_not_waited_for() -> None:
    assert played(None, 5) == [5], "one look before, none after"
    assert played(10, None, 5) == [5]


def test_memory_that_stays_taken_is_the_machines_failure() -> None:
    with pytest.raises(SandboxError, match=r"GPU 3 \(NVIDIA H100\): 9000 MB of its memory are taken 0 s after .*, where 10 MB were before"):
        played(10, 9000, patience=0.0)


def test_it_is_waited_for_after_a_server_that_failed_and_not_after_a_lost_sandbox() -> None:
    with pytest.raises(SandboxError, match="GPU 3"):
        played(10, 9000, patience=0.0, error=ValueError("the server's"))
    with pytest.raises(SandboxError, match="is lost"):
        played(10, 9000, error=SandboxError("is lost"))


def test_without_gpus_nobody_is_asked() -> None:
    with given_back(()):
        pass
