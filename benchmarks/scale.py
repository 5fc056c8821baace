"""How well many workers share tasks of very different lengths: 64 tasks, 16 workers, and the shortest time that is possible.

    python benchmarks/scale.py [--tasks 64] [--workers 16] [--mean 4] [--sigma 0.8] [--seed 1] [--draws 2000]

First real sessions with pytest-xdist and the fake sandbox, whose tasks sleep as if machines elsewhere were at work: one in which no
length is known, and one that knows them from the report of the first. Then many draws of other lengths, played by the same scheduler
without workers, in no time.

The lengths are lognormal. The makespan goes from the start of the first test to the end of the last one, without the start of pytest and
of its workers. It is compared with max(longest task, all tasks / workers), where a task's length is what its test really took.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import quantiles

from pytest_isobench.plugin.scheduler import TaskScheduling

CONFTEST = """
import os, time

def note(nodeid):
    if "PYTEST_XDIST_WORKER" in os.environ:
        with open(os.environ["SCALE_TIMES"], "a") as file:
            file.write(f"{nodeid} {time.time()}\\n")

def pytest_runtest_logstart(nodeid):
    note(nodeid)

def pytest_runtest_logfinish(nodeid):
    note(nodeid)
"""


def lengths(tasks: int, mean: float, sigma: float, seed: int) -> list[float]:
    """Draw the tasks' lengths, with a mean of exactly `mean`."""
    draw = random.Random(seed)
    drawn = [draw.lognormvariate(0.0, sigma) for _ in range(tasks)]
    return [length * mean * tasks / sum(drawn) for length in drawn]


def bound(seconds: Sequence[float], workers: int) -> float:
    """The shortest time in which so many workers can be done."""
    return max(*seconds, sum(seconds) / workers)


def write_project(folder: Path, seconds: Sequence[float]) -> None:
    """Write tasks whose human's version takes so long to place."""
    (folder / "tasks").mkdir()
    records = []
    for number, length in enumerate([0.0, *seconds]):
        tree = folder / "trees" / str(number)
        tree.mkdir(parents=True)
        (tree / "fake.json").write_text(json.dumps({"speed": 2.0 if number else 1.0, "noise": 0.0, "seconds": length}) + "\n")
        source = {"kind": "path", "base": "../trees/0", "human": f"../trees/{number}"}
        records.append({"id": f"task-{number:03}", "source": source, "workload": {"kind": "python", "code": "run = id\n"}})
    (folder / "tasks" / "scale.json").write_text(json.dumps({"version": 1, "tasks": records[1:]}))
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\nisobench_sandbox = fake\nisobench_agent = fake:3\n")


def session(folder: Path, workers: int, name: str) -> list[tuple[float, float]]:
    """Run pytest in the project; the start and the end of every test, fixtures included."""
    times = folder / f"{name}.times"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(workers)]
    environment = {**os.environ, "SCALE_TIMES": str(times), "ISOBENCH_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}")
    noted: dict[str, list[float]] = {}
    for nodeid, moment in map(str.split, times.read_text().splitlines()):
        noted.setdefault(nodeid, []).append(float(moment))
    return [(begin, end) for begin, end in noted.values()]


class Node:
    """Stands for one of xdist's workers: takes what it is sent."""

    shutting_down = False

    def __init__(self) -> None:
        self.todo: deque[int] = deque()

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.todo.append(indices[0])


def simulate(seconds: Sequence[float], workers: int, known: Mapping[str, float]) -> float:
    """Play the scheduler on tasks of these lengths, without overhead; the makespan."""
    names = [f"scale.json::test_speedup[task-{number:03}:human:0]" for number in range(len(seconds))]
    nodes, scheduling = [Node() for _ in range(workers)], TaskScheduling(workers, known)
    for node in nodes:
        scheduling.add_node(node)  # type: ignore[arg-type]
        scheduling.add_node_collection(node, names)  # type: ignore[arg-type]
    scheduling.schedule()
    now, running = 0.0, [(seconds[node.todo[0]], place) for place, node in enumerate(nodes) if node.todo]
    heapq.heapify(running)
    while running:
        now, place = heapq.heappop(running)
        node = nodes[place]
        scheduling.mark_test_complete(node, node.todo.popleft())  # type: ignore[arg-type]
        if node.todo:
            heapq.heappush(running, (now + seconds[node.todo[0]], place))
    return now


def excess(options: argparse.Namespace, seed: int, error: float | None) -> float:
    """By how much one draw's makespan exceeds the bound; lengths are known up to an `error`, or not at all."""
    seconds, draw = lengths(options.tasks, options.mean, options.sigma, seed), random.Random(f"error {seed}")
    known = {f"task-{number:03}": length * draw.lognormvariate(0.0, error or 0.0) for number, length in enumerate(seconds)}
    return simulate(seconds, options.workers, {} if error is None else known) / bound(seconds, options.workers) - 1


def show(name: str, makespan: float, seconds: Sequence[float], workers: int) -> None:
    least = bound(seconds, workers)
    print(
        f"{name:28} makespan {makespan:6.2f} s  bound {least:6.2f} s  +{makespan / least - 1:6.1%}"
        f"  (longest {max(seconds):.2f} s, all / {workers} = {sum(seconds) / workers:.2f} s)"
    )


def play(options: argparse.Namespace, drawn: Sequence[float]) -> None:
    """The real sessions."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, drawn)
        for title in ("lengths unknown", "lengths known"):
            times = session(folder, options.workers, title.split()[1])
            begins, ends = zip(*times, strict=True)
            assert len(times) == len(drawn)
            show(title, max(ends) - min(begins), [end - begin for begin, end in times], options.workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--mean", type=float, default=4.0, help="Mean length in seconds")
    parser.add_argument("--sigma", type=float, default=0.8, help="Standard deviation of the lengths' logarithms")
    parser.add_argument("--seed", type=int, default=1, help="Of the real sessions; with 1, no single task decides")
    parser.add_argument("--draws", type=int, default=2000, help="Simulated draws of lengths")
    options = parser.parse_args()
    drawn = lengths(options.tasks, options.mean, options.sigma, options.seed)
    print("real sessions:")
    play(options, drawn)
    print(f"{options.draws} simulated draws, excess over the bound:")
    for title, error in (("lengths unknown", None), ("lengths known", 0.0), ("lengths known within 20 %", 0.2)):
        excesses = [excess(options, seed, error) for seed in range(options.draws)]
        cuts = quantiles(excesses, n=20)
        within = sum(excess <= 0.05 for excess in excesses) / len(excesses)
        print(f"{title:28} median +{cuts[9]:.1%}  95 % of draws up to +{cuts[18]:.1%}  within 5 %: {within:.1%} of draws")


if __name__ == "__main__":
    main()
