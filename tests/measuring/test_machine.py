import os
import platform

import pytest

from pytest_isobench import __version__
from pytest_isobench.measuring import machine
from pytest_isobench.measuring.machine import Counters, counters, describe


def test_this_machine_is_described():
    found = describe((0,))
    assert found.host == platform.node()
    assert found.kernel == platform.release()
    assert found.cores == (0,)
    assert found.cpu
    assert found.logical_cores == os.cpu_count()
    assert found.memory_mb > 0
    assert found.versions["pytest-isobench"] == __version__
    assert found.versions["git"][0].isdigit()
    assert found.boot == describe().boot != ""
    assert found.steal is None


def test_what_happened_meanwhile_is_counted():
    found = describe((), since=counters())
    assert 0.0 <= found.steal <= 1.0


@pytest.fixture
def proc(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "PROC", tmp_path / "proc")
    monkeypatch.setattr(machine, "CPUS", tmp_path / "cpu")
    (tmp_path / "proc").mkdir()
    for cpu, events in ((0, 3), (1, 4)):
        folder = tmp_path / "cpu" / f"cpu{cpu}"
        (folder / "thermal_throttle").mkdir(parents=True)
        (folder / "thermal_throttle" / "core_throttle_count").write_text(f"{events}\n")
        (folder / "cpufreq").mkdir()
        (folder / "cpufreq" / "scaling_governor").write_text(("powersave", "performance")[cpu] + "\n")
    (tmp_path / "proc" / "stat").write_text("cpu  100 0 50 800 10 0 10 30 0 0\ncpu0 1 2 3\n")
    return tmp_path


def test_counters_are_read_from_the_kernel(proc):
    assert counters() == Counters(cpu=1000.0, stolen=30.0, throttled=7)


def test_steal_and_throttling_are_differences(proc):
    found = describe((1,), since=Counters(cpu=600.0, stolen=10.0, throttled=5))
    assert found.steal == pytest.approx(0.05)
    assert found.throttled == 2
    assert found.governor == "performance"
    assert describe((0, 1)).governor == "performance, powersave"


def test_counters_that_went_backwards_are_nothing(proc):
    found = describe((), since=Counters(cpu=2000.0, stolen=90.0, throttled=50))
    assert found.steal == 0.0
    assert found.throttled == 0


def test_a_machine_that_does_not_count_throttling_says_so(proc):
    for path in proc.glob("cpu/*/thermal_throttle/*"):
        path.unlink()
    assert describe((), since=counters()).throttled is None
