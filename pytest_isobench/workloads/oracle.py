"""The oracle: a trusted process on the baseline's tree that makes the inputs and runs the workload's own check."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_isobench.errors import MissingExtraError, NotEvaluableError, TaskError
from pytest_isobench.models.task import Task
from pytest_isobench.sandboxes.base import Process, Reply
from pytest_isobench.workloads.answers import BadAnswerError, decode, difference
from pytest_isobench.workloads.base import ORACLE, Bench

LONGER, SPARE = 16, 2**20
"""How many times as long as the reference's answers others may be, and how many bytes more: the rest is not even looked at."""


@dataclass(frozen=True, slots=True)
class Script:
    """A workload file."""

    source: str
    filename: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()

    def request(self, paths: Sequence[str]) -> bytes:
        return json.dumps({"source": self.source, "filename": self.filename, "paths": list(paths)}).encode()


def worker(bench: Bench, task: Task, arm: str, *, cores: Sequence[int] = ()) -> Process:
    """Describe a worker in an arm."""
    resources, variables = task.resources, task.environment.variables
    return bench.sandbox.process(arm, ["{python}", "-I", "{worker}"], resources=resources, variables=variables, cores=cores)


class Oracle:
    """A resident worker that lives as long as its campaign."""

    def __init__(self, bench: Bench, task: Task, script: Script) -> None:
        self._bench, self._task, self._script = bench, task, script
        self.has_check = self._start()

    def inputs(self, seed: str, count: int) -> list[Any]:
        """Make fresh inputs, each from its own random generator."""
        values: list[Any] = json.loads(self._ask("inputs", json.dumps({"seed": seed, "count": count}).encode()))
        return values

    def faults(self, inputs: Sequence[Any], answers: Mapping[str, bytes], reference: str) -> dict[str, str]:
        """Compare every arm's answers (an encoded list, one per input) with the reference arm's; arm to what is wrong.

        With a `check` in the workload, that decides; else an answer must equal the reference within the task's tolerance. Equal
        bytes are judged once.
        """
        try:
            wanted = decode(answers[reference])
        except BadAnswerError as error:
            raise NotEvaluableError(f"the {reference}'s answers are the reference, but cannot be read: {error}") from error
        longest = LONGER * len(answers[reference]) + SPARE
        faults = {payload: self._fault(inputs, payload, wanted, longest) for payload in dict.fromkeys(answers.values())}
        return {arm: fault for arm, payload in answers.items() if (fault := faults[payload]) is not None}

    def _fault(self, inputs: Sequence[Any], payload: bytes, wanted: Any, longest: int) -> str | None:
        if len(payload) > longest:
            return f"an answer of {len(payload)} bytes, where {longest} are plenty"
        try:
            return self._difference(inputs, decode(payload), wanted)
        except (BadAnswerError, MissingExtraError) as error:  # the reference could be read: here is an array where none belongs
            return str(error)
        except RecursionError:
            return "the answer is nested too deeply"

    def _difference(self, inputs: Sequence[Any], found: Any, wanted: Any) -> str | None:
        if not isinstance(found, list) or len(found) != len(inputs):
            return f"answers to {len(inputs)} calls were asked for"
        if self.has_check:
            return self._checked(inputs, found, wanted)
        pairs = zip(found, wanted, strict=True)
        return next(filter(None, (difference(got, want, self._task.tolerance) for got, want in pairs)), None)

    def _checked(self, inputs: Sequence[Any], found: Any, wanted: Any) -> str | None:
        """Run the workload's check. An answer made to break or to stall it is a wrong answer, and the oracle starts afresh."""
        try:
            request = encode({"inputs": inputs, "answers": found, "references": wanted})
            messages: list[str | None] = json.loads(self._ask("check", request))
        except NotEvaluableError as error:
            self._bench.sandbox.supervisor.stop([ORACLE])
            self._start()
            return f"the workload's check does not come to an end on this answer: {error}"
        return next(filter(None, messages), None)

    def _start(self) -> bool:
        self._bench.sandbox.supervisor.start(ORACLE, worker(self._bench, self._task, ORACLE))
        return bool(json.loads(self._ask("load", self._script.request(self._task.environment.pythonpath)))["check"])

    def _ask(self, operation: str, payload: bytes) -> bytes:
        reply = self._bench.sandbox.supervisor.ask(ORACLE, operation, payload, timeout=self._bench.timeout)
        if reply.status != "ok":
            raise NotEvaluableError(f"the workload cannot {operation}: {explain(reply)}")
        return reply.payload


def encode(value: Any) -> bytes:
    """Encode inputs or decoded answers as the worker reads them."""
    return json.dumps(value, default=_tag).encode()


def _tag(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"__bytes__": base64.b64encode(value).decode()}
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=False)
    return {"__array__": base64.b64encode(buffer.getvalue()).decode()}


def explain(reply: Reply) -> str:
    """Say why a reply is not an answer."""
    return reply.payload.decode(errors="replace").strip() if reply.status == "exception" else reply.detail


def read_script(file: str | None, code: str | None, folder: Path) -> Script:
    """Return a workload's text. Raises `TaskError` when the file cannot be read."""
    if code is not None or file is None:
        return Script(source=code or "", filename="<workload>")
    path = folder / file
    try:
        return Script(source=path.read_text(encoding="utf-8"), filename=path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"the workload cannot be read: {error}", path=path, field="workload.file") from error
