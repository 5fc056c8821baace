"""Scripts that time themselves and store their result: the generators of ISO-Bench, and the tests of GSO.

Every run stores its result. The first trusted run's is kept in the controller and is in no candidate's reach; others are held against
it by the script's own functions, in a process on the baseline's tree (`checking`).
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pytest_isobench.errors import NotEvaluableError
from pytest_isobench.models.task import Task
from pytest_isobench.models.workload import ReportedWorkload
from pytest_isobench.workloads import checking
from pytest_isobench.workloads.base import ORACLE, Bench
from pytest_isobench.workloads.fetched import SCRATCH, Fetched, fetch
from pytest_isobench.workloads.formats.base import (
    BadReportError,
    ForgedReportError,
    Format,
    Report,
    parsed,
    read_text,
    seconds,
)

PREFIX = "result"
MODES = ("loaded", "rerun")
"""How results are held against each other: both read from files, or one of them made anew; the first that works on the reference itself."""
SAID = 600
"""Characters of the checker's last words that a message shows."""
FACTS = ("impl_tag", "commit_hash", "device", "dtype", "iters", "warmup", "eq_level")
EXECUTION_TIME = re.compile(r"^Execution time: (?P<seconds>\S+?)s?\s*$", re.MULTILINE)


class ScriptFormat(Format):
    """What both have in common."""

    order: ClassVar[str]
    """Which of the two arguments of `check_equivalence` is the reference."""
    files: tuple[str, ...] = (f"{PREFIX}*",)

    def __init__(self, workload: ReportedWorkload, folder: Path) -> None:
        assert workload.file is not None
        self._name = Path(workload.file).name
        text = read_text(folder, workload.file)
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self.placed = {self._name: text.encode()}
        self.argv = ("{python}", f"{SCRATCH}/{self._name}", *self.flags(text), *workload.arguments)
        self._mode = ""
        self._wanted: Mapping[str, bytes] = {}
        self._judged: dict[str, str | None] = {}

    @abstractmethod
    def flags(self, text: str) -> tuple[str, ...]:
        """Return the options that make a script store its result."""

    def trust(self, bench: Bench, task: Task, reference: Fetched) -> None:
        self._wanted = self._results(reference)
        if not self._wanted:
            raise NotEvaluableError(f"the script stores no result as {PREFIX}*, so that nothing can be checked")
        said = []
        for mode in MODES:
            fault = self._check(bench, task, self._wanted, mode)
            if fault is None:
                self._mode = mode
                return
            said.append(f"{mode}: {fault}")
        raise NotEvaluableError(f"the script's own check does not accept the reference itself: {'; '.join(said)}")

    def fault(self, bench: Bench, task: Task, found: Fetched) -> str | None:
        """Judge equal bytes once."""
        results = self._results(found)
        if set(results) != set(self._wanted):
            return f"stored {', '.join(sorted(results)) or 'no result'}, where the reference has {', '.join(sorted(self._wanted))}"
        if results == self._wanted:
            return None
        key = hashlib.sha256(repr(sorted(results.items())).encode()).hexdigest()
        if key not in self._judged:
            self._judged[key] = self._check(bench, task, results, self._mode)
        return self._judged[key]

    def _results(self, fetched: Fetched) -> dict[str, bytes]:
        return {name: data for name, data in fetched.files.items() if name.startswith(PREFIX)}

    def _check(self, bench: Bench, task: Task, results: Mapping[str, bytes], mode: str) -> str | None:
        """Have a result judged by a process on the baseline's tree; whoever makes it break has given a wrong answer."""
        placed = {
            **self.placed,
            "checking.py": Path(checking.__file__).read_bytes(),
            **{f"wanted/{name}": data for name, data in self._wanted.items()},
            **{f"found/{name}": data for name, data in results.items()},
        }
        argv = ["{python}", f"{SCRATCH}/checking.py", SCRATCH, self._name, self.order, mode, PREFIX]
        done = fetch(bench, task, ORACLE, argv, files=["verdict.json"], placed=placed)
        if done.timed_out:
            return "the script's check does not come to an end on this result"
        if "verdict.json" not in done.files:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()[-SAID:]
            return f"the script's check breaks on this result (status {done.returncode})\n{said}".strip()
        fault: str | None = json.loads(done.files["verdict.json"])["fault"]
        return fault


class IsoBenchFormat(ScriptFormat):
    """One line of JSON on stdout, with `avg_ms`, `p50_ms`, `p95_ms` and `iters`."""

    order = "found-wanted"

    def flags(self, text: str) -> tuple[str, ...]:  # noqa: ARG002 - the same for all
        return ("--reference", "--prefix", f"{SCRATCH}/{PREFIX}")

    def read(self, fetched: Fetched) -> Report:
        lines = [line for line in fetched.stdout.splitlines() if line.lstrip().startswith(b"{") and b'"avg_ms"' in line]
        if not lines:
            raise BadReportError("printed no line of JSON with avg_ms")
        if len(lines) > 1:
            raise ForgedReportError(f"printed {len(lines)} reports, where the script prints one")
        line = parsed(lines[0], "the report")
        values = {name: seconds(line.get(f"{name}_ms"), f"{name}_ms") / 1e3 for name in ("avg", "p50", "p95")}
        iterations = seconds(line.get("iters"), "iters")
        facts = {name: line.get(name) for name in FACTS}
        return Report(primary=values["avg"], values=values, total=values["avg"] * iterations, facts=facts)


class GsoFormat(ScriptFormat):
    """`Execution time: 0.123s`, in a file that the first argument names or on stdout."""

    order = "wanted-found"
    files = (f"{PREFIX}*", "times.txt")

    def flags(self, text: str) -> tuple[str, ...]:
        output = (f"{SCRATCH}/times.txt",) if "output_file" in text else ()
        return (*output, "--reference", "--file_prefix", f"{SCRATCH}/{PREFIX}")

    def read(self, fetched: Fetched) -> Report:
        text = (fetched.files.get("times.txt", b"") or fetched.stdout).decode(errors="replace")
        found = EXECUTION_TIME.findall(text)
        if not found:
            raise BadReportError("reported no 'Execution time: SECONDSs'")
        if len(found) > 1:
            raise ForgedReportError(f"reported {len(found)} times, where the script reports one")
        try:
            value = seconds(float(found[0]), "the execution time")
        except ValueError as error:
            raise BadReportError(f"the execution time is {found[0]!r:.80}, which is no number") from error
        return Report(primary=value, values={}, total=value)
