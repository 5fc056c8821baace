"""What the clients of vLLM and SGLang write as JSON or JSON lines, recognised by its keys."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from pytest_isobench.benchmarks.metrics import METRICS, PERCENTILE, known
from pytest_isobench.benchmarks.refusals import Refusal
from pytest_isobench.models.base import Record, Shown

Kind = Literal["serving", "latency", "throughput", "prefix_caching", "one_batch", "offline"]
Program = Literal["vllm", "sglang"]
Count = Annotated[int, Field(ge=0, le=2**53)]

HUGE = 1e300
"""No metric is so large; an integer beyond is no float."""

SHOWN = 8
"""Keys of an unknown object that a message lists."""


class BenchmarkResult(Record):
    """One run of a benchmark, as its client reports it; nothing of it is checked yet but that it is made of numbers."""

    program: Program
    kind: Kind
    metrics: dict[str, float]
    requested: Count | None = None
    completed: Count | None = None
    failed: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    retokenized_tokens: Count | None = None
    """Output tokens as the client counts them in the text that it got."""
    total_tokens: Count | None = None
    duration: float | None = None
    """Seconds."""
    request_rate: float | Literal["inf"] | None = None
    """Requests a second."""
    max_concurrency: Count | None = None
    model: Shown | None = None
    generated_texts: tuple[str, ...] | None = None
    output_lens: tuple[int, ...] | None = None
    """Output tokens of each request."""


FIELDS: Mapping[str, tuple[str, ...]] = {
    "requested": ("num_prompts", "num_requests"),
    "completed": ("completed", "successful_requests", "num_requests"),
    "failed": ("failed",),
    "input_tokens": ("total_input_tokens", "total_input"),
    "output_tokens": ("total_output_tokens", "total_output"),
    "retokenized_tokens": ("total_output_tokens_retokenized",),
    "total_tokens": ("total_num_tokens",),
    "duration": ("duration", "elapsed_time"),
    "request_rate": ("request_rate",),
    "max_concurrency": ("max_concurrency",),
    "model": ("model_id", "model"),
    "generated_texts": ("generated_texts",),
    "output_lens": ("output_lens",),
}
"""Keys of each field in the clients' JSON, the surest first."""

FAMILIES: tuple[tuple[Kind, Program | None, frozenset[str]], ...] = (
    ("serving", None, frozenset({"duration", "completed", "request_throughput"})),
    ("offline", "sglang", frozenset({"successful_requests", "total_latency", "request_throughput"})),
    ("one_batch", "sglang", frozenset({"batch_size", "prefill_latency", "total_latency"})),
    ("one_batch", "sglang", frozenset({"batch_size", "latency", "output_throughput"})),
    ("throughput", "vllm", frozenset({"elapsed_time", "num_requests", "requests_per_second"})),
    ("latency", "vllm", frozenset({"avg_latency", "latencies"})),
    ("latency", "vllm", frozenset({"avg_latency", "percentiles"})),
)
"""What each client's result holds for certain."""

SGLANG = {"total_output_tokens_retokenized", "mean_e2e_latency_ms", "accept_length", "concurrency", "sharegpt_output_len"}
"""Keys that only SGLang's serving client writes."""

UNKNOWN = {"accept_length", "last_gen_throughput", "last_ttft", "cache_hit_rate"}
"""Metrics that SGLang writes as -1 when the server did not say them."""


_RESULTS = re.compile(rb"\s*(?:\{(?!\s*\"(?:log|stream|time)\")|\[\s*[\[{\]])")


def looks_like_results(head: bytes) -> bool:
    """Tell from its beginning whether a file is what a client saved, and not a log, whose lines may be JSON, too."""
    objects = (line for line in head.split(b"\n") if line[:1] == b"{")
    return bool(_RESULTS.match(head.removeprefix(codecs.BOM_UTF8))) or any(map(_is_result, objects))


def _is_result(line: bytes) -> bool:
    try:
        return _family(_loads(line.decode())) is not None
    except ValueError:
        return False


