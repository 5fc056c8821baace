"""Which files of a made-up /dev belong to some GPUs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.gpus import Driver, Gpu, libraries

INFORMATION = "Model: \t\t NVIDIA H100\nGPU UUID: \t {uuid}\nBus Location: \t 0000:04:00.0\nDevice Minor: \t {minor}\n"


def gpu(index: int, minor: int | None = None) -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name="NVIDIA H100", memory_mb=80_000, driver="580", minor=minor)


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    """Four GPUs, whose files are in another order than the GPUs; of the last one the driver does not know the uuid yet."""
    (tmp_path / "dev").mkdir()
    for name in ("null", "nvidia0", "nvidia1", "nvidia2", "nvidia3", "nvidiactl", "nvidia-uvm", "nvidia-modeset"):
        (tmp_path / "dev" / name).touch()
        (tmp_path / "dev" / name).chmod(0o666)
    for minor, uuid in ((0, "GPU-1"), (1, "GPU-2"), (2, "GPU-0"), (3, "GPU-????????")):
        (tmp_path / "gpus" / f"0000:0{minor}:00.0").mkdir(parents=True)
        (tmp_path / "gpus" / f"0000:0{minor}:00.0" / "information").write_text(INFORMATION.format(uuid=uuid, minor=minor))
    return Driver(devices=tmp_path / "dev", facts=tmp_path / "gpus")


def test_a_device_is_found_by_its_minor_number_not_by_its_index(driver: Driver) -> None:
    common = ("nvidiactl", "nvidia-uvm", "nvidia-modeset")
    assert driver.files([gpu(0), gpu(2)]) == ("nvidia2", "nvidia1", *common)
    assert driver.files([gpu(3, minor=3)]) == ("nvidia3", *common), "what NVML says counts"


def test_a_device_that_nobody_can_name_is_refused(driver: Driver) -> None:
    with pytest.raises(NotEvaluableError, match=r"cannot tell which of .*/dev/nvidia\* is GPU 3 \(GPU-3\): install"):
        driver.files([gpu(3)])


@pytest.mark.parametrize("name", ["nvidia2", "nvidiactl", "nvidia-uvm"])
def test_files_that_are_missing_or_not_everybodys_are_refused(driver: Driver, name: str) -> None:
    (driver.devices / name).chmod(0o660 if os.geteuid() == 0 else 0o060)
    with pytest.raises(NotEvaluableError, match=f"candidates cannot open .*/{name} .mode 6?60.; allow it: chmod"):
        driver.files([gpu(0)])
    (driver.devices / name).unlink()
    with pytest.raises(NotEvaluableError, match=f"needs a GPU, and .*/{name} is not there .*nvidia-modprobe"):
        driver.files([gpu(0)])


def test_what_few_programs_open_may_be_missing(driver: Driver) -> None:
    (driver.devices / "nvidia-modeset").unlink()
    assert driver.files([gpu(0)]) == ("nvidia2", "nvidiactl", "nvidia-uvm")


def test_the_drivers_library_is_found_where_the_loader_finds_it(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "libcuda.so.1").touch()
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "libcuda.so.1").symlink_to(tmp_path / "store" / "libcuda.so.1")
    cache = f"3 libs found\n\tlibcuda.so.1 (libc6,x86-64) => {tmp_path}/link/libcuda.so.1\n\tlibc.so.6 (libc6,x86-64) => /lib/libc.so.6\n"
    assert libraries(cache) == (tmp_path / "link", tmp_path / "store")
    assert libraries("no libcuda.so") == ()
