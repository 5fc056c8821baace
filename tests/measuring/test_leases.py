import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench import gpus
from pytest_isobench.errors import NotEvaluableError, SandboxError
from pytest_isobench.gpus import Gpu
from pytest_isobench.measuring import leases
from pytest_isobench.measuring.leases import leasable_cores, lease_cores, lease_gpus, parse_cpu_list, physical_cores
from pytest_isobench.testing.gpus import ScriptedInventory

FOUR = ((0,), (1,), (2,), (3,))


def _gpu(index: int, name: str = "NVIDIA H100") -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name=name, memory_mb=80_000, driver="1")


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(leases, "physical_cores", lambda _allowed: FOUR)


@pytest.mark.parametrize(
    ("count", "cores", "leasable"),
    [
        (1, FOUR, (1, 2, 3)),
        (3, FOUR, (1, 2, 3)),
        (4, FOUR, (0, 1, 2, 3)),
        (1, ((0,),), (0,)),
        (1, ((0, 4), (1, 5)), (1,)),
        (2, ((0, 4), (1, 5)), (0, 1)),
        (1, ((3, 7), (5, 9)), (3, 5)),
    ],
)
def test_core_zero_is_left_for_the_system_where_possible(count, cores, leasable):
    assert leasable_cores(count, cores) == leasable


def test_more_cores_than_there_are_is_not_evaluable():
    with pytest.raises(NotEvaluableError, match="needs 5 physical cores; this process may use 4"):
        leasable_cores(5, FOUR)


def test_siblings_are_one_core(tmp_path):
    for cpu, siblings in {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}.items():
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert physical_cores({0, 1, 2, 3}, tmp_path) == ((0, 2), (1, 3))
    assert physical_cores({1, 2, 3}, tmp_path) == ((1, 3), (2,))


def test_a_system_without_topology_has_cores_without_siblings(tmp_path):
    assert physical_cores({0, 1}, tmp_path) == ((0,), (1,))


@given(st.sets(st.integers(0, 300), min_size=1))
def test_cpu_lists_are_read(cpus):
    ordered = sorted(cpus)
    assert parse_cpu_list(",".join(map(str, ordered))) == cpus
    assert parse_cpu_list(f"{ordered[0]}-{ordered[-1]}\n") == set(range(ordered[0], ordered[-1] + 1))


def test_two_leases_never_share_a_core(tmp_path, four_cores):
    with lease_cores(1, tmp_path) as first, lease_cores(2, tmp_path) as second:
        assert (first, second) == ((1,), (2, 3))
    with lease_cores(4, tmp_path) as every:
        assert every == (0, 1, 2, 3)


def test_a_waiter_is_told_so_and_gets_the_core_afterwards(tmp_path, four_cores):
    waits = []
    with ExitStack() as held:
        held.enter_context(lease_cores(3, tmp_path))

        def wait(seconds: float) -> None:
            waits.append(seconds)
            held.close()

        with lease_cores(2, tmp_path, wait) as cores:
            assert cores == (1, 2)
    assert waits == [leases.PAUSE]


def test_nothing_is_kept_when_a_wait_is_broken_off(tmp_path, four_cores):
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with lease_cores(1, tmp_path):
        with pytest.raises(KeyboardInterrupt), lease_cores(3, tmp_path, interrupt):
            pass
        with lease_cores(2, tmp_path) as cores:
            assert cores == (2, 3)


def test_a_big_request_is_not_starved_by_small_ones(tmp_path, four_cores):
    order, started = [], threading.Event()

    def big() -> None:
        started.set()
        with lease_cores(3, tmp_path):
            order.append("big")

    def small() -> None:
        with lease_cores(1, tmp_path):
            order.append("small")

    with lease_cores(1, tmp_path):
        threads = [threading.Thread(target=big), threading.Thread(target=small)]
        threads[0].start()
        started.wait()
        time.sleep(0.2)
        threads[1].start()
        time.sleep(0.2)
        assert order == [], "cores 2 and 3 are free, but the big request was first"
    for thread in threads:
        thread.join(10)
    assert order == ["big", "small"]


