"""What `isobench doctor` says of GPUs, on a machine whose GPUs are made up."""

from __future__ import annotations

import pytest

from pytest_isobench import gpus
from pytest_isobench.cli import machine_checks
from pytest_isobench.gpus import Driver, Gpu
from pytest_isobench.measuring import machine
from pytest_isobench.testing.gpus import ScriptedInventory

GPU = Gpu(index=0, uuid="GPU-0", name="NVIDIA H100", memory_mb=80_000, driver="580", minor=0)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Return what is said of GPUs, with these files in the folder of devices."""

    def told(*names: str) -> list[str]:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        for module in (gpus, machine):
            monkeypatch.setattr(module, "local_inventory", lambda: ScriptedInventory([GPU]))
        monkeypatch.setattr(gpus, "Driver", lambda: Driver(devices=tmp_path))
        monkeypatch.setattr(machine, "_gpus", machine._gpus.__wrapped__)  # what other tests have asked is remembered
        for name in names:
            (tmp_path / name).touch()
            (tmp_path / name).chmod(0o666)
        return [f"{check.grade} {check.text}" for check in machine_checks._machine() if check.subject == "GPU"]

    return told


def test_gpus_whose_devices_can_be_opened_are_fine(told):
    assert [line for line in told("nvidia0", "nvidiactl", "nvidia-uvm") if "sandbox" in line] == []


def test_gpus_whose_devices_cannot_be_opened_are_noted(told):
    first, *_, last = told("nvidia0", "nvidiactl")
    assert first.startswith("ok NVIDIA H100")
    assert last.startswith("note the local sandbox has none: needs a GPU, and ")
    assert "nvidia-uvm is not there" in last
