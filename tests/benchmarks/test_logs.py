"""Logs: every number of a summary comes back, whatever was done to its text, and no other number ever does."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from printing import MANGLED, NOISE, Summary, latency, row, serving, throughput

from pytest_isobench.benchmarks.logs import ParsedLog, parse_log

DATA = Path(__file__).parents[2] / ".." / "shared" / "iso_bench_data"

CLIENTS: dict[str, Callable[[random.Random], Summary]] = {
    "vllm": serving,
    "sglang": lambda rng: serving(rng, "sglang"),
    "percentiles": lambda rng: serving(rng, percentiles=("75", "90", "95", "99", "99.9")),
    "latency": latency,
    "throughput": throughput,
}
randoms = st.integers(0, 2**32).map(random.Random)


def once(log: ParsedLog) -> dict[str, float]:
    """Return the numbers of a log that prints each label once."""
    assert {len(values) for values in log.printed.values()} <= {1}
    return {label: values[0] for label, values in log.printed.items()}


@pytest.mark.soak
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("mangle", MANGLED)
@given(rng=randoms)
def test_a_summary_comes_back_exactly(client: str, mangle: str, rng: random.Random) -> None:
    summary = CLIENTS[client](rng)
    log = parse_log(MANGLED[mangle](summary.text, rng))
    assert once(log) == summary.values
    assert log.result is not None, log.reason
    assert log.result.kind == (client if client in ("latency", "throughput") else "serving")
    assert log.result.program == ("sglang" if client == "sglang" else "vllm")


@pytest.mark.parametrize("client", ["vllm", "sglang"])
@given(rng=randoms)
def test_a_head_shows_what_an_unknown_logger_writes(client: str, rng: random.Random) -> None:
    summary = CLIENTS[client](rng)
    log = parse_log("".join(f"worker gpu=H100 %% {number} {line}\n" for number, line in enumerate(summary.text.splitlines())))
    assert once(log) == summary.values
    assert log.result is not None, log.reason


@pytest.mark.parametrize("client", ["vllm", "sglang", "latency"])
@pytest.mark.parametrize("gap", [" ", "", " ⏎ "])
@given(rng=randoms)
def test_a_block_without_its_line_ends_comes_back(client: str, gap: str, rng: random.Random) -> None:
    summary = CLIENTS[client](rng)
    log = parse_log(gap.join(["before]", *summary.text.splitlines(), "after"]))
    assert once(log) == summary.values
    assert log.result is not None, log.reason


@pytest.mark.parametrize("client", ["vllm", "sglang", "latency", "throughput"])
@given(rng=randoms)
def test_what_is_printed_twice_is_one_result(client: str, rng: random.Random) -> None:
    summary = CLIENTS[client](rng)
    log = parse_log(summary.text + "something else\n" + summary.text)
    assert log.printed == {label: [value, value] for label, value in summary.values.items()}
    assert log.result is not None, log.reason


@pytest.mark.parametrize("client", ["vllm", "sglang", "latency"])
@given(rng=randoms)
def test_lines_that_are_all_doubled_are_one_result(client: str, rng: random.Random) -> None:
    summary = CLIENTS[client](rng)
    log = parse_log("".join(f"{line}\n{line}\n" for line in summary.text.splitlines()))
    assert log.printed == {label: [value, value] for label, value in summary.values.items()}
    assert log.result is not None, log.reason


@given(lines=st.lists(st.sampled_from(NOISE)), mangle=st.sampled_from(sorted(MANGLED)), rng=randoms)
def test_noise_gives_nothing(lines: list[str], mangle: str, rng: random.Random) -> None:
    log = parse_log(MANGLED[mangle]("".join(f"{line}\n" for line in lines), rng))
    assert log.printed == {}
    assert log.result is None
    assert log.reason == "no benchmark of vLLM or SGLang printed its summary here"


@given(text=st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    assert parse_log(text).result is None


@pytest.mark.parametrize("client", ["vllm", "sglang"])
@given(rng=randoms, share=st.floats(0.01, 0.99))
def test_a_cut_summary_has_no_wrong_number_and_no_result(client: str, rng: random.Random, share: float) -> None:
    summary = CLIENTS[client](rng)
    at = int(len(summary.text.rstrip("=\n")) * share)
    for part in (summary.text[:at], summary.text[at:]):
        log = parse_log(part)
        assert once(log).items() <= summary.values.items()
    cut = parse_log(summary.text[:at])
    assert cut.result is None
    assert [refusal.code for refusal in cut.refusals] in ([], ["cut_block"])


@given(rng=randoms, size=st.integers(1, 70))
def test_a_stream_is_read_as_the_text_is(rng: random.Random, size: int) -> None:
    class Slow(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    text = MANGLED["bars"](serving(rng).text, rng).replace("\n", "\r\n")
    assert parse_log(Slow(text.encode())) == parse_log(text)


@given(rng=randoms)
def test_a_table_has_a_run_in_each_column(rng: random.Random) -> None:
    before, after = serving(rng), serving(rng)
    both = {label: (value, after.values[label]) for label, value in before.values.items() if label in after.values}
    rows = "".join(f"| **{label}** | {one} | {other:,.2f} | -3.2 |\n" for label, (one, other) in both.items())
    log = parse_log(f"| Metric | before | after | change |\n|---|---|---|---|\n{rows}\nThat is faster.\n")
    assert log.printed == {label: [*pair] for label, pair in both.items()}


DIFFERENT = "2 different results, and a log of one run has one"


def test_two_runs_are_not_one() -> None:
    rng = random.Random(1)
    log = parse_log(serving(rng).text + serving(rng).text)
    assert (log.result, len(log.results), log.reason) == (None, 2, DIFFERENT)


def test_a_good_block_does_not_hide_a_broken_one() -> None:
    rng = random.Random(1)
    log = parse_log(serving(rng).text + serving(rng).text[:400])
    assert len(log.results) == 1
    assert [refusal.code for refusal in log.refusals] == ["cut_block"]
    assert log.result is None


def test_a_log_of_summaries_without_end_is_read_so_far() -> None:
    log = parse_log("".join(f"Throughput: {number}.00 requests/s, 5.00 tokens/s\n" for number in range(1, 3000)))
    assert len(log.blocks) == 1000
    assert [refusal.code for refusal in log.refusals] == ["too_many"]
    assert log.result is None


def test_places_are_lines() -> None:
    log = parse_log("one\r\ntwo\r\n" + serving(random.Random(1)).text)
    assert (log.blocks[0].block.first, log.blocks[0].block.place) == (3, f"lines 3-{log.blocks[0].block.last}")


def test_a_diff_shows_two_runs_line_by_line() -> None:
    one, other = serving(random.Random(1), "sglang"), serving(random.Random(5), "sglang")
    pairs = zip(one.text.splitlines(), other.text.splitlines(), strict=True)
    log = parse_log("".join(f"-{before}\n+{after}\n" for before, after in pairs))
    assert len(log.results) == 2


def test_prefix_caching_counts_after_its_warm_up() -> None:
    text = "------warm up------\ncost time 5.233770132064819\n------start generating------\ncost time 3.566107988357544\n"
    for printed in (text, text + text, text.partition("\n")[2]):
        log = parse_log(printed)
        assert log.result is not None, log.reason
        assert log.result.metrics == {"cost_time": 3.566107988357544}


ONE_BATCH = """Warmup ...
Prefill. latency: 0.90000 s, throughput:   1000.00 token/s
Decode.  median latency: 0.10000 s, median throughput:     10.00 token/s
Total. latency:  1.900 s, throughput:    500.00 token/s
Benchmark ...
Prefill. latency: 0.08343 s, throughput:  12273.87 token/s
Decode.  latency: 0.00753 s, throughput:    132.81 token/s
Decode.  median latency: 0.00767 s, median throughput:    130.37 token/s
Total. latency:  0.192 s, throughput:   5390.45 token/s
"""
BATCH_SERVER = """======== Warmup Begin ========
batch size: 16
input_len: 1024
output_len: 16
latency: 0.51 s
output throughput: 1477.00 tok/s
======== Warmup End   ========

