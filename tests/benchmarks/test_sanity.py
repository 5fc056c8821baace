"""Rules that refuse a result, each shown by one that breaks it and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_isobench.benchmarks.results import BenchmarkResult
from pytest_isobench.benchmarks.sanity import different_work, refusals

METRICS = {
    "request_throughput": 5.0, "output_throughput": 100.0, "total_token_throughput": 600.0,
    "mean_ttft_ms": 10.0, "median_ttft_ms": 9.0, "p99_ttft_ms": 19.0,
    "mean_tpot_ms": 5.0, "median_tpot_ms": 4.5, "p99_tpot_ms": 9.5,
}  # fmt: skip


def result(metrics: dict[str, float] | None = None, **changes: Any) -> BenchmarkResult:
    """Return a good serving result, with changes."""
    fields: dict[str, Any] = {
        "program": "vllm", "kind": "serving", "requested": 10, "completed": 10, "failed": 0, "input_tokens": 1000, "output_tokens": 200,
        "duration": 2.0,
    }  # fmt: skip
    return BenchmarkResult(**{**fields, **changes, "metrics": {**METRICS, **(metrics or {})}})


def without(*endings: str, **changes: Any) -> BenchmarkResult:
    """Return the good result less the metrics that end so."""
    whole = result(**changes)
    return whole.model_copy(update={"metrics": {name: value for name, value in whole.metrics.items() if not name.endswith(endings)}})


def codes(found: BenchmarkResult, **options: Any) -> list[str]:
    return [refusal.code for refusal in refusals(found, **options)]


def test_a_good_result_is_believed() -> None:
    assert refusals(result()) == []


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (result(failed=1), "failed_requests"),
        (result(requested=11), "failed_requests"),
        (result(completed=0, requested=10, failed=10), "nothing_completed"),
        (without(""), "no_metrics"),
        (result({"mean_ttft_ms": -1.0}), "not_finite"),
        (result({"mean_tpot_ms": 0.0, "median_tpot_ms": 0.0, "p99_tpot_ms": 0.0}), "no_usage"),
        (result({"output_throughput": 0.0}, output_tokens=0, input_tokens=None), "no_usage"),
        (result({"request_throughput": 0.0}, completed=1, requested=1, duration=300.0, input_tokens=None, output_tokens=None), "zero"),
        (result({"mean_ttft_ms": 9.0, "median_ttft_ms": 9.0, "p99_ttft_ms": 9.0}), "single_request"),
        (without("_tpot_ms"), "half_block"),
        (without("median_ttft_ms"), "half_block"),
        (result({"median_ttft_ms": 20.0}), "contradiction"),
        (result({"p90_ttft_ms": 19.5}), "contradiction"),
        (result({"output_throughput": 150.0}), "contradiction"),
        (result(duration=4.0, completed=20, requested=20), "contradiction"),
    ],
)
def test_each_rule_refuses(broken: BenchmarkResult, code: str) -> None:
    assert set(codes(broken)) == {code}
    assert all(refusal.reason for refusal in refusals(broken))


@pytest.mark.parametrize(
    "good",
    [
        result(output_tokens=10, metrics={"output_throughput": 5.0, "total_token_throughput": 505.0, "mean_tpot_ms": 0.0,
                                          "median_tpot_ms": 0.0, "p99_tpot_ms": 0.0}),
        result({"std_ttft_ms": 0.0, "rtfx": 0.0}),
        result({"request_throughput": 5.004, "p50_ttft_ms": 9.004}),
        result({"mean_ttft_ms": 25.0}),
        without("_ttft_ms", "_tpot_ms"),
        without("_tpot_ms", program="sglang", metrics={"mean_itl_ms": 5.0, "median_itl_ms": 4.0}),
    ],
)  # fmt: skip
def test_what_may_be_is_not_refused(good: BenchmarkResult) -> None:
    assert refusals(good) == []


def test_some_requests_may_fail_when_the_caller_says_so() -> None:
    assert codes(result(failed=1, requested=11), failed_share=0.1) == []
    assert codes(result(failed=2, requested=12), failed_share=0.1) == ["failed_requests"]


def test_the_caller_knows_how_many_were_asked_for() -> None:
    assert codes(result(requested=None, failed=None), requested=10) == []
    assert codes(result(requested=None, failed=None), requested=20) == ["failed_requests"]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (result(completed=9), "completed requests differ: base 10, patch 9"),
        (result(input_tokens=900), "input tokens differ: base 1000, patch 900"),
        (result(output_tokens=150), "output tokens differ: base 200, patch 150"),
        (result(output_tokens=None), "output tokens are unknown for patch, and known for the others"),
    ],
)
def test_arms_that_did_different_work(other: BenchmarkResult, reason: str) -> None:
    assert [(found.code, found.reason) for found in different_work({"base": result(), "patch": other})] == [("different_work", reason)]


def test_arms_that_did_the_same_work() -> None:
    arms = {"base": result(retokenized_tokens=199), "human": result(retokenized_tokens=198), "patch": result(retokenized_tokens=200)}
    assert different_work(arms) == []
    assert different_work({"base": result(), "patch": result(output_tokens=199)}) == []
    assert different_work({"base": result(), "patch": result(output_tokens=199)}, tolerance=0.001) != []


def test_tokens_that_nobody_received() -> None:
    arms = {"base": result(retokenized_tokens=199), "patch": result(retokenized_tokens=20)}
    reasons = [found.reason for found in different_work(arms)]
    claimed = "patch: 200 output tokens are claimed, and the text that arrived has 20"
    assert reasons == ["retokenized tokens differ: base 199, patch 20", claimed]
