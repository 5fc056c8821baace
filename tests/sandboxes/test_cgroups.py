"""Control groups: where they can be made, what is written into them, and their end."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_isobench.models.task import Resources
from pytest_isobench.sandboxes import cgroups
from pytest_isobench.sandboxes.cgroups import ControlGroups, Hierarchy

EVERYTHING = frozenset(cgroups.WANTED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Looks like a version 1 group that holds two cores."""
    (tmp_path / "cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset.mems").write_text("0\n")
    return tmp_path


def written(group: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in group.iterdir()}


def test_version_1_limits(folder: Path) -> None:
    groups = ControlGroups([Hierarchy(folder, EVERYTHING, unified=False)])
    assert groups.make("arm", Resources(memory_mb=100, pids=10), (1,), 3) == (str(folder / "arm"),)
    assert written(folder / "arm") == {"memory.limit_in_bytes": "104857600", "pids.max": "13", "cpuset.mems": "0\n", "cpuset.cpus": "1"}


def test_version_1_without_cores_uses_all(folder: Path) -> None:
    ControlGroups([Hierarchy(folder, frozenset({"cpuset"}), unified=False)]).make("arm", Resources(), (), 0)
    assert written(folder / "arm")["cpuset.cpus"] == "0-1\n"


def test_version_2_limits(tmp_path: Path) -> None:
    (tmp_path / "arm").mkdir()
    (tmp_path / "arm" / "memory.swap.max").write_text("max")
    groups = ControlGroups([Hierarchy(tmp_path, EVERYTHING, unified=True)])
    groups.make("arm", Resources(memory_mb=100, pids=10), (0, 1), 3)
    assert written(tmp_path / "arm") == {"memory.max": "104857600", "memory.swap.max": "0", "pids.max": "13", "cpuset.cpus": "0,1"}


def test_limits_can_be_changed(folder: Path) -> None:
    groups = ControlGroups([Hierarchy(folder, frozenset({"pids"}), unified=False)])
    for pids in (10, 20):
        groups.make("arm", Resources(pids=pids), (), 0)
    assert written(folder / "arm") == {"pids.max": "20"}


def test_without_hierarchies_there_is_nothing_to_join() -> None:
    assert ControlGroups([]).make("arm", Resources(), (), 0) == ()
    assert not cgroups.limited([])
    assert not cgroups.pinned([])


@pytest.mark.parametrize(
    ("controllers", "limited"),
    [({"memory", "pids"}, True), ({"memory"}, False), ({"freezer", "pids"}, False)],
)
def test_limited_needs_memory_and_processes(controllers: set[str], limited: bool) -> None:
    hierarchies = [Hierarchy(Path("/x"), frozenset({name}), unified=False) for name in controllers]
    assert cgroups.limited(hierarchies) is limited


MOUNTINFO = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / {folder}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 /docker/abc {folder}/memory rw - cgroup cgroup rw,memory
34 31 0:31 / {folder}/pids rw - cgroup cgroup rw,pids
35 31 0:32 / {folder}/blkio rw - cgroup cgroup rw,blkio
"""
MEMBERSHIP = """\
5:blkio:/elsewhere
4:cpu,cpuacct:/mine
3:memory:/docker/abc/inner
2:pids:/not/shown
"""


def test_groups_stand_below_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_usable", lambda _: True)
    found = cgroups.find(MOUNTINFO.format(folder=tmp_path), MEMBERSHIP.replace("/not/shown", "/"))
    assert {hierarchy.folder: set(hierarchy.controllers) for hierarchy in found} == {
        tmp_path / "cpu,cpuacct" / "mine": {"cpuacct"},
        tmp_path / "memory" / "inner": {"memory"},
        tmp_path / "pids": {"pids"},
    }


def test_what_cannot_be_tried_is_not_used(tmp_path: Path) -> None:
    assert cgroups.find(MOUNTINFO.format(folder=tmp_path), MEMBERSHIP) == ()


def test_second_mount_of_a_hierarchy_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_usable", lambda hierarchy: "hidden" not in str(hierarchy.folder))
    folders = [tmp_path / "hidden", tmp_path / "first", tmp_path / "second"]
    lines = [f"34 31 0:31 / {folder} rw - cgroup cgroup rw,pids" for folder in folders]
    assert [hierarchy.folder for hierarchy in cgroups.find("\n".join(lines), "2:pids:/")] == [tmp_path / "first"]


def test_version_2_stands_at_the_top_with_what_is_enabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_usable", lambda _: True)
    (tmp_path / "cgroup.subtree_control").write_text("")
    mount = f"41 31 0:38 / {tmp_path} rw - cgroup2 cgroup2 rw"
    (found,) = cgroups.find(mount, "0::/user.slice/session-1.scope")
    assert (found.folder, found.unified) == (tmp_path, True)
    assert found.controllers >= {"freezer", "cpuacct"}


def test_dissolving_kills_what_is_inside_even_frozen() -> None:
    hierarchies = cgroups.find()
    if not hierarchies:
        pytest.skip("no control groups can be made here")
    groups = [Path(group) for group in ControlGroups(hierarchies).make(f"isobench-test-{os.getpid()}", Resources(), (), 0)]
    with subprocess.Popen(["sleep", "600"]) as process:
        for group in groups:
            (group / "cgroup.procs").write_text(str(process.pid))
        for state, frozen in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
            for file in [group / state for group in groups if (group / state).exists()]:
                file.write_text(frozen)
        cgroups.dissolve(groups)
        assert process.wait(timeout=10) == -9
    assert [group for group in groups if group.exists()] == []
    cgroups.dissolve(groups)


def test_a_member_that_is_just_ending_is_nobody_to_kill(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("0\n")
    assert cgroups._members(tmp_path) == []


def test_probes_of_several_threads_leave_each_other_alone() -> None:
    own = cgroups.find()
    with ThreadPoolExecutor(4) as threads:
        assert [*threads.map(lambda _: cgroups.find(), range(8))] == [own] * 8
