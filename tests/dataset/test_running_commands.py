from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_isobench.dataset.commands import run
from pytest_isobench.errors import SourceError

START_AND_DIE = """
import os, sys
from pytest_isobench.dataset.commands import run
run(["sh", "-c", sys.argv[1]], environment=os.environ)
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_gone(pid: Path) -> bool:
    """Whether a process has ended, be it that nobody has asked for its status."""
    try:
        return ") Z " in Path(f"/proc/{pid.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("keep", [True, False])
def test_what_a_program_says_and_how_it_ends(tmp_path: Path, keep: bool) -> None:
    script = "cat; pwd; echo oops >&2; touch made; exit 7"
    done = run(["sh", "-c", script], environment={**os.environ, "A": "b"}, folder=tmp_path, keep=keep)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"{tmp_path}\n", "oops\n")
    assert done.tail() == f"{tmp_path}\noops"
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o644


def test_a_signal_is_a_failure() -> None:
    assert run(["sh", "-c", "kill -9 $$"], environment=os.environ).returncode == 137


def test_a_program_that_is_not_there() -> None:
    done = run(["/nonexistent/program"], environment=os.environ)
    assert (done.returncode, done.stderr) == (1, "/nonexistent/program cannot be started: No such file or directory\n")
    with pytest.raises(SourceError, match="/nonexistent/program cannot be started: No such file or directory"):
        run(["/nonexistent/program"], environment=os.environ, keep=False)


@pytest.mark.parametrize("keep", [True, False])
def test_a_program_that_takes_too_long(tmp_path: Path, keep: bool) -> None:
    with pytest.raises(SourceError, match=r"sh -c .* took more than 0 s"):
        run(["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid; wait"], environment=os.environ, timeout=0.4, keep=keep)
    wait_for(lambda: is_gone(tmp_path / "pid"))


def test_nothing_goes_on_after_the_end(tmp_path: Path) -> None:
    run(["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid"], environment=os.environ)
    wait_for(lambda: is_gone(tmp_path / "pid"))


def test_nothing_goes_on_when_we_are_killed(tmp_path: Path) -> None:
    victim = subprocess.Popen([sys.executable, "-c", START_AND_DIE, f"sleep 600 & echo $! > {tmp_path}/pid; wait"])
    wait_for(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    wait_for(lambda: is_gone(tmp_path / "pid"))


def test_many_at_once(tmp_path: Path) -> None:
    said: list[str] = []

    def say(number: int) -> None:
        said.append(run(["echo", str(number)], environment=os.environ).stdout)

    threads = [threading.Thread(target=say, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == [f"{number}\n" for number in range(5)]
