import os
from pathlib import Path

import pytest

from pytest_isobench.gpus import Gpu
from pytest_isobench.gpus.smi import Smi, parse_query

TWO = """0, GPU-aaaa, NVIDIA H100 80GB HBM3, 81559, 550.54.15
1, GPU-bbbb, Tesla T4, 15360, 550.54.15
"""


def test_query_is_read():
    first, second = parse_query(TWO)
    assert first == Gpu(index=0, uuid="GPU-aaaa", name="NVIDIA H100 80GB HBM3", memory_mb=81559, driver="550.54.15")
    assert (second.index, second.name) == (1, "Tesla T4")
    assert str(second) == "Tesla T4 (15360 MiB, driver 550.54.15, GPU-bbbb)"


@pytest.mark.parametrize("text", ["", "No devices were found\n", "x, y, z, 1, 2\n", "0, GPU-a, name, lots, 1\n"])
def test_lines_that_are_no_device_are_left_out(text):
    assert parse_query(text) == ()


def test_memory_that_is_not_said_is_nought():
    assert parse_query("0, GPU-a, NVIDIA GB10, [N/A], 580.1\n")[0].memory_mb == 0


def _program(folder: Path, body: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(("body", "names"), [("cat data", ["NVIDIA H100 80GB HBM3", "Tesla T4"]), ("exit 9", [])])
def test_the_driver_is_asked(tmp_path, monkeypatch, body, names):
    _program(tmp_path, body)
    (tmp_path / "data").write_text(TWO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert [gpu.name for gpu in Smi().devices()] == names


@pytest.mark.parametrize(("body", "used"), [('[ "$2" = --id=GPU-a ] && echo 1234', 1234), ("echo '[N/A]'", None), ("exit 9", None)])
def test_the_driver_is_asked_for_memory(tmp_path, monkeypatch, body, used):
    _program(tmp_path, body)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert Smi().memory_used_mb(Gpu(index=0, uuid="GPU-a", name="H100", memory_mb=1, driver="1")) == used


def test_a_driver_that_hangs_has_no_gpu(tmp_path, monkeypatch):
    _program(tmp_path, "sleep 60")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert Smi(timeout=0.2).devices() == ()


def test_no_driver_is_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Smi().devices() == ()
