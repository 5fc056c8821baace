"""Run a program of tasks/gpu_smoke without a GPU, on a small matrix: `python on_cpu.py FILE [ARGUMENT...]` in a tree.

Triton's interpreter (TRITON_INTERPRET=1) stands for the compiler. A workload answers two inputs; a script does what it does.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch

SMALL = {
    "ROWS, COLUMNS = 16384, 16384": "ROWS, COLUMNS = 24, 2000",
    "PARTS = 64": "PARTS = 4",
    "WARMUP, ITERATIONS = 10, 1000": "WARMUP, ITERATIONS = 1, 3",
    "CACHE = 256 * 2**20": "CACHE = 1024",
    'DEVICE = "cuda"': 'DEVICE = "cpu"',
}


class Event:
    """A moment on the processor's clock."""

    def __init__(self, enable_timing: bool) -> None:
        self.timing = enable_timing

    def record(self, stream: object) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, other: Event) -> float:
        return (other.at - self.at) * 1000


def main(path: Path, *arguments: str) -> None:
    text = path.read_text()
    for large, small in SMALL.items():
        text = text.replace(large, small)
    torch.cuda.synchronize = torch.cuda.current_stream = lambda: None  # type: ignore[assignment, misc]
    torch.cuda.Event = Event  # type: ignore[misc, assignment]
    sys.path.insert(0, ".")
    sys.argv = [str(path), *arguments]
    program: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(text, str(path), "exec"), program)
    if "inputs" in program:
        values = [program["inputs"](random.Random(seed)) for seed in range(2)]
        print(json.dumps([program["run"](program["prepare"](value)) for value in values]))


main(Path(sys.argv[1]), *sys.argv[2:])
