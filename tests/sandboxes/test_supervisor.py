"""The supervisor, driven through its client with plain processes: the clock, the private pipe, freezing, commands, the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import pytest
from leftovers import still_running

import pytest_isobench.workloads
from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes.base import Process, Turn
from pytest_isobench.sandboxes.supervision import SupervisorClient
from pytest_isobench.sandboxes.supervisor import belongs, scan

WORKER = Path(pytest_isobench.workloads.__file__).with_name("worker.py")
CORE = max(os.sched_getaffinity(0))


@pytest.fixture
def supervisor() -> Iterator[SupervisorClient]:
    client = SupervisorClient.launch()
    yield client
    client.close()


def process(*argv: str, keep: bool = True, cores: tuple[int, ...] = (CORE,), **limits: int) -> Process:
    environment = {"PATH": os.environ["PATH"]}
    return Process(argv=argv, environment=environment, directory="/tmp", cores=cores, keep=keep, limits=limits)


def start(supervisor: SupervisorClient, name: str, source: str, *, keep: bool = True) -> str:
    """Start a worker and load a workload into it; the status of the load."""
    supervisor.start(name, process(sys.executable, "-I", str(WORKER), keep=keep))
    request = json.dumps({"source": source, "filename": "workload.py", "paths": []}).encode()
    return supervisor.ask(name, "load", request, timeout=20).status


SQUARE = "def inputs(rng): return rng.randrange(10**9)\ndef run(x): return x * x"


def play(supervisor: SupervisorClient, inputs: object, *names: str, timeout: float = 5, turns: int = 1) -> list[dict]:
    return supervisor.turns([Turn(order=names, inputs=json.dumps(inputs).encode())] * turns, timeout=timeout)


def test_answers_carry_the_work_and_the_time(supervisor):
    assert start(supervisor, "a", SQUARE) == "ok"
    inputs = json.loads(supervisor.ask("a", "inputs", b'{"seed": "s", "count": 3}', timeout=5).payload)
    assert len(set(inputs)) == 3
    (turn,) = play(supervisor, inputs, "a")
    assert json.loads(turn["a"].payload) == [x * x for x in inputs]
    assert turn["a"].seconds > 0
    assert turn["a"].prepare > 0


def test_inputs_depend_on_the_seed_alone(supervisor):
    start(supervisor, "a", SQUARE)
    first, again, other = (
        supervisor.ask("a", "inputs", json.dumps({"seed": seed, "count": 4}).encode(), timeout=5).payload for seed in ("s", "s", "t")
    )
    assert first == again != other


def test_time_is_the_candidates_sleep_not_its_word(supervisor):
    source = "import time\nreal = time.sleep\ntime.perf_counter = time.monotonic = time.time = lambda: 0.0\ndef run(x): real(x)"
    start(supervisor, "a", source)
    (turn,) = play(supervisor, [0.05], "a")
    assert turn["a"].seconds >= 0.05


@pytest.mark.soak
@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("def run(x): raise ValueError('no')", "exception"),
        ("import sys\ndef run(x): sys.exit(0)", "exception"),
        ("import os\ndef run(x): os._exit(0)", "exited"),
        ("import os\ndef run(x): os.abort()", "exited"),
        ("def run(x):\n    while True: pass", "timed_out"),
        ("import time\ndef run(x): time.sleep(60)", "timed_out"),
        ("def run(x): return 'x' * (65 * 2**20)", "oversized"),
        ("def run(x): return object()", "exception"),
        ("import os\ndef run(x): os.write(4, b'junk' * 20)", "protocol"),
    ],
)
def test_every_way_to_fail_has_its_status(supervisor, source, status):
    assert start(supervisor, "a", source) == "ok"
    assert start(supervisor, "b", SQUARE) == "ok"
    (turn,) = play(supervisor, [2], "a", "b", timeout=5 if status == "oversized" else 0.5)
    assert turn["a"].status == status
    assert turn["b"].status == "ok"


def test_a_failed_arm_sits_out_the_rest(supervisor):
    start(supervisor, "a", "import os\ndef run(x): os._exit(3)")
    start(supervisor, "b", SQUARE)
    turns = play(supervisor, [2], "a", "b", turns=3)
    assert [sorted(turn) for turn in turns] == [["a", "b"], ["b"], ["b"]]
    assert "status 3" in turns[0]["a"].detail


def test_unasked_bytes_after_the_answer_are_seen(supervisor):
    source = """
