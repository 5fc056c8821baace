"""The offline benchmarks of vLLM and SGLang, which start the engine in their own process and say how long it took.

Scripts in the tree come from the baseline's, as suites do. A benchmark that is a command of the engine itself is the candidate's.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Collection
from typing import Any, Protocol

from pytest_isobench.benchmarks.logs import parse_log
from pytest_isobench.benchmarks.metrics import metric as known_metric
from pytest_isobench.benchmarks.refusals import Refusal
from pytest_isobench.benchmarks.resolving import Resolved, fill, seed_number
from pytest_isobench.benchmarks.results import BenchmarkResult, read_results
from pytest_isobench.benchmarks.sanity import different_work, refusals
from pytest_isobench.benchmarks.spellings import options_in
from pytest_isobench.models.task import Metric, Task
from pytest_isobench.workloads.base import Bench
from pytest_isobench.workloads.fetched import RESULT, RESULT_PLACES, SCRATCH, Fetched
from pytest_isobench.workloads.formats.base import BadReportError, Format, Report
from pytest_isobench.workloads.formats.suites import SUITE, copied

FOLDER = "benchmarks"
COPIED = f"{SCRATCH}/{SUITE}/{FOLDER}/"
"""Where the scripts of the baseline's tree are, for every arm."""
TOTALS = ("total_latency", "latency", "cost_time", "avg_latency")
"""What stands for the time of a whole run, where no duration is told."""


class Resolver(Protocol):
    """Makes what is run, given the options that the benchmark's script has, where it is one."""

    def __call__(self, known: Collection[str] | None = None) -> Resolved: ...


class EngineFormat(Format):
    """One run of the benchmark, with the same seed for all: the same work every time."""

    files = (RESULT,)

    def __init__(self, task: Task, resolved: Resolver) -> None:
        self._task, self._resolver = task, resolved
        self._take(resolved())

    def _take(self, resolved: Resolved) -> None:
        self._resolved, self.variables = resolved, resolved.variables
        self.notes = (*resolved.applied, *map(str, resolved.left_out))
        self.argv = tuple(word.replace(f"{{tree}}/{FOLDER}/", COPIED) for word in fill(resolved.client, RESULT_PLACES))
        self.digest = hashlib.sha256(shlex.join((*self.argv, *map(str, resolved.variables.items()))).encode()).hexdigest()

    def prepare(self, bench: Bench, task: Task, seed: str) -> None:
        script = next((word for word in self.argv if word.startswith(COPIED)), None)
        if script:
            self.placed = copied(bench, task, [FOLDER])
            if text := self.placed.get(script.removeprefix(f"{SCRATCH}/")):
                self._take(self._resolver(options_in(text.decode(errors="replace"))))
        self.argv = tuple(fill(self.argv, {"seed": seed_number(seed)}))

    def read(self, fetched: Fetched) -> Report:
        result = self._result(fetched)
        for refusal in refusals(result):
            raise BadReportError(str(refusal))
        values = {name: value for name, value in result.metrics.items() if value > 0}
        name = self._task.metric.name
        if name not in values:
            raise BadReportError(f"measures no {name}; it measures: {', '.join(values) or 'nothing'}")
        facts = {"kind": result.kind, "total_tokens": result.total_tokens}
        return Report(primary=values[name], values=values, total=_total(result, fetched), facts=facts)

    def metrics(self, report: Report) -> tuple[Metric, ...]:
        return tuple(map(known_metric, report.values))

    def trust(self, bench: Bench, task: Task, reference: Fetched) -> None:  # noqa: ARG002
        self._reference = self._result(reference)

    def fault(self, bench: Bench, task: Task, found: Fetched) -> str | None:  # noqa: ARG002
        """Say in what other work was done: what was put out is not kept by these benchmarks."""
        different = different_work({"reference": self._reference, "this arm": self._result(found)}, 0.0)
        return f"did other work: {different[0]}" if different else None

    def _result(self, fetched: Fetched) -> BenchmarkResult:
        if self._resolved.results == "printed":
            log = parse_log(fetched.stdout.decode(errors="replace"))
            if log.result is None:
                raise BadReportError(log.reason)
            return log.result
        if RESULT not in fetched.files:
            raise BadReportError("saved no results")
        found = read_results(fetched.files[RESULT])
        if len(found) != 1:
            raise BadReportError(f"saved {len(found)} results, where one run has one")
        if isinstance(found[0], Refusal):
            raise BadReportError(str(found[0]))
        return found[0]


def _total(result: BenchmarkResult, fetched: Fetched) -> float:
    """Return the seconds that a result claims to have measured, all iterations together."""
    if result.duration:
        return result.duration
    told = next((result.metrics[name] for name in TOTALS if result.metrics.get(name)), 0.0)
    return max(told, _sum_of_latencies(fetched))


def _sum_of_latencies(fetched: Fetched) -> float:
    try:
        saved: Any = json.loads(fetched.files.get(RESULT, b"{}"))
    except ValueError:  # lines of JSON, which have no latencies
        return 0.0
    found = saved.get("latencies", ()) if isinstance(saved, dict) else ()
    numbers = [value for value in found if isinstance(value, int | float)] if isinstance(found, list) else []
    return float(sum(numbers))
