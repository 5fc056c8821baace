from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_isobench.dataset.cache import Cache, key_of, tree_digest
from pytest_isobench.errors import SourceError

BUILDER = """
import sys, time
from pathlib import Path
from pytest_isobench.dataset.cache import Cache

root, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def build(folder):
    (folder / "half").write_text("x")
    with log.open("a") as file:
        file.write("started\\n")
    time.sleep(seconds)
    (folder / "whole").write_text("x")
    return {"by": "process"}

print(Cache(root).get("kind", "key", build).facts["by"])
"""


def start(root: Path, log: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", BUILDER, str(root), str(log), str(seconds)], stdout=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def fill(folder: Path) -> dict[str, str]:
    (folder / "file").write_text("content")
    return {"fact": "true"}


def refuse(folder: Path) -> dict[str, str]:
    raise AssertionError(f"built again: {folder}")


def test_an_entry_is_built_once(cache: Cache) -> None:
    first = cache.get("kind", "key", fill)
    assert (first.path / "file").read_text() == "content"
    assert first.facts == {"fact": "true"}
    assert cache.get("kind", "key", refuse) == first
    assert Cache(cache.root).get("kind", "key", refuse) == first


def test_a_build_that_fails_leaves_nothing_behind(cache: Cache) -> None:
    def fail(folder: Path) -> dict[str, str]:
        fill(folder)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get("kind", "key", fail)
    assert list((cache.root / "kind" / "key").iterdir()) == []
    assert cache.get("kind", "key", fill).facts == {"fact": "true"}


def test_a_builder_that_is_killed_is_replaced(cache: Cache, tmp_path: Path) -> None:
    log = tmp_path / "log"
    victim = start(cache.root, log, 600)
    wait_for(log.exists)
    waiting = start(cache.root, log, 0)
    time.sleep(0.2)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert waiting.communicate(timeout=60)[0] == "process\n"
    assert log.read_text() == "started\nstarted\n"
    entry = cache.get("kind", "key", refuse)
    assert {path.name for path in entry.path.iterdir()} == {"half", "whole"}
    assert [path for path in entry.path.parent.iterdir() if path.is_dir()] == [entry.path], "what the first one made is gone"


def test_processes_that_ask_at_once_build_once(cache: Cache, tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [start(cache.root, log, 0.3) for _ in range(4)]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["process\n"] * 4
    assert log.read_text() == "started\n"


@pytest.mark.parametrize("marker", [b"", b"{", b"\xff", b"[]", b"{}", b"17", b'{"folder": "x"}'])
def test_a_torn_marker_is_no_marker(cache: Cache, marker: bytes) -> None:
    entry = cache.get("kind", "key", fill)
    (entry.path.parent / ".ready").write_bytes(marker)
    assert cache.get("kind", "key", fill) != entry
    assert not entry.path.exists()


def test_what_a_crash_of_the_machine_lost_is_built_again(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = cache.get("kind", "key", fill)
    private = cache.get("kind", "private", fill, private=True)
    monkeypatch.setattr("pytest_isobench.dataset.cache._boot", lambda: "another")
    assert cache.get("kind", "key", refuse) == entry
    for path in (entry.path, private.path):
        (path / "file").write_text("")
    assert (cache.get("kind", "key", fill).path / "file").read_text() == "content"
    assert cache.get("kind", "private", refuse, private=True) == private


def test_the_rest_of_a_build_is_removed_whatever_its_modes(cache: Cache) -> None:
    place = cache.root / "kind" / "key"
    (place / "rest" / "locked").mkdir(parents=True)
    (place / "rest" / "locked" / "file").touch()
    (place / "rest" / "locked").chmod(0o000)
    (place / "file").touch()
    (place / "link").symlink_to("rest")
    entry = cache.get("kind", "key", fill)
    assert {path.name for path in place.iterdir()} == {entry.path.name, ".ready"}


def test_other_users_may_read_and_nobody_may_write(cache: Cache) -> None:
    def private(folder: Path) -> dict[str, str]:
        (folder / "inner").mkdir(mode=0o700)
        for name, mode in (("inner/file", 0o600), ("program", 0o4700), ("open", 0o666)):
            (folder / name).touch()
            (folder / name).chmod(mode)
        (folder / "link").symlink_to("nowhere")
        return {}

    umask = os.umask(0o077)
    try:
        entry = cache.get("kind", "key", private)
    finally:
        os.umask(umask)
    modes = {name: (entry.path / name).stat().st_mode & 0o7777 for name in ("", "inner", "inner/file", "program", "open", "../.ready")}
    assert modes == {"": 0o755, "inner": 0o755, "inner/file": 0o644, "program": 0o755, "open": 0o644, "../.ready": 0o644}
    assert [folder.stat().st_mode & 0o777 for folder in (cache.root, *entry.path.parents[:2])] == [0o755] * 3


def test_a_private_entry_stays_private(cache: Cache) -> None:
    assert cache.get("kind", "key", fill, private=True).path.stat().st_mode & 0o777 == 0o700


def test_a_disk_that_refuses_is_the_machines_failure(cache: Cache) -> None:
    def full(folder: Path) -> dict[str, str]:
        with open("/dev/full", "w") as file:
            file.write("x" * 100_000)
        return {}

    with pytest.raises(SourceError, match=r"No space left on device; set ISOBENCH_CACHE to a folder with room"):
        cache.get("kind", "key", full)
    (cache.root / "blocked").touch()
    with pytest.raises(SourceError, match="cannot be used"):
        cache.get("blocked", "key", fill)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's right to write everywhere")
def test_a_read_only_folder_is_the_machines_failure(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    file = os.open(tmp_path, os.O_RDONLY)
    os.seteuid(65534)
    try:
        with pytest.raises(SourceError, match=r"Permission denied.*set ISOBENCH_CACHE"):
            Cache(Path(f"/proc/self/fd/{file}/cache")).get("kind", "key", fill)
    finally:
        os.seteuid(0)
        os.close(file)


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISOBENCH_CACHE", str(tmp_path))
    assert Cache.default().root == tmp_path
    monkeypatch.delenv("ISOBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert Cache.default().root == Path("/var/cache/isobench")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert Cache.default().root == tmp_path / "isobench"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Cache.default().root == tmp_path / "home/.cache/isobench"


def test_keys_tell_content_apart() -> None:
    keys = {key_of("a", "b"), key_of("ab"), key_of("a", ["b"]), key_of("a", None), key_of({"a": 1, "b": 2})}
    assert len(keys) == 5
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})


def change_content(folder: Path) -> None:
    (folder / "a").write_text("other")


def change_name(folder: Path) -> None:
    (folder / "a").rename(folder / "b")


def make_executable(folder: Path) -> None:
    (folder / "a").chmod(0o755)


def add_folder(folder: Path) -> None:
    (folder / "empty").mkdir()


def add_link(folder: Path) -> None:
    (folder / "link").symlink_to("a")


def replace_by_link(folder: Path) -> None:
    (folder / "a").unlink()
    (folder / "a").symlink_to("text")


@pytest.mark.parametrize("change", [change_content, change_name, make_executable, add_folder, add_link, replace_by_link])
def test_a_digest_shows_every_change(tmp_path: Path, change: Callable[[Path], None]) -> None:
    (tmp_path / "a").write_text("text")
    before = tree_digest(tmp_path)
    assert tree_digest(tmp_path) == before
    change(tmp_path)
    assert tree_digest(tmp_path) != before


def test_a_digest_leaves_out_what_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_text("text")
    before = tree_digest(tmp_path)
    for folder in (tmp_path, tmp_path / "inner"):
        (folder / ".git").mkdir()
        (folder / ".git" / "HEAD").touch()
    assert tree_digest(tmp_path, skip={".git"}) == before