import os, threading, time
def late():
    time.sleep(0.02)
    for fd in range(4, 9):
        try: os.write(fd, b"0" * 25)
        except OSError: pass
def run(x):
    threading.Thread(target=late).start()
    time.sleep(0.05)
    return x
"""
    start(supervisor, "a", source)
    assert play(supervisor, [1], "a")[0]["a"].status == "protocol"


def test_an_arm_is_frozen_while_it_is_not_its_turn(supervisor):
    spinner = """
import threading
def spin():
    while True: pass
def run(x):
    threading.Thread(target=spin, daemon=True).start()
    return x
"""
    sleeper = "import time\ndef run(x): time.sleep(0.1)"
    start(supervisor, "spinner", spinner)
    start(supervisor, "sleeper", sleeper)
    turns = play(supervisor, [1], "spinner", "sleeper", turns=4)
    assert max(turn["spinner"].stolen for turn in turns) < 0.02
    assert supervisor.stop(["spinner"])["spinner"].returncode is None


def test_children_of_a_frozen_arm_are_frozen_too(supervisor, tmp_path):
    ticks = tmp_path / "ticks"
    source = f"""
import os, subprocess
def run(x):
    subprocess.Popen(["sh", "-c", "setsid sh -c 'while :; do echo x >> {ticks}; sleep 0.005; done' &"])
"""
    start(supervisor, "a", source)
    play(supervisor, [1], "a")
    time.sleep(0.05)
    before = ticks.stat().st_size if ticks.exists() else 0
    time.sleep(0.2)
    assert (ticks.stat().st_size if ticks.exists() else 0) == before
    remains = supervisor.stop(["a"])["a"]
    assert remains.processes >= 1


def test_a_process_in_the_middle_of_starting_another_one_can_be_frozen(supervisor, tmp_path):
    """Until a child of vfork(2) runs its program, its parent cannot be stopped: neither can go on while the child is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    actions = f"[(os.POSIX_SPAWN_OPEN, 5, {str(pipe)!r}, os.O_RDONLY, 0)]"
    spawn = f"import os; os.posix_spawn('/bin/true', ['true'], {{}}, file_actions={actions})"
    source = f"""
import subprocess, sys, time
def run(x):
    child = subprocess.Popen([sys.executable, "-c", {spawn!r}])
    while open(f"/proc/{{child.pid}}/stat").read().rpartition(")")[2].split()[0] != "D":
        time.sleep(0.01)
"""
    start(supervisor, "a", source)
    assert play(supervisor, [1], "a")[0]["a"].status == "ok"
    assert supervisor.stop(["a"])["a"].returncode is None


def test_what_it_prints_goes_to_the_log(supervisor):
    start(supervisor, "a", "def run(x):\n    print('{\"seconds\": 0}')\n    return x")
    assert play(supervisor, [7], "a")[0]["a"].payload == b"[7]"
    assert '{"seconds": 0}' in supervisor.stop(["a"])["a"].log


def test_leaving_the_cores_is_noted(supervisor):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores to leave one for the other")
    start(supervisor, "a", "import os\ndef run(x): os.sched_setaffinity(0, range(os.cpu_count()))")
    start(supervisor, "b", SQUARE)
    play(supervisor, [1], "a", "b")
    remains = supervisor.stop(["a", "b"])
    assert (remains["a"].notes, remains["b"].notes) == (("left_cores",), ())


def test_a_command_runs_to_its_end(supervisor):
    result = supervisor.run(process("sh", "-c", "cat; echo error >&2; exit 3"), stdin=b"given", timeout=5)
    assert (result.returncode, result.stdout, result.stderr, result.timed_out) == (3, b"given", b"error\n", False)


def test_output_is_streamed_and_bounded(supervisor):
    seen: list[tuple[str, bytes]] = []
    command = process("sh", "-c", "echo one; sleep 0.1; echo two >&2; yes | head -c 300000")
    result = supervisor.run(command, timeout=10, output_limit=1000, on_output=lambda stream, data: seen.append((stream, data)))
    assert seen[0] == ("stdout", b"one\n")
    assert ("stderr", b"two\n") in seen
    assert (len(result.stdout), result.truncated) == (1000, True)