def read_results(data: bytes) -> list[BenchmarkResult | Refusal]:
    """Return what a file holds: an object, a list of them, or one a line. What cannot be used is a refusal in its place."""
    text = data.decode("utf-8-sig", "replace")
    try:
        found = _loads(text)
    except ValueError as error:
        several = len(text.split("\n", 2)) > 1 and bool(text.partition("\n")[2].strip())
        return list(_read_lines(text)) if several else [Refusal(code="not_json", reason=f"is no JSON: {error}", place="line 1")]
    if isinstance(found, list):
        return [result_of(value, f"item {number}") for number, value in enumerate(found, 1)] or [_unknown(found, "")]
    return [result_of(found, "")]


def _read_lines(text: str) -> Iterator[BenchmarkResult | Refusal]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield result_of(_loads(line), f"line {number}")
            except ValueError as error:
                yield Refusal(code="not_json", reason=f"is no JSON: {error}", place=f"line {number}")


def result_of(found: object, place: str, kind: Kind | None = None) -> BenchmarkResult | Refusal:
    """Return the result that a client's JSON object is; its `kind`, where it is known, is not looked for."""
    family = (kind, _program(found)) if kind and isinstance(found, dict) else _family(found)
    if family is None or not isinstance(found, dict):
        return _unknown(found, place)
    metrics = dict(_metrics(found, family[0]))
    if wrong := {key: value for key, value in metrics.items() if not _number(value)}:
        key, value = next(iter(wrong.items()))
        return Refusal(code="not_finite", reason=f"{key} is {value!r:.40}; a metric is a finite number", place=place)
    try:
        return BenchmarkResult(program=family[1], kind=family[0], metrics=metrics, **_fields(found, family[0]))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return Refusal(code="not_a_result", reason=f"{where} is {first['input']!r:.40}: {first['msg']}", place=place)


def _family(found: object) -> tuple[Kind, Program] | None:
    if not isinstance(found, dict):
        return None
    return next(((kind, program or _program(found)) for kind, program, keys in FAMILIES if keys <= found.keys()), None)


def _program(found: object) -> Program:
    return "sglang" if isinstance(found, dict) and found.keys() & SGLANG else "vllm"


def _unknown(found: object, place: str) -> Refusal:
    if isinstance(found, dict):
        keys = ", ".join(f"{key!s:.40}" for key in list(found)[:SHOWN])
        held = f"an object with {keys or 'nothing in it'}{' ...' if len(found) > SHOWN else ''}"
    else:
        held = f"{type(found).__name__} {found!r:.40}"
    reason = f"holds {held}; that is no result of vLLM's or SGLang's serving, latency, throughput, one-batch or offline benchmark"
    return Refusal(code="unknown", reason=reason, place=place)


def _metrics(found: Mapping[str, Any], kind: Kind) -> Iterator[tuple[str, Any]]:
    """Yield metrics by their names, whatever stands in their places; what a client does not know is left out."""
    for key, value in found.items():
        name = known(key)
        foreign = name is None or (kind == "serving" and METRICS.get(name) is not None and METRICS[name].unit == "s")
        if not foreign and value is not None and not (name in UNKNOWN and value == -1) and (kind, name) != ("offline", "total_latency"):
            yield str(name), value
    if kind == "latency" and isinstance(found.get("percentiles"), dict):
        percentiles = {f"p{percent}": value for percent, value in found["percentiles"].items()}
        yield from ((f"{name}_latency", value) for name, value in percentiles.items() if re.fullmatch(PERCENTILE, name))


def _fields(found: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    fields = {field: next((found[key] for key in keys if found.get(key) is not None), None) for field, keys in FIELDS.items()}
    if kind == "offline":
        fields["duration"] = found.get("total_latency", fields["duration"])
    if fields["request_rate"] == math.inf:
        fields["request_rate"] = "inf"
    if isinstance(errors := found.get("errors"), list) and fields["failed"] is None:
        fields["failed"] = sum(bool(error) for error in errors)
        fields["requested"] = fields["requested"] or len(errors)
    return {field: value for field, value in fields.items() if value not in (None, [])}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -HUGE < value < HUGE


def _loads(text: str) -> Any:
    """Parse JSON in which numbers may be infinite, as SGLang writes a request rate. Raises ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
