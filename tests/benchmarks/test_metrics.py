"""The table of metrics."""

from __future__ import annotations

import pytest

from pytest_isobench.benchmarks.metrics import METRICS, TABLE, metric
from pytest_isobench.errors import UsageError


@pytest.mark.parametrize(
    ("name", "unit", "better"),
    [
        ("mean_ttft_ms", "ms", "lower"),
        ("median_tpot_ms", "ms", "lower"),
        ("p99_itl_ms", "ms", "lower"),
        ("mean_e2el_ms", "ms", "lower"),
        ("p99.9_ttft_ms", "ms", "lower"),
        ("p5_e2el_ms", "ms", "lower"),
        ("p100_itl_ms", "ms", "lower"),
        ("request_throughput", "req/s", "higher"),
        ("request_goodput", "req/s", "higher"),
        ("output_throughput", "tok/s", "higher"),
        ("input_throughput", "tok/s", "higher"),
        ("total_token_throughput", "tok/s", "higher"),
        ("avg_latency", "s", "lower"),
        ("p10_latency", "s", "lower"),
        ("p99.5_latency", "s", "lower"),
        ("median_decode_latency", "s", "lower"),
        ("last_gen_throughput", "tok/s", "higher"),
        ("cost_time", "s", "lower"),
    ],
)
def test_a_metric_has_a_unit_and_a_direction(name: str, unit: str, better: str) -> None:
    found = metric(name)
    assert (found.name, found.unit, found.better) == (name, unit, better)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("mean_e2e_latency_ms", "mean_e2el_ms"),
        ("p99.9_e2e_latency_ms", "p99.9_e2el_ms"),
        ("requests_per_second", "request_throughput"),
        ("tokens_per_second", "total_token_throughput"),
        ("total_throughput", "total_token_throughput"),
        ("request_goodput:", "request_goodput"),
    ],
)
def test_other_keys_of_clients_mean_the_same(key: str, name: str) -> None:
    assert metric(key).name == name


@pytest.mark.parametrize("name", METRICS)
def test_all_are_found_by_their_names(name: str) -> None:
    assert metric(name) == METRICS[name]
    assert metric(name).name == name


def test_no_spelling_means_two_things() -> None:
    spellings = [(spelling, entry.name) for entry in TABLE for spelling in {*entry.labels, *entry.keys, entry.name}]
    assert len(dict(spellings)) == len(spellings)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("mean_tttf_ms", "mean_ttft_ms"), ("p99_itl", "p99_itl_ms"), ("output_troughput", "output_throughput"),
        ("avg_latncy", "avg_latency"), ("p101_ttft_ms", "p10"),
        ("p099_ttft_ms", "p99_ttft_ms"), ("p99.0_ttft_ms", "p99_ttft_ms"),
        ("P99_ttft_ms", "p99_ttft_ms"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_told_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"there is no metric '{wrong}'") as refused:
        metric(wrong)
    if meant in METRICS:
        assert f"did you mean '{meant}'" in str(refused.value)
