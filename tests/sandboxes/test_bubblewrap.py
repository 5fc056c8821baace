"""The command line for bubblewrap: what is bound, in which order, and with which options."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_isobench.gpus import Driver, Gpu
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes import bubblewrap, seccomp
from pytest_isobench.sandboxes.base import Process
from pytest_isobench.sandboxes.bubblewrap import Bubblewrap, Program
from pytest_isobench.sandboxes.confinement import Order, Place, limits
from pytest_isobench.sandboxes.seccomp import Filters

PROGRAM = Program("/usr/bin/bwrap", frozenset({"--size", "--disable-userns"}))
PREFIX, HOME = Path("/home/me/python"), Path("/home/me/.cache/environments/abc")


def place(environment: Path = HOME, **spec: object) -> Place:
    return Place(
        tree=Path("/sessions/1/tree"),
        environment=environment,
        prefixes=(PREFIX,),
        spec=Environment.model_validate(spec),
        builder=61001,
        runner=61002,
    )


def describe(folder: Path, program: Program = PROGRAM, where: Place | None = None, **options: object) -> Process:
    folder.mkdir(exist_ok=True)
    filters = Filters(folder / "build.bpf", folder / "run.bpf", folder / "gpu.bpf")
    driver = Driver(devices=folder / "dev", facts=folder / "gpus")
    confinement = Bubblewrap(program, folder, source=lambda path: Path("/reach") / path.name, filters=filters, driver=driver)
    values = {"argv": ["{python}", "{tree}", "x{tree}", "{worker}"], "resources": Resources(disk_mb=7, pids=9), **options}
    return confinement.process(where or place(), Order(**values))  # type: ignore[arg-type]


def test_arguments_are_the_arms_own(tmp_path: Path) -> None:
    argv = describe(tmp_path).argv
    assert argv[argv.index("--") + 1 :] == ("/env/bin/python", "/repo", "x{tree}", "/isobench/worker.py")


@pytest.mark.parametrize(
    ("writable", "option", "user", "filter_name"),
    [(False, "--ro-bind", 61002, "run.bpf"), (True, "--bind", 61001, "build.bpf")],
)
def test_only_builds_write(tmp_path: Path, writable: bool, option: str, user: int, filter_name: str) -> None:
    process = describe(tmp_path, writable=writable)
    assert process.argv[process.argv.index("/sessions/1/tree") - 1] == option
    assert process.user == user
    assert dict(process.descriptors) == {str(tmp_path / filter_name): 99}
    assert ("--seccomp", "99") in pairwise(process.argv)


def test_network_is_cut_unless_asked_for(tmp_path: Path) -> None:
    closed, opened = describe(tmp_path / "closed").argv, describe(tmp_path / "opened", network=True).argv
    assert "--unshare-net" in closed
    assert "/etc/resolv.conf" not in closed
    assert "--unshare-net" not in opened
    assert "/etc/resolv.conf" in opened


def test_order_of_mounts(tmp_path: Path) -> None:
    argv = describe(tmp_path).argv
    positions = [argv.index(text) for text in ("/tmp", "/usr", "/env", "/proc", "/dev/shm", "/repo", "--remount-ro")]
    assert positions == sorted(positions)
    assert [after for before, after in pairwise(argv) if before == "--remount-ro"] == ["/dev", "/"]


GPUS = tuple(Gpu(index=i, uuid=f"GPU-{i}", name="H100", memory_mb=1, driver="1", minor=3 - i) for i in (1, 3))


def test_gpus_are_bound_by_their_minor_number_and_numbered_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "libraries", lambda: (Path("/usr/lib/x"), Path("/lib/x"), Path("/opt/driver/lib")))
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
        (tmp_path / "dev" / name).chmod(0o666)
    process = describe(tmp_path, gpus=GPUS, variables={"CUDA_VISIBLE_DEVICES": "7"})
    argv = process.argv
    bound = [argv[index + 2] for index, word in enumerate(argv) if word == "--dev-bind"]
    assert bound == ["/dev/nvidia2", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"]
    assert argv.index("--dev") < argv.index("--dev-bind") < argv.index("--remount-ro")
    assert "--ro-bind /opt/driver/lib /opt/driver/lib" in " ".join(argv)
    assert "/lib/x" not in argv
    assert "--setenv CUDA_VISIBLE_DEVICES 0,1 --setenv CUDA_DEVICE_ORDER PCI_BUS_ID" in " ".join(argv)
    assert dict(process.descriptors) == {str(tmp_path / "gpu.bpf"): 99}


def test_nothing_of_the_driver_is_shown_without_gpus(tmp_path: Path) -> None:
    text = " ".join(describe(tmp_path).argv)
    assert not any(word in text for word in ("nvidia", "CUDA", "--dev-bind"))


def test_environment_is_bound_from_where_it_can_be_reached(tmp_path: Path) -> None:
    argv = " ".join(describe(tmp_path).argv)
    assert f"--ro-bind /reach/abc /env --symlink /env {HOME}" in argv
    assert f"--ro-bind /reach/python {PREFIX}" in argv


@pytest.mark.parametrize("environment", [PREFIX / "envs" / "abc", Path("/tmp/abc"), Path("/usr/share/abc")])
def test_environment_keeps_its_name_only_where_there_is_room(tmp_path: Path, environment: Path) -> None:
    argv = describe(tmp_path, where=place(environment)).argv
    assert "/env" not in [after for before, after in pairwise(argv) if before == "--symlink"]


def test_variables_are_clean(tmp_path: Path) -> None:
    argv = describe(tmp_path, where=place(variables={"LANG": "de_DE", "A": "1"}, pythonpath=(".", "src")), variables={"A": "2"}).argv
    told = {argv[index + 1]: argv[index + 2] for index, word in enumerate(argv) if word == "--setenv"}
    assert "--clearenv" in argv
    assert told == {
        "PATH": "/env/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "LANG": "de_DE",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "/repo:/repo/src",
        "A": "2",
    }


def test_old_version_gets_only_what_it_knows(tmp_path: Path) -> None:
    old = describe(tmp_path / "old", program=Program("/usr/bin/bwrap", frozenset())).argv
    assert not {"--size", "--disable-userns"} & set(old)
    new = describe(tmp_path / "new").argv
    assert [after for before, after in pairwise(new) if before == "--size"] == [str(7 * 2**20)] * 2


def test_files_for_etc_are_readable(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        describe(tmp_path)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "etc").iterdir()} == {0o644}
    assert stat.S_IMODE((tmp_path / "etc").stat().st_mode) == 0o755


def test_missing_program_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert bubblewrap.find(None) == "bubblewrap is not installed (apt install bubblewrap)"


def test_failing_program_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "#!/bin/sh\n[ $1 = --help ] || { echo 'bwrap: No permissions to create new namespace' >&2; exit 1; }\n"
    (tmp_path / "bwrap").write_text(script)
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bubblewrap.find(None) == "bubblewrap does not work here (bwrap: No permissions to create new namespace)"


def test_limits_follow_the_resources() -> None:
    assert limits(Resources(memory_mb=100, disk_mb=3), processes=12) == {
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 4096,
        "RLIMIT_NPROC": 12,
        "RLIMIT_FSIZE": 3 * 2**20,
        "RLIMIT_AS": 200 * 2**20,
    }


def test_address_space_of_gpu_users_has_no_limit() -> None:
    assert "RLIMIT_AS" not in limits(Resources(gpus=1), processes=12)


@pytest.mark.skipif(seccomp.obstacle() is not None, reason="no libseccomp")
def test_filters_differ_by_the_cores(tmp_path: Path) -> None:
    for pinned in (False, True):
        seccomp.write_filter(tmp_path / str(pinned), pinned=pinned)
    sizes = [(tmp_path / str(pinned)).stat().st_size for pinned in (False, True)]
    assert 0 < sizes[0] < sizes[1]
    assert all(size % 8 == 0 for size in sizes), "instructions of eight bytes"


def test_missing_libseccomp_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyseccomp", None)
    assert "apt install libseccomp2" in (seccomp.obstacle() or "")


def test_what_is_installed_for_the_base_interpreter_is_hidden(tmp_path: Path) -> None:
    installed = tmp_path / "python" / "lib" / "python3.12" / "site-packages"
    installed.mkdir(parents=True)
    argv = describe(tmp_path / "session", where=replace(place(), prefixes=(tmp_path / "python",))).argv
    at = argv.index(str(installed))
    assert argv[at - 2 : at] == ("--ro-bind", str(tmp_path / "session" / "empty"))
    assert argv.index(str(tmp_path / "python")) < at


def test_further_folders_are_shown_as_they_are(tmp_path: Path) -> None:
    installed = tmp_path / "program" / "lib" / "python3.12" / "site-packages"
    installed.mkdir(parents=True)
    argv = describe(tmp_path / "session", where=replace(place(), folders=(tmp_path / "program",))).argv
    at = argv.index(str(tmp_path / "program"))
    assert argv[at - 2 : at + 1] == ("--ro-bind", "/reach/program", str(tmp_path / "program"))
    assert str(installed) not in argv
