"""The real bindings, with another library in the driver's place."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_isobench.errors import MissingExtraError
from pytest_isobench.gpus.nvml import REASONS, Nvml, reasons
from pytest_isobench.models.result import GpuState

READ = """
from pytest_isobench.gpus import local_inventory
inventory = local_inventory()
print(type(inventory).__name__)
for gpu in inventory.devices():
    print(gpu)
    print(inventory.state(gpu).model_dump_json())
    print(gpu.minor, inventory.memory_used_mb(gpu))
"""
LOST = """
from pytest_isobench.gpus import Gpu, local_inventory
gone = Gpu(index=9, uuid="GPU-gone", name="H100", memory_mb=1, driver="1")
print(local_inventory().state(gone), local_inventory().memory_used_mb(gone))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Run a program beside the library."""
    pytest.importorskip("pynvml")
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("driver")
    source, library = Path(__file__).with_name("driver.c"), folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", str(library), str(source)], check=True)

    def run(program: str) -> list[str]:
        environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    return run


def test_devices_and_states_are_read(python):
    kind, first, state, facts, second, silent, unknown = python(READ)
    assert kind == "Nvml"
    assert first == "NVIDIA H100 (81559 MiB, driver 580.95.05, GPU-aaaa)"
    assert GpuState.model_validate_json(state) == GpuState(
        sm_clock=1980,
        memory_clock=2619,
        temperature=41,
        power=118.5,
        reasons=("power_cap", "hardware_heat"),
        ecc=True,
        persistence=True,
        mig=False,
        processes=(4242,),
        memory_used_mb=1234,
    )
    assert (facts, unknown) == ("5 1234", "None None")
    assert second == "NVIDIA GB10 (0 MiB, driver 580.95.05, GPU-bbbb)"
    assert GpuState.model_validate_json(silent) == GpuState(), "what a device does not tell is not known"


def test_a_device_that_is_gone_has_no_state(python):
    assert python(LOST) == ["None None"]


def test_every_function_is_one_of_the_bindings():
    pynvml, source = pytest.importorskip("pynvml"), Path(sys.modules[Nvml.__module__].__file__ or "").read_text()
    names = set(re.findall(r'"((?:Device|System)Get\w+)"', source))
    assert len(names) > 10
    assert [name for name in names if not hasattr(pynvml, f"nvml{name}")] == []
    assert {bit for bit in REASONS if not bit & pynvml.nvmlClocksEventReasonAll} == set()


def test_reasons_are_named():
    assert reasons(0) == ()
    assert reasons(0x1 | 0x20 | 0x8000) == ("idle", "heat"), "what is not known yet is left out"
    assert reasons(None) is None


def test_without_the_bindings_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(MissingExtraError, match=r"pytest-isobench\[gpu\]"):
        Nvml()
