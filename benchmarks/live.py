"""How often the ping-pong procedure is wrong with real processes, here and now: false alarms, power, coverage and cost.

    python benchmarks/live.py [--trials 20] [--slowdowns 0 1 2 5]

Every trial compares two resident workers, the second of which truly does so many percent more work, round after round until a look settles
whether they differ. Nothing is simulated; on a busy machine it takes its time.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pytest_isobench.workloads
from pytest_isobench.measuring.statistics import Interval, alpha_at, interval, looks, narrow, ping_pong_difference
from pytest_isobench.sandboxes.base import Process, Turn
from pytest_isobench.sandboxes.supervision import SupervisorClient
from pytest_isobench.workloads.python import TURNS

WORKER = Path(pytest_isobench.workloads.__file__).with_name("worker.py")
CORE = max(os.sched_getaffinity(0))
ARMS = ("one", "other")
UNITS = 60_000
"""Steps of a sample: about 25 ms."""
WORKLOAD = """
def run(steps):
    table = {}
    for step in range(steps):
        table[step % 1000] = step * 7 % 11
    return len(table)
"""


@dataclass(frozen=True)
class Comparison:
    """One comparison, from its first round to the look that settled it."""

    found: Interval
    rounds: int
    seconds: float

    @property
    def differs(self) -> bool:
        """Whether it says that the arms differ."""
        limits = self.found.limits
        return limits is not None and not limits[0] <= 0 <= limits[1]

    def covers(self, truth: float) -> bool:
        limits = self.found.limits
        return limits is None or limits[0] <= truth <= limits[1]


def play(supervisor: SupervisorClient, slowdown: float) -> float:
    """Play one round with fresh workers: the log of how much faster the second one was."""
    load = json.dumps({"source": WORKLOAD, "filename": "workload.py", "paths": []}).encode()
    extra = dict(zip(ARMS, (0.0, slowdown), strict=True))
    environment = {"PATH": os.environ["PATH"]}
    for arm in ARMS:
        argv = (sys.executable, "-I", str(WORKER))
        supervisor.start(arm, Process(argv=argv, environment=environment, directory="/", cores=(CORE,)))
    for arm in ARMS:
        supervisor.ask(arm, "load", load, timeout=30)
    times: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for _ in range(TURNS):
        for arm in random.sample(ARMS, 2):
            steps = json.dumps([round(UNITS * (1 + extra[arm]))]).encode()
            (turn,) = supervisor.turns([Turn(order=(arm,), inputs=steps)], timeout=30)
            times[arm].append(turn[arm].seconds)
    supervisor.stop(ARMS)
    return ping_pong_difference(times["one"][1:], times["other"][1:])


def compare(supervisor: SupervisorClient, slowdown: float) -> Comparison:
    """Compare until a look says that the arms differ, or the cap is reached."""
    begin, plan, differences = time.monotonic(), looks("pingpong", 0.95), []
    found: Interval | None = None
    for look in plan:
        differences += [play(supervisor, slowdown) for _ in range(look.rounds - len(differences))]
        final = look is plan[-1]
        found = narrow(found, interval(differences, alpha_at(plan, look.rounds, final=final)))
        if Comparison(found, look.rounds, 0.0).differs:
            break
    assert found is not None
    return Comparison(found, len(differences), time.monotonic() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="Comparisons per slowdown")
    parser.add_argument("--slowdowns", type=float, nargs="+", default=[0, 1, 2, 5], metavar="PERCENT", help="Its extra work")
    options = parser.parse_args()
    supervisor = SupervisorClient.launch()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'true':>6}  {'said to differ':>14}  {'covered':>8}  {'estimate':>9}  {'rounds':>6}  {'seconds':>7}")
    try:
        for percent in options.slowdowns:
            truth = -math.log1p(percent / 100)
            done = [compare(supervisor, percent / 100) for _ in range(options.trials)]
            said, covered = sum(one.differs for one in done), sum(one.covers(truth) for one in done)
            mean = math.expm1(-fmean(one.found.estimate for one in done))
            rounds, seconds = fmean(one.rounds for one in done), fmean(one.seconds for one in done)
            counts = f"{said:>7} of {len(done):<4}  {covered:>3} of {len(done)}"
            print(f"{percent:>5g}%  {counts}  {mean:>8.2%}  {rounds:>6.1f}  {seconds:>7.1f}", flush=True)
    finally:
        supervisor.close()


if __name__ == "__main__":
    main()
