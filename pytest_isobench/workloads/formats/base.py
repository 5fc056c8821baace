"""The contract of a format: what is run, how its report is read, and how its answer is checked."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, NoReturn

from pytest_isobench.errors import IsobenchError, TaskError
from pytest_isobench.models.task import Metric, Task
from pytest_isobench.workloads.base import Bench
from pytest_isobench.workloads.fetched import Fetched

LARGEST = 1e15
"""What a report's numbers stay below."""


class BadReportError(IsobenchError):
    """A report that cannot be believed, or is none; says why."""


class ForgedReportError(BadReportError):
    """A report that no honest run makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run says of itself."""

    primary: float
    """What stands for all of it: seconds, unless the metric is another."""
    values: Mapping[str, float]
    """Each value by its metric's name."""
    total: float
    """Seconds that it claims to have measured, all iterations together."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What must be the same in every arm, such as the number of iterations."""


class Format(ABC):
    """One way to report. One object serves one campaign."""

    digest: str = ""
    """Content of what it runs beyond the task's record and the tree."""
    argv: tuple[str, ...]
    files: tuple[str, ...]
    """What is brought back from the scratch folder."""
    placed: Mapping[str, bytes] = {}
    """What is in it before."""
    variables: Mapping[str, str] = {}
    wrong: frozenset[int] = frozenset()
    """Exit statuses that say that an answer is wrong, where others say that the run crashed."""

    notes: tuple[str, ...] = ()
    """In what it is run otherwise than the task says."""

    def prepare(self, bench: Bench, task: Task, seed: str) -> None:  # noqa: B027 - a script lies beside the task
        """Bring what is run from the baseline, and draw what is drawn. Raises `NotEvaluableError` when it is not there."""

    @abstractmethod
    def read(self, fetched: Fetched) -> Report:
        """Read a report. Raises `BadReportError`."""

    def metrics(self, report: Report) -> tuple[Metric, ...]:
        """Describe a report's values: seconds, unless a format says otherwise."""
        return tuple(Metric(name=name) for name in report.values)

    def trust(self, bench: Bench, task: Task, reference: Fetched) -> None:  # noqa: B027 - where no answer is stored
        """Take a trusted run's answer as the right one. Raises `NotEvaluableError` when nothing can be held against it."""

    def fault(self, bench: Bench, task: Task, found: Fetched) -> str | None:  # noqa: ARG002
        """Say what is wrong with the answer of a run; nothing where none is stored."""
        return None


def seconds(value: object, name: str) -> float:
    """Return a positive number of a report, not beyond all reason. Raises `BadReportError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LARGEST:
        raise BadReportError(f"{name} is {value!r:.80}; it must be a positive number")
    return float(value)


def parsed(text: bytes, name: str) -> Any:
    """Read JSON without NaN and infinities. Raises `BadReportError`."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadReportError(f"{name} cannot be read: {error}") from error


def _no_number(constant: str) -> NoReturn:
    raise BadReportError(f"reports {constant}, which is no number")


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers."""
    return math.exp(fmean(map(math.log, values)))


def read_text(folder: Path, file: str) -> str:
    """Return a script's text. Raises `TaskError` when it cannot be read."""
    path = folder / file
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"the script cannot be read: {error}", path=path, field="workload.file") from error
