"""Sessions: their folder, and what killed controllers leave behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_isobench.sandboxes import session, users
from pytest_isobench.sandboxes.session import OWNER, Owner, Session, reap


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep these tests away from the machine's own sessions."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def dead_owner(**changes: object) -> Owner:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    return Owner.me().model_copy(update={"pid": process.pid, "started": 1, **changes})


def leave(folder: Path, owner: Owner | str) -> Path:
    folder.mkdir()
    (folder / OWNER).write_text(owner if isinstance(owner, str) else owner.model_dump_json())
    return folder


def test_folder_can_be_entered_and_not_listed() -> None:
    opened = Session()
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o711
    opened.close()
    assert not opened.path.exists()
    opened.close()


def test_record_grows() -> None:
    opened = Session()
    opened.note(users=(61001,))
    opened.note(groups=("/sys/fs/cgroup/x",), users=(61002,))
    owner = Owner.model_validate_json((opened.path / OWNER).read_text())
    assert (owner.pid, owner.users, owner.cgroups) == (os.getpid(), (61001, 61002), ("/sys/fs/cgroup/x",))
    assert not owner.gone
    opened.note()
    session.remove(opened.path)


def test_stamp_never_lies_after_a_later_change(tmp_path: Path) -> None:
    opened = Session()
    stamp = opened.stamp()
    (tmp_path / "later").touch()
    assert stamp <= (tmp_path / "later").stat().st_ctime_ns
    opened.close()


def test_leftover_of_a_dead_controller_goes(temporary: Path) -> None:
    folder = leave(temporary / "isobench-box-dead", dead_owner())
    (folder / "locked").mkdir(mode=0o000)
    reap()
    assert not folder.exists()


@pytest.mark.parametrize(
    "owner",
    [
        Owner.me(),
        dead_owner(namespace="pid:[1]"),
        "not JSON",
        '{"pid": 1}',
    ],
    ids=["alive", "other pid namespace", "unreadable", "incomplete"],
)
def test_what_may_be_alive_stays(temporary: Path, owner: Owner | str) -> None:
    folder = leave(temporary / "isobench-box-other", owner)
    reap()
    assert folder.exists()


def test_number_taken_by_another_process_does_not_protect() -> None:
    assert Owner.me().model_copy(update={"started": 1}).gone


def test_another_boot_has_no_living_owner() -> None:
    assert Owner.me().model_copy(update={"boot": "another"}).gone
    assert dead_owner(boot="another", namespace="pid:[1]").gone


def test_folder_without_a_record_goes_when_it_is_old(temporary: Path) -> None:
    new, old = temporary / "isobench-box-new", temporary / "isobench-box-old"
    for folder in (new, old):
        folder.mkdir()
    os.utime(old, (time.time() - 2 * session.UNFINISHED,) * 2)
    reap()
    assert (new.exists(), old.exists()) == (True, False)


def test_other_folders_of_ours_are_left_alone(temporary: Path) -> None:
    leases = leave(temporary / "isobench-leases", dead_owner())
    os.utime(leases, (0, 0))
    reap()
    assert leases.exists()


def test_links_are_not_followed(temporary: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = leave(tmp_path_factory.mktemp("elsewhere") / "kept", dead_owner())
    (temporary / "isobench-box-link").symlink_to(target)
    reap()
    assert (target / OWNER).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make somebody else's folder")
def test_folders_of_others_are_left_alone(temporary: Path) -> None:
    folder = leave(temporary / "isobench-box-theirs", dead_owner())
    os.chown(folder, 1000, 1000)
    reap()
    assert folder.exists()


def test_processes_are_known_by_their_temporary_folder(temporary: Path) -> None:
    folder = leave(temporary / "isobench-box-dead", dead_owner())
    inside, outside = (
        subprocess.Popen(["sleep", "600"], env={"TMPDIR": place}) for place in (f"{folder}/temporary/1", f"{folder}-not/temporary/1")
    )
    reap()
    assert inside.wait(timeout=10) == -9
    assert outside.poll() is None
    outside.kill()
    outside.wait()


def test_odd_names_of_processes_hide_nothing(temporary: Path) -> None:
    folder = leave(temporary / "isobench-box-dead", dead_owner())
    rename = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'\\xff) Z 1 (\\n'); print('ready', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", rename], env={"TMPDIR": str(folder)}, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    assert users.tasks_of(None) >= 2
    reap()
    assert process.wait(timeout=10) == -9
    process.stdout.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run processes as another user")
def test_users_of_a_living_sandbox_are_not_touched(temporary: Path) -> None:
    claim = users.claim_any()
    leave(temporary / "isobench-box-dead", dead_owner(users=(claim.user,)))
    process = subprocess.Popen(["sleep", "600"], user=claim.user, cwd="/")
    reap()
    assert process.poll() is None
    claim.release()
    leave(temporary / "isobench-box-dead2", dead_owner(users=(claim.user,)))
    reap()
    assert process.wait(timeout=10) == -9


def test_deep_folders_are_removed(temporary: Path) -> None:
    folder = temporary / "deep"
    folder.mkdir()
    code = "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    session.remove(folder)
    assert not folder.exists()


def test_files_that_go_meanwhile_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(session, "SHARED", (str(tmp_path),))
    monkeypatch.setattr(session, "remove", lambda _: [folder.rmdir() for folder in folders])
    session._sweep(frozenset({os.getuid()}))
    assert list(tmp_path.iterdir()) == []


def test_folders_may_go_while_others_look_for_leftovers(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "glob", lambda *_: iter([tmp_path / "isobench-box-gone"]))
    assert reap() == []