batch size: 16
input_len: 1024
output_len: 1024
latency: 12.55 s
input throughput: 50307.77 tok/s
output throughput: 1340.45 tok/s
last_ttft: 0.33 s
last generation throughput: 1337.14 tok/s
"""
OFFLINE = "\n".join(
    [
        " Offline Throughput Benchmark Result ".center(50, "="),
        f"{'Backend:':<40} {'engine':<10}",
        row("Successful requests", 10), row("Benchmark duration (s)", 2.0),
        row("Total input tokens", 1000), row("Total generated tokens", 200),
        row("Last generation throughput (tok/s)", 90.0), row("Request throughput (req/s)", 5.0),
        row("Input token throughput (tok/s)", 500.0), row("Output token throughput (tok/s)", 100.0),
        row("Total token throughput (tok/s)", 600.0),
        "=" * 50, "",
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "metrics"),
    [
        (
            ONE_BATCH, "one_batch",
            {"prefill_latency": 0.08343, "prefill_throughput": 12273.87,
             "median_decode_latency": 0.00767, "median_decode_throughput": 130.37, "total_latency": 0.192, "overall_throughput": 5390.45},
        ),
        (
            BATCH_SERVER, "one_batch",
            {"latency": 12.55, "input_throughput": 50307.77, "output_throughput": 1340.45,
             "last_ttft": 0.33, "last_gen_throughput": 1337.14},
        ),
        (
            OFFLINE, "offline",
            {"last_gen_throughput": 90.0, "request_throughput": 5.0, "input_throughput": 500.0, "output_throughput": 100.0,
             "total_token_throughput": 600.0},
        ),
    ],
)  # fmt: skip
def test_sglangs_other_benchmarks(text: str, kind: str, metrics: dict[str, float]) -> None:
    log = parse_log(text)
    assert log.result is not None, log.reason
    assert (log.result.kind, log.result.program, log.result.metrics) == (kind, "sglang", metrics)


LABELS = {"thr_req": ["requests/s"], "thr_tok_total": ["tokens/s", "total tokens/s"], "thr_tok_out": ["output tokens/s"]}


def label_of(name: str, log: ParsedLog) -> str:
    """Return the printed label that the data's index means."""
    if name in LABELS:
        return next(label for tail in LABELS[name] if (label := f"Throughput: {tail}") in log.printed)
    if name.endswith("_latency_s"):
        return "Avg latency" if name.startswith("avg") else f"{name[1:3]}% percentile latency"
    return "cost time" if name == "cost_time_s" else name


@pytest.mark.skipif(not DATA.is_dir(), reason="needs iso_bench_data")
def test_real_logs_give_what_was_printed() -> None:
    rows = [json.loads(line) for line in (DATA / "raw_logs" / "index.jsonl").read_text().splitlines()]
    assert len(rows) > 200
    for one in rows:
        with (DATA / one["file"]).open("rb") as file:
            log = parse_log(file)
        truth = {label_of(name, log): values for name, values in one["truth"].items()}
        assert {label: values for label, values in log.printed.items() if not label.startswith("Total num")} == truth, one["id"]
        if not truth:
            assert log.result is None
            assert log.reason
