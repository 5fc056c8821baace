"""What collecting a large data set costs, beside bare pytest items.

    python benchmarks/collect.py [records] [bytes per record]

Writes a file of JSON lines and measures fresh processes: an empty pytest run, a run that collects as many bare parametrised items,
a process that reads the stubs and keeps them, and a run of the plugin on the file. Ratios are to the bare items; the aim is at most
1.5 in time and 2 in memory for 10,000 records of 24 KB.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 5

BARE = """
import pytest

@pytest.mark.parametrize("case", range({count}))
def test_case(case):
    pass
"""

READ = """
import pytest
from pytest_isobench.dataset.readers import read_stubs
stubs = list(read_stubs({path!r}))
assert len(stubs) == {count}
"""


def record(index: int, size: int) -> dict[str, object]:
    code = f"# variant {index}\n" + "def run(value):\n    return [item * 2 for item in value if item]  # \"twice\"\n" * (size // 75)
    return {
        "id": f"task-{index}",
        "repo": f"org/project{index % 7}",
        "description": "A record as large as those of real data sets.",
        "source": {"kind": "git", "repository": "https://example.org/p.git", "human": f"{index:040x}"},
        "workload": {"kind": "python", "code": code},
        "marks": ["serving"],
        "resources": {"gpus": index % 2},
    }


def measure(argv: list[str], folder: Path) -> tuple[float, float]:
    """Return wall-clock seconds and peak memory in MB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *argv], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 5):
        raise SystemExit(f"{argv} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main(count: int = 10_000, size: int = 24_000) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty.py").write_text("")
        (folder / "bare.py").write_text(BARE.format(count=count))
        with (folder / "tasks.jsonl").open("w") as file:
            file.writelines(json.dumps(record(index, size)) + "\n" for index in range(count))
        (folder / "read.py").write_text(READ.format(count=count, path=str(folder / "tasks.jsonl")))
        pytest = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
        commands = {
            "import pytest": ["-c", "import pytest"],
            "pytest, nothing": [*pytest, "empty.py"],
            "pytest, bare items": [*pytest, "bare.py"],
            "stubs alone": ["read.py"],
            "pytest, the task file": [*pytest, "--isobench-agent=nop", "tasks.jsonl"],
        }
        # In turns, so that a busy moment of the machine does not hit one of them alone.
        rounds = [{what: measure(argv, folder) for what, argv in commands.items()} for _ in range(REPEATS)]
    base = [statistics.median(one["pytest, bare items"][axis] for one in rounds) for axis in (0, 1)]
    print(f"{count} records of {size} bytes, median of {REPEATS}")
    for what in commands:
        seconds, memory = (statistics.median(one[what][axis] for one in rounds) for axis in (0, 1))
        print(f"{what:24}{seconds:7.2f} s {seconds / base[0]:6.2f} x {memory:7.0f} MB {memory / base[1]:6.2f} x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
