"""Summaries as the clients print them, and what people and tools do to them afterwards."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Values = Mapping[str, float]

TITLES = {
    "TTFT": "Time to First Token", "TPOT": "Time per Output Token (excl. 1st token)",
    "ITL": "Inter-token Latency", "E2EL": "End-to-end Latency",
}  # fmt: skip

NOISE = [
    "INFO 01-12 06:22:06 metrics.py:351] Avg prompt throughput: 123.4 tokens/s, Avg generation throughput: 56.7 tokens/s, Running: 3 reqs",
    "Processed prompts:  51%|█████▏    | 513/1000 [01:22<01:07,  7.19it/s, est. speed input: 6341.19 toks/s, output: 1585.30 toks/s]",
    "Processed prompts: 100%|██████████| 100/100 [00:03<00:00, output: 123 toks/s]",
    "Namespace(backend='vllm', num_prompts=100, request_rate=inf, percentile_metrics='ttft,tpot,itl', metric_percentiles='99', seed=0)",
    '    print("{:<40} {:<10.2f}".format("Mean TTFT (ms):", metrics.mean_ttft_ms))',
    '    print(f"Throughput: {len(requests) / elapsed_time:.2f} requests/s, {total / elapsed_time:.2f} tokens/s")',
    '    assert "Mean TTFT (ms): 12.34" in output',
    "    throughput = 12.5  # Request throughput (req/s): 12.5 before, 13.0 after",
    "Decode batch. #running-req: 8, #token: 1024, token usage: 0.01, gen throughput (token/s): 812.45, #queue-req: 0",
    "Prefill batch. #new-seq: 1, #new-token: 1024, input throughput (token/s): 4411.2, #cached-token: 0",
    'INFO:     127.0.0.1:46130 - "POST /v1/completions HTTP/1.1" 200 OK',
    "we saw that Mean TTFT (ms): 12.3 became Mean TTFT (ms): 11.0",
    "The latency: 0.50 s of one request, ttft: 0.1 s",
    "latency: 0.50 s",
    "output throughput: 1477.75 tok/s",
    "Decode 0. Batch size: 1, latency: 0.00753 s, throughput:    132.81 token/s",
    "cost time 3 days",
    "it took a cost time 3.25 of it",
    "Speed: 512.0 tokens/s, Avg latency: high",
    "Traffic request rate: inf",
    "Concurrency: 16",
    "Failed requests:        0",
    "Total input tokens: 123",
    "Maximum request concurrency: 128",
    "==================================================",
    "---------------Time to First Token----------------",
    "Total Token throughput (tok/s)",
    "Mean TTFT (ms): n/a",
    "TTFT (ms): 12.5",
    "",
]  # fmt: skip
"""Lines that hold numbers, and none of a benchmark's summary."""


@dataclass(frozen=True)
class Summary:
    """Text and the numbers in it."""

    text: str
    values: Values


def row(label: str, value: float) -> str:
    return f"{label + ':':<40} {value:<10}" if isinstance(value, int) else f"{label + ':':<40} {value:<10.2f}"


def serving(rng: random.Random, program: str = "vllm", percentiles: tuple[str, ...] = ("99",)) -> Summary:
    """Return a serving summary whose numbers fit each other."""
    completed, duration = rng.randint(2, 5000), round(rng.uniform(1, 300), 2)
    tokens = {"input": completed * rng.randint(1, 4000), "output": completed * rng.randint(2, 900)}
    sglang = program == "sglang"
    head: dict[str, float] = {"Successful requests": completed}
    if not sglang and rng.random() < 0.5:
        head["Failed requests"] = 0
    head |= {"Benchmark duration (s)": duration, "Total input tokens": tokens["input"], "Total generated tokens": tokens["output"]}
    if sglang:
        head["Total generated tokens (retokenized)"] = int(tokens["output"] * rng.uniform(0.95, 1))
    head["Request throughput (req/s)"] = completed / duration
    if sglang:
        head["Input token throughput (tok/s)"] = tokens["input"] / duration
    head["Output token throughput (tok/s)"] = tokens["output"] / duration
    total = "Total token throughput (tok/s)" if sglang else "Total Token throughput (tok/s)"
    head[total] = (tokens["input"] + tokens["output"]) / duration
    if sglang:
        head["Concurrency"] = rng.uniform(1, 100)
    lines = [" Serving Benchmark Result ".center(50, "=")]
    if sglang:
        asked = {"Backend:": "sglang", "Traffic request rate:": "inf", "Max reqeuest concurrency:": "not set"}
        lines += [f"{label:<40} {text:<10}" for label, text in asked.items()]
    lines += [row(*one) for one in head.items()]
    values = dict(head)
    for span in ("E2E Latency", "TTFT", "ITL") if sglang else ("TTFT", "TPOT", "ITL", "E2EL"):
        lines.append(TITLES.get(span, "End-to-End Latency").center(50, "-"))
        low = rng.uniform(0.1, 9000)
        part = {f"Mean {span} (ms)": low * 1.2, f"Median {span} (ms)": low}
        part |= {f"P{percent} {span} (ms)": low * (1 + float(percent) / 50) for percent in percentiles}
        lines += [row(*one) for one in part.items()]
        values |= part
    lines.append("=" * 50)
    return Summary("\n".join(lines) + "\n", {label: float(f"{value:.2f}") for label, value in values.items()})


