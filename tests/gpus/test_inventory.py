"""Which devices a process may use, and where they are looked up."""

from __future__ import annotations

import pytest

from pytest_isobench import gpus
from pytest_isobench.gpus import Gpu, matching, usable, visible
from pytest_isobench.testing.gpus import ScriptedInventory

NAMES = ("NVIDIA H100 80GB HBM3", "Tesla T4", "NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe")
FOUR = [Gpu(index=i, uuid=f"GPU-{letter}{i}", name=NAMES[i], memory_mb=1, driver="1") for i, letter in enumerate("aabc")]


def indices(found):
    return [gpu.index for gpu in found]


def test_models_match_by_part_of_the_name():
    assert indices(matching(FOUR, "h100")) == [0, 2, 3]
    assert indices(matching(FOUR, None)) == [0, 1, 2, 3]
    assert matching(FOUR, "B200") == ()


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("2", [2]),
        ("2,0", [2, 0]),
        (" 1 , 3 ", [1, 3]),
        ("0,7,1", [0]),
        ("0,-1,1", [0]),
        ("0,0", [0]),
        ("GPU-b2,1", [2, 1]),
        ("GPU-c", [3]),
        ("GPU-a", []),
        ("GPU-x,0", []),
        ("MIG-b2", []),
    ],
)
def test_the_variable_is_read_as_cuda_does(named, expected):
    assert indices(visible(FOUR, named)) == expected


@pytest.fixture
def four(monkeypatch):
    monkeypatch.setattr(gpus, "local_inventory", lambda: ScriptedInventory(FOUR))


def test_usable_is_visible_and_of_the_model(four, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert indices(usable()) == [0, 1, 2, 3]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1,0")
    assert indices(usable("H100")) == [3, 0]


def test_a_script_is_followed_and_its_last_state_stays():
    states = [None, gpus.inventory.GpuState(sm_clock=100), gpus.inventory.GpuState(sm_clock=90)]
    inventory = ScriptedInventory(FOUR[:1], {FOUR[0].uuid: states})
    assert [inventory.state(FOUR[0]) for _ in range(5)] == [*states, states[-1], states[-1]]
