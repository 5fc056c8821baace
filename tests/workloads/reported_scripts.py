"""Small scripts that time themselves, and the package that they time."""

from __future__ import annotations

SLOW = """
import time

def work(n):
    time.sleep(0.01)
    return [n * i for i in range(50)]
"""
FAST = SLOW.replace("0.01", "0.002")

STORING = {
    "json": ("json.dump(result, open(path, 'w'))", "json.load(open(path))"),
    "pickle": ("pickle.dump(result, open(path, 'wb'))", "pickle.load(open(path, 'rb'))"),
}
ISOBENCH = """
import argparse, json, os, pickle, time
import package

def setup():
    return 7

def experiment(data):
    return package.work(data)

def store_result(result, path):
    STORE

def load_result(path):
    return LOAD

def check_equivalence(current, reference):
    assert len(current) == len(reference), "another length"
    assert all(abs(one - other) <= 1e-6 for one, other in zip(current, reference)), "other numbers"

def run_test(eqcheck=False, reference=False, prefix=""):
    data, times = setup(), []
    experiment(data)
    for _ in range(5):
        begin = time.perf_counter()
        result = experiment(data)
        times.append((time.perf_counter() - begin) * 1000)
    times.sort()
    name = f"{prefix}_{os.getenv('IMPL_TAG', 'child')}_abc_reference.SUFFIX"
    if reference:
        store_result(result, name)
    if eqcheck and os.path.exists(name):
        check_equivalence(result, load_result(name))
    print(json.dumps({"impl_tag": "child", "commit_hash": "abc", "device": "cpu", "dtype": "none", "iters": 5, "warmup": 1,
        "avg_ms": sum(times) / 5, "p50_ms": times[2], "p95_ms": times[4], "eq_level": "exact", "opt_path_hit": True}))
    return sum(times) / 5000

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--eqcheck", action="store_true")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--prefix", type=str, default="")
    args = parser.parse_args()
    run_test(args.eqcheck, args.reference, args.prefix)
"""

GSO = """
import argparse, json, timeit
import package

def experiment():
    return [package.work(n) for n in range(5)]

def store_result(result, path):
    json.dump(result, open(path, "w"))

def load_result(path):
    return json.load(open(path))

def check_equivalence(reference, current):
    assert reference == current, "not the same"

def run_test(eqcheck=False, reference=False, prefix=""):
    results = []
    taken = timeit.timeit(lambda: results.append(experiment()), number=1)
    if reference:
        store_result(results[0], f"{prefix}_result.json")
    if eqcheck:
        check_equivalence(load_result(f"{prefix}_result.json"), results[0])
    return taken

def main():
    parser = argparse.ArgumentParser()
    OUTPUT
    parser.add_argument("--eqcheck", action="store_true")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--file_prefix", type=str)
    args = parser.parse_args()
    taken = run_test(args.eqcheck, args.reference, args.file_prefix)
    WRITE

main()
"""
GSO_FILE = GSO.replace("OUTPUT", "parser.add_argument('output_file')").replace(
    "WRITE", "open(args.output_file, 'a').write(f'Execution time: {taken:.6f}s\\n')"
)
GSO_PRINT = GSO.replace("OUTPUT", "").replace("WRITE", "print(f'Execution time: {taken:.6f}s')")
UNGUARDED = "\nmain()\n"


def isobench(storing: str = "json") -> str:
    """A script in the manner of ISO-Bench's generators."""
    store, load = STORING[storing]
    return ISOBENCH.replace("STORE", store).replace("LOAD", load).replace("SUFFIX", storing)


def gso(text: str) -> str:
    """A script in the manner of GSO's tests; its last call is guarded, so that it can be imported."""
    return text.replace(UNGUARDED, '\nif __name__ == "__main__":\n    main()\n')