def latency(rng: random.Random) -> Summary:
    average = rng.uniform(0.01, 90)
    values = {"Avg latency": average} | {f"{p}% percentile latency": average * (1 + p / 1000) for p in (10, 25, 50, 75, 90, 99)}
    return Summary("".join(f"{label}: {value} seconds\n" for label, value in values.items()), values)


def throughput(rng: random.Random) -> Summary:
    a, b, c = (round(rng.uniform(1, 9000), 2) for _ in range(3))
    if rng.random() < 0.5:
        return Summary(f"Throughput: {a:.2f} requests/s, {b:.2f} tokens/s\n", {"Throughput: requests/s": a, "Throughput: tokens/s": b})
    values = {"Throughput: requests/s": a, "Throughput: total tokens/s": b, "Throughput: output tokens/s": c}
    return Summary(f"Throughput: {a:.2f} requests/s, {b:.2f} total tokens/s, {c:.2f} output tokens/s\n", values)


def each(change: Callable[[str], str]) -> Callable[[str, random.Random], str]:
    """Return what changes every line."""
    return lambda text, _: "".join(f"{change(line)}\n" for line in text.splitlines())


def stamped(text: str, rng: random.Random) -> str:
    return "".join(f"2024-05-1{rng.randint(0, 9)} 12:{rng.randint(10, 59)}:07,123 - INFO - {line}\n" for line in text.splitlines())


def noisy(text: str, rng: random.Random) -> str:
    """Put other lines between, but none that ends a block, or could be of it."""
    others = [line for line in NOISE if not line.startswith(("=", "Concurrency", "Failed", "Total input"))]
    return "".join(f"{line}\n{rng.choice(others) if rng.random() < 0.3 else 'ok'}\n" for line in text.splitlines())


MANGLED: Mapping[str, Callable[[str, random.Random], str]] = {
    "plain": lambda text, _: text,
    "crlf": lambda text, _: text.replace("\n", "\r\n"),
    "cr": lambda text, _: text.replace("\n", "\r"),
    "stripped": lambda text, _: "\n".join(line.rstrip() for line in text.splitlines()),
    "indented": each(lambda line: f"      {line}"),
    "quoted": each(lambda line: f"> {line}"),
    "added": each(lambda line: f"+{line}"),
    "removed": each(lambda line: f"-{line}"),
    "context": each(lambda line: f" {line}"),
    "bullets": each(lambda line: f"* `{line}`"),
    "fenced": lambda text, _: f"Results:\n```text\n{text}```\n",
    "coloured": each(lambda line: f"\x1b[32m{line}\x1b[0m\x1b[K"),
    "levels": each(lambda line: f"INFO 01-12 06:22:06 [serve.py:351] {line}"),
    "glog": each(lambda line: f"I0112 06:22:06.123456 1234 bench.cc:12] {line}"),
    "utc": each(lambda line: f"2024-05-01T12:34:56.123456789Z {line}"),
    "kubernetes": each(lambda line: f"2024-05-01T12:34:56.123456789Z stdout F {line}"),
    "compose": each(lambda line: f"bench-1  | {line}"),
    "process": each(lambda line: f"(APIServer pid=1234) {line}"),
    "rank": each(lambda line: f"[rank0]: {line}"),
    "root": each(lambda line: f"INFO:root:{line}"),
    "syslog": each(lambda line: f"Jan 12 06:22:06 gpu01 bench[123]: {line}"),
    "numbered": each(lambda line: f" 12 | {line}"),
    "stamped": stamped,
    "noisy": noisy,
    "escaped": lambda text, _: json.dumps({"stdout": text}) + "\n",
    "docker": lambda text, _: "".join(json.dumps({"log": f"{line}\n", "stream": "stdout"}) + "\n" for line in text.splitlines()),
    "spaces that do not break": lambda text, _: text.replace(" ", "\u00a0"),
    "copied from a job": each(lambda line: f"bench\tRun it\t2024-05-01T12:34:56.1234567Z {line}"),
    "bytes": lambda text, _: repr(text.encode()),
    "html": lambda text, _: f"<pre>{text.replace(chr(10), '<br>')}</pre>",
    "one blank": lambda text, _: re.sub(" +", " ", text),
    "bar": lambda text, _: f"100%|██████████| 100/100 [00:02<00:00, 47.61it/s]{text}",
    "bars": lambda text, _: f"  0%|  | 0/9 [00:00<?, ?it/s]\r 50%|  | 4/9 [00:01<00:01, 4.0it/s]\r{text}",
}
