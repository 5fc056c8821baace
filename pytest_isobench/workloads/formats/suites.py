"""Suites of benchmarks in the tree: pytest-benchmark's, and classes in the style of asv.

The suite's files come from the baseline's tree, whatever a patch makes of its own copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.models.task import Task
from pytest_isobench.models.workload import ReportedWorkload
from pytest_isobench.workloads import suite_running
from pytest_isobench.workloads.base import ORACLE, Bench
from pytest_isobench.workloads.fetched import SCRATCH, Fetched, fetch
from pytest_isobench.workloads.formats.base import BadReportError, Format, Report, geometric_mean, parsed, seconds

SUITE, REPORT, INI = "suite", "report.json", "pytest.ini"
SHOWN = 5
"""Names of files that a message lists."""
COPY = """
import os, shutil, sys
scratch, *paths = sys.argv[1:]
for path in paths:
    target = os.path.join(scratch, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(path):
        shutil.copytree(path, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".git"))
    else:
        shutil.copyfile(path, target)
"""


def copied(bench: Bench, task: Task, paths: Sequence[str]) -> Mapping[str, bytes]:
    """Return files and folders of the baseline's tree, as they go into a scratch folder. Raises `NotEvaluableError` when there are none."""
    done = fetch(bench, task, ORACLE, ["{python}", "-I", "-c", COPY, f"{SCRATCH}/{SUITE}", *paths], files=[f"{SUITE}/**/*"])
    if done.returncode or not done.files:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise NotEvaluableError(f"the baseline's tree has no benchmarks at {', '.join(paths)}: {said}")
    if done.left:
        raise NotEvaluableError(f"the baseline's benchmarks are too large, or are no files: {', '.join(done.left[:SHOWN])}")
    return done.files


class SuiteFormat(Format):
    """What both have in common: each benchmark has a time of its own, and their geometric mean stands for all."""

    files = (REPORT,)

    def __init__(self, workload: ReportedWorkload, folder: Path) -> None:  # noqa: ARG002 - nothing lies beside the task
        self._workload = workload
        self._paths = tuple(f"{SCRATCH}/{SUITE}/{path}" for path in workload.paths)

    def prepare(self, bench: Bench, task: Task, seed: str) -> None:  # noqa: ARG002 - nothing is drawn
        self.placed = {**self.placed, **copied(bench, task, self._workload.paths)}


class PytestBenchmarkFormat(SuiteFormat):
    """`pytest --benchmark-json`: the median of each benchmark."""

    wrong = frozenset({1, 5})  # tests failed, or none ran

    def __init__(self, workload: ReportedWorkload, folder: Path) -> None:
        super().__init__(workload, folder)
        root, select = f"{SCRATCH}/{SUITE}", ("-k", workload.select) if workload.select else ()
        places = (f"--rootdir={root}", f"--confcutdir={root}", "-c", f"{root}/{INI}")
        options = (*places, "-p", "no:cacheprovider", "--tb=short", "--benchmark-only")
        report = f"--benchmark-json={SCRATCH}/{REPORT}"
        self.argv = ("{python}", "-m", "pytest", *options, report, *select, *workload.arguments, *self._paths)
        self.placed = {f"{SUITE}/{INI}": b"[pytest]\n"}

    def read(self, fetched: Fetched) -> Report:
        if REPORT not in fetched.files:
            raise BadReportError("pytest-benchmark wrote no report: no benchmark ran")
        report = parsed(fetched.files[REPORT], "pytest-benchmark's report")
        try:
            found = {item["fullname"]: item["stats"] for item in report["benchmarks"]}
            values = {name: seconds(stats["median"], f"the median of {name}") for name, stats in found.items()}
            total = sum(seconds(stats["total"], "a total") * seconds(stats["iterations"], "iterations") for stats in found.values())
        except (KeyError, TypeError, AttributeError) as error:
            raise BadReportError(f"pytest-benchmark's report has no {error}") from error
        return summed_up(values, total)


class AsvFormat(SuiteFormat):
    """Functions `time_*`, run by a program of ours: the median of each."""

    def __init__(self, workload: ReportedWorkload, folder: Path) -> None:
        super().__init__(workload, folder)
        self.placed = {"suite_running.py": Path(suite_running.__file__).read_bytes()}
        self.argv = ("{python}", f"{SCRATCH}/suite_running.py", f"{SCRATCH}/{REPORT}", workload.select, f"{SCRATCH}/{SUITE}", *self._paths)

    def read(self, fetched: Fetched) -> Report:
        if REPORT not in fetched.files:
            raise BadReportError("there is no report: the benchmarks did not come to their end")
        report = parsed(fetched.files[REPORT], "the report")
        try:
            values = {name: seconds(stats["median"], f"the median of {name}") for name, stats in report.items()}
            total = sum(seconds(stats["total"], f"the total of {name}") for name, stats in report.items())
        except (KeyError, TypeError, AttributeError) as error:
            raise BadReportError(f"the report has no {error}") from error
        return summed_up(values, total)


def summed_up(values: Mapping[str, float], total: float) -> Report:
    """Make one report of several benchmarks'. Raises `BadReportError` when there are none."""
    if not values:
        raise BadReportError("reports no benchmark")
    return Report(primary=geometric_mean(list(values.values())), values=values, total=total)
