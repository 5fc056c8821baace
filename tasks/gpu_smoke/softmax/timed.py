"""Time the softmax of the rows of a large matrix with the GPU's own events; prints one line of JSON."""

import argparse
import json
from pathlib import Path

import torch
from kernel import compute

ROWS, COLUMNS = 16384, 16384
PARTS = 64
WARMUP, ITERATIONS = 10, 1000
CACHE = 256 * 2**20
"""Bytes: more than any GPU's cache holds."""
DEVICE = "cuda"


def setup(index, scratch):
    """Return the matrix and the weights of an iteration, none of it in the cache."""
    generator = torch.Generator(DEVICE).manual_seed(index)
    shapes = (ROWS, COLUMNS), (ROWS,), (COLUMNS,)
    made = [torch.randn(*shape, device=DEVICE, generator=generator) for shape in shapes]
    scratch.fill_(index)
    return made


def experiment(matrix):
    """Do the work."""
    return compute(matrix)


def tell(result, down, across):
    """Return weighted sums that every number of the result has a part in."""
    return (torch.mv(result, across) * down).view(PARTS, -1).sum(1).tolist()


def store_result(result, path):
    """Write down what all iterations gave."""
    Path(path).write_text(json.dumps(result))


def load_result(path):
    """Read what was written down."""
    return json.loads(Path(path).read_text())


def check_equivalence(current, reference):
    """Raise AssertionError unless two results are the same up to rounding."""
    assert [len(row) for row in current] == [len(row) for row in reference], "another number of results"
    for index, (mine, wanted) in enumerate(zip(current, reference, strict=True)):
        pairs = zip(mine, wanted, strict=True)
        far = [abs(one - other) for one, other in pairs if not abs(one - other) <= 5e-6 + 1e-5 * abs(other)]
        assert not far, f"iteration {index}: off by {max(far)}"


def iteration(index, scratch):
    """Return the milliseconds of one call between two events on its stream, and what it gave."""
    matrix, down, across = setup(index, scratch)
    stream = torch.cuda.current_stream()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record(stream)
    result = experiment(matrix)
    end.record(stream)
    torch.cuda.synchronize()
    return begin.elapsed_time(end), tell(result, down, across)


def run_test(eqcheck=False, reference=False, prefix=""):
    """Measure, and store or check the result."""
    scratch = torch.empty(CACHE // 4, dtype=torch.int32, device=DEVICE)
    measured = [iteration(index, scratch) for index in range(WARMUP + ITERATIONS)]
    times = sorted(time for time, _ in measured[WARMUP:])
    result = [told for _, told in measured]
    path = f"{prefix}_softmax_reference.json"
    if reference:
        store_result(result, path)
    if eqcheck:
        check_equivalence(result, load_result(path))
    report = {"avg_ms": sum(times) / ITERATIONS, "p50_ms": times[ITERATIONS // 2], "p95_ms": times[ITERATIONS * 95 // 100]}
    kind = {"impl_tag": "child", "device": DEVICE, "dtype": "float32", "iters": ITERATIONS, "warmup": WARMUP, "eq_level": "numeric"}
    print(json.dumps({**kind, **report}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--eqcheck", action="store_true")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--prefix", default="")
    run_test(**vars(parser.parse_args()))
