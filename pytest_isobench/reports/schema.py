"""The JSON schemas of what goes in and comes out, with the unit and the direction of every number of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_isobench.errors import UsageError, nearest
from pytest_isobench.models.agent import AGENT_VERSION, ATTEMPT_VERSION, AgentSpec, AttemptRecord
from pytest_isobench.models.base import Record
from pytest_isobench.models.result import REPORT_VERSION, Report, Result
from pytest_isobench.models.task import TASK_VERSION, Task

RECORDS: Mapping[str, tuple[type[Record], int]] = {
    "report": (Report, REPORT_VERSION),
    "result": (Result, REPORT_VERSION),
    "task": (Task, TASK_VERSION),
    "agent": (AgentSpec, AGENT_VERSION),
    "attempt": (AttemptRecord, ATTEMPT_VERSION),
}

RATIO = "ratio of times, 1 is equal", "higher is faster"
LOG_RATIO = "log ratio of times", "lower is less noise"
SHARE = "share, 0 to 1", ""
SECONDS = "s", ""
ROUNDS = "rounds", ""
CASES = "cases", ""
COUNT = "count", ""
TOKENS = "tokens", ""

UNITS: Mapping[str, tuple[str, str]] = {
    "AttemptRecord.attempt": ("number of the attempt, from 0", ""),
    "AttemptRecord.first_edit": SECONDS,
    "AttemptRecord.seconds": SECONDS,
    "AttemptRecord.steps": ("turns of the model", ""),
    "AttemptRecord.tries": COUNT,
    "AttemptRecord.version": ("version", ""),
    "CheckResult.seconds": SECONDS,
    "Comparison.margin": SHARE,
    "Comparison.noise_floor": LOG_RATIO,
    "Comparison.overhead": ("s", "lower is less overhead"),
    "Comparison.prepare": ("s", "lower is faster"),
    "Comparison.redone": ("rounds", "lower is less noise"),
    "Comparison.rounds": ROUNDS,
    "Comparison.setup": ("s", "lower is faster"),
    "Comparison.times": ("metric.unit", "metric.better"),
    "Contrast.values": ("metric.unit", "metric.better"),
    "Configuration.confidence": SHARE,
    "Configuration.margin": SHARE,
    "Configuration.seed": ("any integer", ""),
    "Configuration.time_budget": SECONDS,
    "Configuration.timeout": SECONDS,
    "ContainerSettings.cpus": ("CPUs", ""),
    "ContainerSettings.life": ("s", ""),
    "ContainerSettings.memory_mb": ("MiB", ""),
    "ContainerSettings.parallel": ("sandboxes", ""),
    "ContainerSettings.pids": ("processes", ""),
    "ContainerSettings.shm_mb": ("MiB", ""),
    "ContainerSettings.user": ("user id", ""),
    "ContainerSettings.wait": ("s", ""),
    "Device.index": ("number of the device, from 0", ""),
    "Device.looks": COUNT,
    "Device.memory_mb": ("MiB", ""),
    "Estimate.confidence": SHARE,
    "Estimate.high": RATIO,
    "Estimate.low": RATIO,
    "Estimate.ratio": RATIO,
    "Estimate.rounds": ROUNDS,
    "Estimate.sd": LOG_RATIO,
    "GpuState.memory_used_mb": ("MiB", ""),
    "GpuState.memory_clock": ("MHz", ""),
    "GpuState.power": ("W", ""),
    "GpuState.processes": ("process id", ""),
    "GpuState.sm_clock": ("MHz", ""),
    "GpuState.temperature": ("°C", ""),
    "Isolation.usd_per_hour": ("USD/h", "lower is cheaper"),
    "Machine.cores": ("number of a logical CPU", ""),
    "Machine.load": ("processes, over 1, 5 and 15 minutes", "lower is less noise"),
    "Machine.logical_cores": COUNT,
    "Machine.memory_mb": ("MiB", ""),
    "Machine.physical_cores": COUNT,
    "Machine.steal": ("share, 0 to 1", "lower is less noise"),
    "Machine.throttled": ("events", "lower is less noise"),
    "PatchFacts.added": ("lines", ""),
    "PatchFacts.removed": ("lines", ""),
    "Rate.high": ("share, 0 to 1", "higher is better"),
    "Rate.low": ("share, 0 to 1", "higher is better"),
    "Rate.share": ("share, 0 to 1", "higher is better"),
    "Rate.successes": ("cases", "higher is better"),
    "Rate.total": CASES,
    "Report.version": ("version", ""),
    "Result.attempt": ("number of the attempt, from 0", ""),
    "Result.seconds": SECONDS,
    "Result.version": ("version", ""),
    "Totals.cases": CASES,
    "Totals.failures": CASES,
    "Totals.geometric_mean_vs_baseline": RATIO,
    "Totals.geometric_mean_vs_human": RATIO,
    "Totals.measured": CASES,
    "Totals.not_evaluable": CASES,
    "Totals.outcomes": CASES,
    "Totals.task_states": CASES,
    "Usage.cached_tokens": TOKENS,
    "Usage.input_tokens": TOKENS,
    "Usage.output_tokens": TOKENS,
    "Usage.reasoning_tokens": TOKENS,
    "Usage.usd": ("USD", "lower is cheaper"),
}
"""Unit and direction of every number in a report; an empty direction means that neither end is better."""


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON schema of one of `RECORDS`. Raises `UsageError` for another name."""
    if name not in RECORDS:
        raise UsageError(f"there is no schema {name!r}{nearest(name, RECORDS)}; schemas: {', '.join(RECORDS)}")
    record, version = RECORDS[name]
    schema = record.model_json_schema()
    for owner, field, shape in number_fields(schema):
        if unit := UNITS.get(f"{owner}.{field}"):
            shape["unit"] = unit[0]
            if unit[1]:
                shape["direction"] = unit[1]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:pytest-isobench:{name}:{version}", **schema}


def number_fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield owner, name and shape of all fields of a schema that hold numbers."""
    for owner, definition in {**schema.get("$defs", {}), schema["title"]: schema}.items():
        for field, shape in definition.get("properties", {}).items():
            if _holds_numbers(shape):
                yield owner, field, shape


def _holds_numbers(shape: object) -> bool:
    if isinstance(shape, list):
        return any(map(_holds_numbers, shape))
    if not isinstance(shape, dict):
        return False
    inner = (shape.get(key) for key in ("anyOf", "items", "prefixItems", "additionalProperties"))
    return shape.get("type") in ("number", "integer") or any(map(_holds_numbers, inner))
