"""What the clients print before a value, and which key of their JSON it is: metrics, and the counts beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pytest_isobench.benchmarks.metrics import BATCH_LABEL, SPAN_LABELS, TABLE, by_rule

COUNTS: Mapping[str, str] = {
    "Successful requests": "completed",
    "Failed requests": "failed",
    "Benchmark duration (s)": "duration",
    "Total input tokens": "total_input_tokens",
    "Total input text tokens": "total_input_text_tokens",
    "Total input vision tokens": "total_input_vision_tokens",
    "Total generated tokens": "total_output_tokens",
    "Total generated tokens (retokenized)": "total_output_tokens_retokenized",
    "Concurrency": "concurrency",
    "Peak concurrent requests": "max_concurrent_requests",
    "Drafts": "spec_decode_num_drafts",
    "Draft tokens": "spec_decode_draft_tokens",
    "Accepted tokens": "spec_decode_accepted_tokens",
}
"""Numbers of a serving or offline benchmark that are no metrics of it."""

BATCH_COUNTS: Mapping[str, str] = {"batch size": "batch_size", "input_len": "input_len", "output_len": "output_len"}
"""Those of a single batch."""

THROUGHPUT_COUNTS: Mapping[str, str] = {"Total num prompt tokens": "total_input_tokens", "Total num output tokens": "total_output_tokens"}
"""Those of vLLM's offline throughput."""

SETTINGS: Mapping[str, str] = {
    "Backend": "backend",
    "Traffic request rate": "request_rate",
    "Request rate configured (RPS)": "request_rate",
    "Max request concurrency": "max_concurrency",
    "Max reqeuest concurrency": "max_concurrency",  # so SGLang wrote it for a while
    "Maximum request concurrency": "max_concurrency",
}
"""What was asked for, as the clients repeat it in a block."""

SPAN = rf"(?:Mean|Median|Std|Min|Max|P\d+(?:\.\d+)?) (?:{'|'.join(SPAN_LABELS)}) \(ms\)"

_SPAN = re.compile(rf"(?P<statistic>\w+(?:\.\d+)?) (?P<span>{'|'.join(SPAN_LABELS)}) \(ms\)")
_METRICS = {label: entry.name for entry in TABLE for label in entry.labels}
_KEYS = {**_METRICS, **COUNTS, **BATCH_COUNTS, **THROUGHPUT_COUNTS, **SETTINGS}


def key_of(label: str) -> str | None:
    """Return the key that a client's JSON has for what it prints under this label; None for another label."""
    if found := _SPAN.fullmatch(label):
        entry = by_rule(f"{found['statistic'].lower()}_{SPAN_LABELS[found['span']]}_ms")
    elif found := BATCH_LABEL.fullmatch(label):
        entry = by_rule(f"p{found['percentile']}_latency")
    else:
        return _KEYS.get(label)
    return entry.name if entry else None


def alternatives(labels: Iterable[str]) -> str:
    """Return a regular expression of these labels, the longest first."""
    return "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))


_OTHERS = ("Accept length", "Acceptance length", "Acceptance rate (%)", "RTFx (Inverse Real-Time Factor)")
SERVING = f"{SPAN}|{alternatives([*COUNTS, *_OTHERS, *(label for label in _METRICS if label.endswith(('(tok/s)', '(req/s)')))])}"
"""Labels of a serving or offline benchmark, as a regular expression; a percentile is any number."""
