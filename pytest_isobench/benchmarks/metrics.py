"""The metrics of inference benchmarks: name, unit, direction, and every spelling in which the clients of vLLM and SGLang say them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Literal

from pytest_isobench.errors import UsageError, nearest
from pytest_isobench.models.task import Metric

Direction = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row of the table."""

    name: str
    """The key that a client's JSON has for it, where there is one."""
    unit: str
    better: Direction
    labels: tuple[str, ...] = ()
    """What the clients print before the value."""
    keys: tuple[str, ...] = ()
    """Other keys for it in a client's JSON."""


def _rate(name: str, unit: str, *labels: str, keys: tuple[str, ...] = ()) -> Entry:
    return Entry(name=name, unit=unit, better="higher", labels=labels, keys=keys)


def _seconds(name: str, *labels: str) -> Entry:
    return Entry(name=name, unit="s", better="lower", labels=labels)


PLAIN = (
    _rate("request_throughput", "req/s", "Request throughput (req/s)", "Throughput: requests/s", keys=("requests_per_second",)),
    _rate("request_goodput", "req/s", "Request goodput (req/s)", keys=("request_goodput:",)),
    _rate("input_throughput", "tok/s", "Input token throughput (tok/s)", "input throughput"),
    _rate("output_throughput", "tok/s", "Output token throughput (tok/s)", "output throughput", "Throughput: output tokens/s"),
    _rate(
        "total_token_throughput", "tok/s", "Total Token throughput (tok/s)", "Total token throughput (tok/s)",
        "Throughput: tokens/s", "Throughput: total tokens/s", keys=("total_throughput", "tokens_per_second"),
    ),
    _rate("max_output_tokens_per_s", "tok/s", "Peak output token throughput (tok/s)"),
    _rate(
        "accept_length", "tokens", "Accept length", "Acceptance length", "acc_length",
        keys=("acc_length", "spec_decode_acceptance_length"),
    ),
    _rate("acceptance_rate", "%", "Acceptance rate (%)", keys=("spec_decode_acceptance_rate",)),
    _rate("rtfx", "x", "RTFx (Inverse Real-Time Factor)"),
    _seconds("avg_latency", "Avg latency"),
    _seconds("latency", "latency"),
    _seconds("total_latency", "Total. latency"),
    _seconds("prefill_latency", "Prefill. latency"),
    _rate("prefill_throughput", "tok/s", "Prefill. throughput"),
    _seconds("median_decode_latency", "Decode. median latency"),
    _rate("median_decode_throughput", "tok/s", "Decode. median throughput"),
    _rate("overall_throughput", "tok/s", "Total. throughput", "(input + output) throughput"),
    _seconds("ttft", "ttft"),
    _seconds("last_ttft", "last_ttft"),
    _rate("last_gen_throughput", "tok/s", "Last generation throughput (tok/s)", "last generation throughput"),
    _rate("cache_hit_rate", "1", "cache hit rate"),
    _seconds("cost_time", "cost time"),
)  # fmt: skip
"""Metrics without statistics."""

SPANS = {
    "ttft": ("TTFT",),
    "tpot": ("TPOT",),
    "itl": ("ITL",),
    "e2el": ("E2EL", "E2E Latency"),
}
"""What a request is timed for, in milliseconds, and how it is printed: first token, each token, between two tokens, end to end."""

STATISTICS = ("mean", "median", "std", "min", "max", "p50", "p90", "p95", "p99")
"""The usual ones; every other percentile is known by rule."""

PERCENTILES = ("p10", "p25", "p50", "p75", "p90", "p99")
"""Percentiles that the clients measure of a batch's latency, which is in seconds."""

PERCENTILE = r"p(?:\d|[1-9]\d)(?:\.\d*[1-9])?|p100"
SPAN_LABELS = {label: span for span, labels in SPANS.items() for label in labels}
"""The spans by how they are printed."""

BATCH_LABEL = re.compile(r"(?P<percentile>\d+(?:\.\d+)?)% percentile latency")

_SPAN = re.compile(rf"(?P<statistic>mean|median|std|min|max|{PERCENTILE})_(?P<span>ttft|tpot|itl|e2el|e2e_latency)_ms")
_BATCH = re.compile(rf"(?P<percentile>{PERCENTILE})_latency")


def _span(statistic: str, span: str) -> Entry:
    labels = tuple(f"{statistic.capitalize()} {printed} (ms)" for printed in SPANS[span])
    keys = (f"{statistic}_e2e_latency_ms",) if span == "e2el" else ()
    return Entry(name=f"{statistic}_{span}_ms", unit="ms", better="lower", labels=labels, keys=keys)


def _batch(percentile: str) -> Entry:
    return _seconds(f"{percentile}_latency", f"{percentile.removeprefix('p')}% percentile latency")


TABLE = (*(_span(*both) for both in product(STATISTICS, SPANS)), *PLAIN, *map(_batch, PERCENTILES))
"""Every metric with its spellings; other percentiles follow the same rules."""

METRICS: Mapping[str, Metric] = MappingProxyType(
    {entry.name: Metric(name=entry.name, unit=entry.unit, better=entry.better) for entry in TABLE}
)
"""The usual metrics by name; `metric` knows further percentiles."""

_NAMES = {name: entry.name for entry in TABLE for name in (*entry.keys, entry.name)}


def metric(name: str) -> Metric:
    """Return a metric by its name, or by another key that a client has for it; every percentile is known, such as `p99.9_ttft_ms`.

    Raises UsageError with the nearest name.
    """
    if entry := by_rule(name):
        return Metric(name=entry.name, unit=entry.unit, better=entry.better)
    if name in _NAMES:
        return METRICS[_NAMES[name]]
    usual = "such as mean_ttft_ms, p99_itl_ms, output_throughput and avg_latency"
    raise UsageError(f"there is no metric {name!r}{nearest(name, METRICS)}; metrics are named as in the clients' results, {usual}")


def by_rule(name: str) -> Entry | None:
    """Return the row of a statistic of a request's times, or of a percentile of a batch's latency; None for another name."""
    if found := _SPAN.fullmatch(name):
        return _span(found["statistic"], found["span"].replace("e2e_latency", "e2el"))
    return _batch(found["percentile"]) if (found := _BATCH.fullmatch(name)) else None


def known(key: str) -> str | None:
    """Return the name of the metric that a client writes under a key; None for what is no metric."""
    entry = by_rule(key)
    return entry.name if entry else _NAMES.get(key)
