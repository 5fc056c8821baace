"""What a candidate may try against the supervisor itself, as the same user and without control groups: where it can do most."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_isobench.workloads
from pytest_isobench.sandboxes.base import Process, Turn
from pytest_isobench.sandboxes.supervision import SupervisorClient

WORKER = Path(pytest_isobench.workloads.__file__).with_name("worker.py")
CORE = max(os.sched_getaffinity(0))
HONEST = "def run(x): return x"


@pytest.fixture
def supervisor() -> Iterator[SupervisorClient]:
    client = SupervisorClient.launch()
    yield client
    client.close()


def process(*argv: str) -> Process:
    return Process(argv=argv, environment={"PATH": os.environ["PATH"]}, directory="/tmp", cores=(CORE,), keep=True)


def start(supervisor: SupervisorClient, name: str, source: str) -> None:
    supervisor.start(name, process(sys.executable, "-I", str(WORKER)))
    request = json.dumps({"source": source, "filename": "workload.py", "paths": []}).encode()
    assert supervisor.ask(name, "load", request, timeout=20).status == "ok"


def play(supervisor: SupervisorClient, *names: str, timeout: float = 2, turns: int = 2):
    return supervisor.turns([Turn(order=names, inputs=b"[1]")] * turns, timeout=timeout)


TAKES_BACK = """
import fcntl, os, threading, time
def take(path):
    with open(path, "rb", buffering=0) as pipe:
        while True:
            pipe.read(1)
def attack():
    for number in range(3, 9):
        path = f"/proc/self/fd/{number}"
        if os.path.exists(path) and os.readlink(path).startswith("pipe:") and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_WRONLY:
            for _ in range(8):
                threading.Thread(target=take, args=(path,), daemon=True).start()
def run(x):
    attack()
    time.sleep(0.1)
    return "x" * 10**6
"""

NAMED = """
import ctypes, os, time
ctypes.CDLL(None).prctl(15, b"\\xff\\xfe) Z 1\\n", 0, 0, 0)
if os.fork() == 0:
    time.sleep(100)
def run(x): return x
"""

WAKES = """
import os, signal
def run(x):
    pids = [os.getpid()]
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            while True:
                for other in range(os.getpid() - 6, os.getpid() + 6):
                    try:
                        os.kill(other, signal.SIGCONT)
                    except OSError:
                        pass
        pids.append(pid)
    return x
"""

HEADLESS = """
import ctypes, os, threading
def spin():
    while True: pass
def run(x):
    if os.fork() == 0:
        threading.Thread(target=spin).start()
        ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
    return x
"""


@pytest.mark.soak
def test_an_answer_that_is_taken_back_is_waited_for_no_longer_than_allowed(supervisor):
    start(supervisor, "thief", TAKES_BACK)
    start(supervisor, "honest", HONEST)
    begin = time.monotonic()
    played = play(supervisor, "thief", "honest", turns=4, timeout=1)
    assert played[-1].keys() == {"honest"}, "it was lucky four times"
    assert [turn["honest"].status for turn in played] == ["ok"] * 4
    assert time.monotonic() - begin < 30
    assert set(supervisor.stop(["thief", "honest"])) == {"thief", "honest"}


def test_a_process_may_have_any_name(supervisor):
    start(supervisor, "named", NAMED)
    assert play(supervisor, "named")[-1]["named"].status == "ok"
    assert supervisor.stop(["named"])["named"].processes >= 1
    assert supervisor.run(process("/bin/true"), timeout=9).returncode == 0


@pytest.mark.soak
@pytest.mark.parametrize("source", [WAKES, HEADLESS])
def test_processes_that_are_hard_to_stop_stand_still_or_are_seen_running(supervisor, source):
    start(supervisor, "restless", source)
    start(supervisor, "sleeper", "import time\ndef run(x): time.sleep(0.2)")
    played = play(supervisor, "restless", "sleeper", turns=3, timeout=9)
    assert [turn["sleeper"].status for turn in played] == ["ok"] * 3
    assert max(turn["restless"].stolen for turn in played) < 0.05
    supervisor.stop(["restless", "sleeper"])
    assert supervisor.run(process("/bin/true"), timeout=9).returncode == 0


def test_output_without_end_is_cut_off_in_time(supervisor):
    begin = time.monotonic()
    result = supervisor.run(process("/bin/sh", "-c", "exec yes"), timeout=0.5, output_limit=1000)
    assert result.timed_out
    assert result.truncated
    assert len(result.stdout) == 1000
    assert time.monotonic() - begin < 20


def test_output_that_is_taken_back_keeps_nobody_waiting(supervisor):
    code = TAKES_BACK.partition("def attack")[0] + (
        "for _ in range(8): threading.Thread(target=take, args=('/proc/self/fd/1',), daemon=True).start()\n"
        "for _ in range(20000): os.write(1, b'x')\n"
    )
    result = supervisor.run(process(sys.executable, "-c", code), timeout=20)
    assert len(result.stdout) <= 20000
    assert supervisor.run(process("/bin/true"), timeout=9).returncode == 0


def test_a_log_and_an_input_are_on_no_disk(supervisor):
    seen = supervisor.run(process("/bin/ls", "-l", "/proc/self/fd"), timeout=9).stdout.decode()
    assert "memfd:stdin" in seen
    start(supervisor, "a", "import os\ndef run(x): return os.readlink('/proc/self/fd/2')")
    assert "memfd:log" in play(supervisor, "a")[0]["a"].payload.decode()


def test_when_memory_runs_out_candidates_end_first(supervisor):
    score = supervisor.run(process("/bin/cat", "/proc/self/oom_score_adj"), timeout=9).stdout
    assert score.strip() == b"1000"