@pytest.mark.parametrize("keep", [True, False])
def test_a_time_limit_kills_the_whole_tree(supervisor, keep):
    tag = f"7654{os.getpid()}"
    result = supervisor.run(process("sh", "-c", f"sh -c 'sleep {tag}' & sleep {tag}", keep=keep), timeout=0.3)
    assert result.timed_out
    assert not [p for p in psutil.process_iter(["cmdline"]) if tag in (p.info["cmdline"] or [])]


def test_a_keeper_kills_what_has_escaped_into_its_own_session(supervisor):
    tag = f"8654{os.getpid()}"
    result = supervisor.run(process("sh", "-c", f"setsid sleep {tag} & exit 0"), timeout=5)
    assert result.returncode == 0
    assert not [p for p in psutil.process_iter(["cmdline"]) if tag in (p.info["cmdline"] or [])]


def test_a_missing_program_is_named(supervisor):
    with pytest.raises(SandboxError, match="no-such-program"):
        supervisor.run(process("/no-such-program", keep=False), timeout=5)
    assert supervisor.run(process("true"), timeout=5).returncode == 0


def test_a_lost_supervisor_is_a_machine_failure(supervisor):
    start(supervisor, "a", SQUARE)
    os.kill(supervisor._channel._process.pid, signal.SIGKILL)
    with pytest.raises(SandboxError, match="ended with status -9"):
        supervisor.ask("a", "echo", b"", timeout=5)


def test_nothing_survives_the_controller():
    script = f"""
import json, os, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pytest_isobench.sandboxes.supervision import SupervisorClient
from pytest_isobench.sandboxes.base import Process
client = SupervisorClient.launch()
client.start("a", Process(argv=(sys.executable, "-I", {str(WORKER)!r}), environment={{}}, directory="/tmp", keep=True))
client.ask("a", "load", json.dumps({{"source": "def run(x):\\n    while True: pass", "filename": "w", "paths": []}}).encode(), timeout=20)
print(client._channel._process.pid, flush=True)
from pytest_isobench.sandboxes.base import Turn
client.turns([Turn(order=("a",), inputs=b"[1]")], timeout=60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as controller:
        assert controller.stdout is not None
        supervisor = psutil.Process(int(controller.stdout.readline()))
        time.sleep(0.3)
        family = [supervisor, *supervisor.children(recursive=True)]
        assert len(family) >= 3
        controller.kill()
    assert still_running(family) == []


def test_the_request_itself_costs_next_to_nothing(supervisor):
    start(supervisor, "a", "def run(x):\n    return sum(range(x))", keep=False)
    echo = median(supervisor.ask("a", "echo", b"", timeout=5).seconds for _ in range(30))
    work = median(turn["a"].seconds for turn in play(supervisor, [3_000_000], "a", turns=5))
    assert echo < work / 20


MESS = """
import os
os.makedirs(os.environ["TMPDIR"] + "/" + "/".join("d" * 40))
os.mkdir(os.environ["TMPDIR"] + "/closed", 0)
for number in range(3):
    open(f"{os.environ['SHARED']}/mine{number}", "w").close()
os.mkdir(os.environ["SHARED"] + "/folder", 0)
"""


def test_what_a_process_leaves_is_swept_up_and_what_others_left_is_not(supervisor, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, for files of different users")
    tmp_path = Path(tempfile.mkdtemp())
    shared, temporary = tmp_path / "shared", tmp_path / "own"
    for folder in (tmp_path, shared):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o1777)
    (shared / "others").touch()
    variables = {"PATH": os.environ["PATH"], "TMPDIR": str(temporary), "SHARED": str(shared)}
    argv = ("/usr/bin/python3", "-I", "-c", MESS)
    swept = (str(shared), "/nonexistent")
    messy = Process(argv=argv, environment=variables, directory="/", user=61180, temporary=str(temporary), swept=swept)
    for _ in range(2):
        result = supervisor.run(messy, timeout=20)
        assert (result.returncode, result.stderr) == (0, b"")
        assert [path.name for path in shared.iterdir()] == ["others"]
        assert not temporary.exists()
    shutil.rmtree(tmp_path)


def test_a_file_that_is_gone_meanwhile_is_nobodys(tmp_path):
    (tmp_path / "file").touch()
    [entry] = scan(str(tmp_path))
    (tmp_path / "file").unlink()
    assert not belongs(entry, os.getuid())
