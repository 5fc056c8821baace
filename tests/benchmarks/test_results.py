"""What the clients save: recognised by its keys, refused by its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.benchmarks.refusals import Refusal
from pytest_isobench.benchmarks.results import BenchmarkResult, looks_like_results, read_results

SERVING: dict[str, Any] = {
    "date": "20250101-120000", "backend": "vllm", "model_id": "some/model", "tokenizer_id": "some/model", "num_prompts": 10,
    "request_rate": "inf", "max_concurrency": 4, "duration": 2.0, "completed": 10, "total_input_tokens": 1000, "total_output_tokens": 200,
    "request_throughput": 5.0, "request_goodput:": None, "output_throughput": 100.0, "total_token_throughput": 600.0,
    "input_lens": [100] * 10, "output_lens": [20] * 10, "ttfts": [0.01] * 10, "generated_texts": ["a"] * 10, "errors": [""] * 10,
    "mean_ttft_ms": 10.0, "median_ttft_ms": 9.0, "std_ttft_ms": 1.0, "p99_ttft_ms": 19.0,
    "mean_tpot_ms": 5.0, "median_tpot_ms": 4.5, "std_tpot_ms": 1.0, "p99_tpot_ms": 9.5,
}  # fmt: skip
NEWER = {
    **{key: value for key, value in SERVING.items() if key not in ("errors", "request_goodput:")},
    "endpoint_type": "openai", "label": None, "failed": 1, "completed": 9, "max_output_tokens_per_s": 120.0, "request_goodput": 4.0,
    "rtfx": 0.0, "p99.9_ttft_ms": 25.0,
}  # fmt: skip
SGLANG = {
    "backend": "sglang", "dataset_name": "random", "request_rate": float("inf"), "max_concurrency": None, "duration": 2.0, "completed": 10,
    "total_input_tokens": 1000, "total_output_tokens": 200, "total_output_tokens_retokenized": 199, "request_throughput": 5.0,
    "input_throughput": 500.0, "output_throughput": 100.0, "mean_e2e_latency_ms": 100.0, "median_e2e_latency_ms": 90.0,
    "p95_itl_ms": 7.0, "concurrency": 3.5, "accept_length": None,
}  # fmt: skip
LATENCY = {"avg_latency": 0.5, "latencies": [0.4, 0.6], "percentiles": {"10": 0.41, "50": 0.5, "99.9": 0.6}}
THROUGHPUT = {
    "elapsed_time": 2.0, "num_requests": 10, "total_num_tokens": 1200, "requests_per_second": 5.0, "tokens_per_second": 600.0,
}  # fmt: skip
ONE_BATCH = {
    "run_name": "before", "batch_size": 1, "input_len": 256, "output_len": 32, "prefill_latency": 0.1, "prefill_throughput": 2560.0,
    "median_decode_latency": 0.01, "median_decode_throughput": 100.0, "total_latency": 0.42, "overall_throughput": 685.7,
}  # fmt: skip
BATCH_SERVER = {
    "run_name": "default", "batch_size": 16, "input_len": 1024, "output_len": 8, "latency": 0.5, "output_throughput": 256.0,
    "overall_throughput": 33024.0, "last_gen_throughput": -1, "acc_length": -1,
}  # fmt: skip
OFFLINE = {
    "backend": "engine", "successful_requests": 10, "total_latency": 2.0, "total_input_tokens": 1000, "total_output_tokens": 200,
    "last_gen_throughput": 90.0, "request_throughput": 5.0, "input_throughput": 500.0, "output_throughput": 100.0,
    "total_throughput": 600.0,
}  # fmt: skip


def one(value: object) -> BenchmarkResult:
    """Return the only result of a file, which is good."""
    (found,) = read_results(json.dumps(value).encode())
    assert isinstance(found, BenchmarkResult), found
    return found


def refused(data: bytes) -> Refusal:
    (found,) = read_results(data)
    assert isinstance(found, Refusal), found
    return found


def test_vllms_serving() -> None:
    result = one(SERVING)
    assert (result.program, result.kind, result.model) == ("vllm", "serving", "some/model")
    assert (result.requested, result.completed, result.failed) == (10, 10, 0)
    assert (result.input_tokens, result.output_tokens, result.duration) == (1000, 200, 2.0)
    assert (result.request_rate, result.max_concurrency) == ("inf", 4)
    assert (result.output_lens, result.generated_texts) == ((20,) * 10, ("a",) * 10)
    assert result.metrics == {name: SERVING[name] for name in SERVING if name.endswith(("_ms", "put"))}


def test_newer_results_of_vllm_count_failures() -> None:
    result = one(NEWER)
    assert (result.failed, result.completed) == (1, 9)
    assert result.metrics["request_goodput"] == 4.0
    assert result.metrics["max_output_tokens_per_s"] == 120.0
    assert result.metrics["p99.9_ttft_ms"] == 25.0


def test_errors_are_failures() -> None:
    assert one({**SERVING, "errors": ["", "refused", ""]}).failed == 1


def test_sglangs_serving() -> None:
    result = one(SGLANG)
    assert (result.program, result.kind, result.request_rate, result.retokenized_tokens) == ("sglang", "serving", "inf", 199)
    assert result.metrics["mean_e2el_ms"] == 100.0
    assert result.metrics["p95_itl_ms"] == 7.0
    assert "accept_length" not in result.metrics


@pytest.mark.parametrize(
    ("value", "program", "kind", "metrics"),
    [
        (LATENCY, "vllm", "latency", {"avg_latency": 0.5, "p10_latency": 0.41, "p50_latency": 0.5, "p99.9_latency": 0.6}),
        (THROUGHPUT, "vllm", "throughput", {"request_throughput": 5.0, "total_token_throughput": 600.0}),
        (ONE_BATCH, "sglang", "one_batch", {name: ONE_BATCH[name] for name in ONE_BATCH if name.endswith(("latency", "throughput"))}),
        (BATCH_SERVER, "sglang", "one_batch", {"latency": 0.5, "output_throughput": 256.0, "overall_throughput": 33024.0}),
        (
            OFFLINE, "sglang", "offline",
            {"last_gen_throughput": 90.0, "request_throughput": 5.0, "input_throughput": 500.0, "output_throughput": 100.0,
             "total_token_throughput": 600.0},
        ),
    ],
)  # fmt: skip
def test_other_clients(value: object, program: str, kind: str, metrics: dict[str, float]) -> None:
    result = one(value)
    assert (result.program, result.kind, result.metrics) == (program, kind, metrics)


def test_throughput_and_offline_know_their_work() -> None:
    assert (one(THROUGHPUT).completed, one(THROUGHPUT).duration, one(THROUGHPUT).total_tokens) == (10, 2.0, 1200)
    assert (one(OFFLINE).completed, one(OFFLINE).duration, one(OFFLINE).output_tokens) == (10, 2.0, 200)


def test_a_broken_line_leaves_its_neighbours() -> None:
    lines = [json.dumps(SGLANG), json.dumps(SGLANG)[:100], "", json.dumps({"a": 1}), json.dumps(OFFLINE)]
    first, second, third, fourth = read_results("\n".join(lines).encode())
    assert isinstance(first, BenchmarkResult)
    assert isinstance(second, Refusal)
    assert (second.code, second.place) == ("not_json", "line 2")
    assert isinstance(third, Refusal)
    assert (third.code, third.place) == ("unknown", "line 4")
    assert isinstance(fourth, BenchmarkResult)


def test_a_broken_first_line_leaves_its_neighbours() -> None:
    broken, good = read_results(f'"a": 1}}\n{json.dumps(OFFLINE)}\n'.encode())
    assert isinstance(broken, Refusal)
    assert isinstance(good, BenchmarkResult)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "fast", True, [1.0]])
def test_a_metric_is_a_finite_number(value: object) -> None:
    found = refused(json.dumps({**SERVING, "mean_ttft_ms": value}).encode())
    assert found.code == "not_finite"
    assert found.reason.startswith("mean_ttft_ms is ")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("completed", 9.5, "completed is 9.5"),
        ("completed", -1, "completed is -1"),
        ("completed", 10**400, f"completed is 1{'0' * 39}"),
        ("duration", float("inf"), "duration is inf"),
        ("total_input_tokens", "many", "input_tokens is 'many'"),
    ],
)
def test_other_fields_are_checked(field: str, value: object, reason: str) -> None:
    found = refused(json.dumps({**SERVING, field: value}).encode())
    assert (found.code, found.reason.partition(":")[0]) == ("not_a_result", reason)


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"", "not_json", "is no JSON"),
        (b"{", "not_json", "is no JSON"),
        (b"[]", "unknown", "holds list []"),
        (b"3", "unknown", "holds int 3"),
        (b'{"name": 1, "avg_latency": 2}', "unknown", "holds an object with name, avg_latency; that is no result"),
        (b"[" * 100_000, "not_json", "is no JSON: nested too deeply"),
    ],
)
def test_unknown_content_is_said(data: bytes, code: str, reason: str) -> None:
    found = refused(data)
    assert found.code == code
    assert reason in found.reason


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_can_be_read(data: bytes) -> None:
    assert all(isinstance(found, Refusal) for found in read_results(data))


KEYS = st.sampled_from([*SERVING, *SGLANG, *OFFLINE, *LATENCY, *BATCH_SERVER])
ANY = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3))


@given(st.sampled_from([SERVING, NEWER, SGLANG, LATENCY, THROUGHPUT, OFFLINE, BATCH_SERVER]), st.dictionaries(KEYS, ANY, max_size=4))
def test_any_value_is_taken_or_refused(value: dict[str, Any], changes: dict[str, Any]) -> None:
    (found,) = read_results(json.dumps({**value, **changes}).encode())
    assert isinstance(found, BenchmarkResult | Refusal)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (json.dumps(SERVING).encode(), True),
        (b"\xef\xbb\xbf" + json.dumps(SERVING).encode(), True),
        (b"\n  {\n", True),
        (b"[{}]", True),
        (b'"cut": 1}\n' + json.dumps(OFFLINE).encode() + b"\n", True),
        (b"[2024-01-01 00:00:00] INFO", False),
        (b"[1/4] Building", False),
        (b'{"log":"Successful requests: 5\\n","stream":"stdout"}', False),
        (b"Successful requests: 5", False),
        (b"", False),
    ],
)
def test_results_are_told_from_logs(head: bytes, expected: bool) -> None:
    assert looks_like_results(head) is expected