HOLD = """
import sys, time
from pathlib import Path
from pytest_isobench.measuring import leases
leases.physical_cores = lambda allowed: ((0,), (1,))
with leases.lease_cores(1, Path(sys.argv[1])) as cores:
    print(*cores, flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_loses_its_lease(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "physical_cores", lambda _allowed: ((0,), (1,)))
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "1\n"
        waits = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            holder.send_signal(signal.SIGKILL)
            holder.wait()

        with lease_cores(1, tmp_path, wait) as cores:
            assert cores == (1,)
    assert waits


def test_a_link_in_the_lock_s_place_is_refused(tmp_path, four_cores):
    (tmp_path / "core-turnstile.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SandboxError, match="cannot lease"), lease_cores(1, tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_is_the_machine_s_failure(tmp_path, four_cores):
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxError, match="cannot lease"), lease_cores(1, tmp_path / "file"):
        pass


def test_locks_are_readable_by_other_users(tmp_path, four_cores):
    before = os.umask(0o077)
    try:
        with lease_cores(1, tmp_path / "new"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o1777
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()} == {0o644}


def test_gpus_are_leased_by_their_identity(tmp_path):
    gpus = [_gpu(0, "Tesla T4"), _gpu(1), _gpu(2)]
    with lease_gpus(1, "H100", tmp_path, gpus=gpus) as first, lease_gpus(1, None, tmp_path, gpus=list(reversed(gpus))) as second:
        assert first == (gpus[1],)
        assert second == (gpus[2],)


def test_no_gpu_needed_is_no_lease(tmp_path):
    with lease_gpus(0, "H100", tmp_path, gpus=[]) as gpus:
        assert gpus == ()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_gpu_is_not_evaluable(tmp_path):
    gpus, message = [_gpu(0), _gpu(1, "Tesla T4")], r"needs 2 GPU\(s\) of model 'H100'; this machine has 1"
    with pytest.raises(NotEvaluableError, match=message), lease_gpus(2, "H100", tmp_path, gpus=gpus):
        pass


def test_hidden_gpus_are_not_leased(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "local_inventory", lambda: ScriptedInventory([_gpu(index) for index in range(4)]))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with lease_gpus(2, None, tmp_path) as found:
        assert [gpu.index for gpu in found] == [2, 3]
    message = r"needs 4 GPU\(s\); this machine has 2 \(CUDA_VISIBLE_DEVICES=2,3\)"
    with pytest.raises(NotEvaluableError, match=message), lease_gpus(4, None, tmp_path):
        pass


def test_all_or_none(tmp_path):
    """Who breaks off while it waits for its last device lets go of the others."""

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    eight = [_gpu(index) for index in range(8)]
    with lease_gpus(1, None, tmp_path, gpus=eight):
        with pytest.raises(KeyboardInterrupt), lease_gpus(8, None, tmp_path, interrupt, eight):
            pass
        with lease_gpus(7, None, tmp_path, gpus=eight) as rest:
            assert [gpu.index for gpu in rest] == [1, 2, 3, 4, 5, 6, 7]


FORK = """
import os, sys, time
from pathlib import Path
from pytest_isobench.gpus import Gpu
from pytest_isobench.measuring.leases import lease_gpus
gpu = Gpu(index=0, uuid="GPU-0", name="H100", memory_mb=1, driver="1")
with lease_gpus(1, None, Path(sys.argv[1]), gpus=[gpu]):
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    time.sleep(60)
"""


def briefly():
    """Wait for what must become free soon, and not for ever."""
    left = iter(range(200))

    def wait(seconds: float) -> None:
        assert next(left, None) is not None, "somebody keeps it"
        time.sleep(seconds)

    return wait


def test_a_forked_child_does_not_keep_a_dead_holder_s_lease(tmp_path):
    with subprocess.Popen([sys.executable, "-c", FORK, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        child = int(holder.stdout.readline())
        holder.kill()
        holder.wait()
        try:
            with lease_gpus(1, None, tmp_path, briefly(), [_gpu(0)]) as found:
                assert found == (_gpu(0),)
        finally:
            os.kill(child, signal.SIGKILL)


CONTEND = """
import json, random, sys, time
from pathlib import Path
from pytest_isobench.gpus import Gpu
from pytest_isobench.measuring.leases import lease_gpus
draw = random.Random(int(sys.argv[2]))
gpus = [Gpu(index=i, uuid=f"GPU-{i}", name="H100", memory_mb=1, driver="1") for i in range(8)]
for turn in range(int(sys.argv[3])):
    with lease_gpus(draw.choice((1, 2, 4, 8)), None, Path(sys.argv[1]), lambda _: time.sleep(0.001), gpus) as mine:
        begin = time.monotonic()
        time.sleep(0.002)
        held = [begin, time.monotonic(), [gpu.index for gpu in mine]]
    print(json.dumps(held), flush=True)
"""


def test_many_who_want_one_two_four_or_eight_all_get_them_though_some_are_killed(tmp_path):
    command = [sys.executable, "-c", CONTEND, str(tmp_path)]
    turns = [10**6] * 3 + [25] * 3
    workers = [subprocess.Popen([*command, str(i), str(turns[i])], stdout=subprocess.PIPE, text=True) for i in range(6)]
    lines = {worker: [worker.stdout.readline() for _ in range(5)] for worker in workers[:3]}
    for doomed in workers[:3]:
        doomed.kill()
    told = [line for worker in workers for line in (*lines.get(worker, ()), *worker.stdout)]
    held = [json.loads(line) for line in told if line.endswith("\n")]  # whoever was killed may have been writing
    for worker in workers:
        worker.stdout.close()
        worker.wait(60)
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL] * 3 + [0] * 3
    assert len(held) >= 3 * 25 + 3 * 5
    for gpu in range(8):
        times = sorted((begin, end) for begin, end, gpus in held if gpu in gpus)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(times)), "two held it at once"
    with lease_gpus(8, None, tmp_path, briefly(), [_gpu(index) for index in range(8)]) as free:
        assert len(free) == 8
