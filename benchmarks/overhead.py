"""What the supervisor costs: per timed call beside a bare loop, and per command beside hyperfine. Prints ratios, never verdicts.

    python benchmarks/overhead.py [--pairs 30]

Each pair is measured back to back on one core, in alternating order, so that a machine's drift cancels out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles

import pytest_isobench.workloads
from pytest_isobench.sandboxes.base import Process, Turn
from pytest_isobench.sandboxes.supervision import SupervisorClient

WORKER = Path(pytest_isobench.workloads.__file__).with_name("worker.py")
CORE = max(os.sched_getaffinity(0))
WORKLOAD = """
def run(size):
    total = 0
    for i in range(size):
        total += i * i
    return total
"""
BARE = (
    WORKLOAD
    + """
import sys, time
for line in sys.stdin:
    inputs = [int(part) for part in line.split()]
    begin = time.perf_counter()
    answers = [run(value) for value in inputs]
    print(time.perf_counter() - begin, flush=True)
"""
)


def process(*argv: str) -> Process:
    return Process(argv=argv, environment={"PATH": os.environ["PATH"]}, directory="/", cores=(CORE,))


def alternate(pairs: int, one: Callable[[], float], other: Callable[[], float]) -> list[float]:
    """Measure both in random order, again and again; the ratios one / other."""
    ratios = []
    for _ in range(pairs):
        times = {}
        for name, measure in random.sample([("one", one), ("other", other)], 2):
            times[name] = measure()
        ratios.append(times["one"] / times["other"])
    return ratios


def show(name: str, ratios: Sequence[float]) -> None:
    low, _, high = quantiles(ratios, n=4)
    print(f"{name:62} x{median(ratios):.4f}  (quartiles {low:.4f} {high:.4f}, {len(ratios)} pairs)")


def per_call(supervisor: SupervisorClient, pairs: int, size: int, calls: int) -> None:
    """The supervisor's time for a sample beside the bare loop's own."""
    supervisor.start("worker", process(sys.executable, "-I", str(WORKER)))
    request = {"source": WORKLOAD, "filename": "workload.py", "paths": []}
    supervisor.ask("worker", "load", json.dumps(request).encode(), timeout=30)
    inputs = [size] * calls
    bare = subprocess.Popen(
        ["taskset", "-c", str(CORE), sys.executable, "-I", "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert bare.stdin is not None
    assert bare.stdout is not None
    feed, answers = bare.stdin, bare.stdout

    def supervised() -> float:
        (turn,) = supervisor.turns([Turn(order=("worker",), inputs=json.dumps(inputs).encode())], timeout=30)
        return turn["worker"].seconds

    def looped() -> float:
        feed.write(" ".join(map(str, inputs)) + "\n")
        feed.flush()
        return float(answers.readline())

    alternate(3, supervised, looped)
    seconds = looped() / calls
    show(f"{calls} calls of {seconds * 1e3:.3g} ms in one sample / bare loop", alternate(pairs, supervised, looped))
    echoes = [supervisor.ask("worker", "echo", b"", timeout=5).seconds for _ in range(200)]
    print(f"{'one request and its answer with nothing to do':62} {median(echoes) * 1e6:.0f} us")
    supervisor.stop(["worker"])
    feed.close()
    bare.wait()


def per_command(supervisor: SupervisorClient, pairs: int) -> None:
    """The supervisor's time for a whole command beside hyperfine's and a plain subprocess's."""
    argv = [sys.executable, "-I", "-c", "sum(i * i for i in range(300_000))"]

    def supervised() -> float:
        return median(supervisor.run(process(*argv), timeout=30).wall for _ in range(5))

    show("command / command (the noise of this comparison)", alternate(pairs, supervised, supervised))
    if shutil.which("hyperfine") is None:
        print("hyperfine is not installed (apt install hyperfine)")
        return

    def hyperfine() -> float:
        with tempfile.NamedTemporaryFile() as file:
            command = ["taskset", "-c", str(CORE), "hyperfine", "-N", "--runs", "5", "--export-json", file.name, "--style", "none"]
            subprocess.run([*command, subprocess.list2cmdline(argv)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return float(json.loads(Path(file.name).read_text())["results"][0]["median"])

    show("command under the supervisor / under hyperfine", alternate(pairs, supervised, hyperfine))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30, metavar="N", help="Pairs per comparison")
    pairs = parser.parse_args().pairs
    supervisor = SupervisorClient.launch()
    try:
        for size, calls in ((20_000, 25), (2_000, 250), (600_000, 1)):
            per_call(supervisor, pairs, size, calls)
        per_command(supervisor, max(4, pairs // 3))
    finally:
        supervisor.close()


if __name__ == "__main__":
    main()
