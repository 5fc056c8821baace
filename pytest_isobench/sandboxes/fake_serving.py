"""What the fake sandbox answers in the place of programs that ask servers: nothing is asked, and no client runs.

They are known by their jobs: `{"do": ...}` is that of `workloads.asking`, and one with a `key` that of `workloads.fetching`, whose command
is taken for a client of a server that was started before. Its result is that of a serving benchmark of one request after another.
"""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

REQUESTS, ASKED, PUT_OUT = 10, 128, 16
"""Requests of a run, and tokens of each."""
FIRST = 0.2
"""Share of a request's time until its first token."""
SPREAD = 1.2
"""How many times as long as the others the slowest request takes."""
SAID = {"port": "8000", "wait": "ready", "post": "200"}


def read_job(stdin: bytes) -> dict[str, Any] | None:
    """Return the job that such a program is given; None for anything else."""
    try:
        job = json.loads(stdin)
    except ValueError:
        return None
    return job if isinstance(job, dict) and not {"do", "key"}.isdisjoint(job) else None


def answer(job: dict[str, Any], call: float, texts: object) -> bytes:
    """Return what the program prints when a request takes `call` seconds and is answered with `texts`."""
    if "do" in job:
        return SAID[job["do"]].encode()
    result = json.dumps(serving_result(call, json.dumps(texts))).encode()
    facts = {"returncode": 0, "seconds": call * REQUESTS, "stdout": "", "stderr": "", "truncated": False, "left": []}
    body = json.dumps({**facts, "files": {name: base64.b64encode(result).decode() for name in job["files"]}}).encode()
    return hmac.new(bytes.fromhex(job["key"]), body, "sha256").hexdigest().encode() + b"\n" + body


def serving_result(call: float, text: str) -> dict[str, Any]:
    """Return the result of a client whose requests take `call` seconds each."""
    duration, tokens = call * REQUESTS, PUT_OUT * REQUESTS
    first, following = FIRST * call * 1e3, (1 - FIRST) * call * 1e3 / (PUT_OUT - 1)
    spans = {"ttft": first, "tpot": following, "itl": following, "e2el": call * 1e3}
    summary = {f"{name}_{span}_ms": value for span, value in spans.items() for name in ("mean", "median")}
    slowest = {f"p99_{span}_ms": value * SPREAD for span, value in spans.items()}
    return {
        "backend": "fake",
        "duration": duration,
        "num_prompts": REQUESTS,
        "completed": REQUESTS,
        "total_input_tokens": ASKED * REQUESTS,
        "total_output_tokens": tokens,
        "request_throughput": REQUESTS / duration,
        "output_throughput": tokens / duration,
        "total_token_throughput": (tokens + ASKED * REQUESTS) / duration,
        **summary,
        **slowest,
        "generated_texts": [text] * REQUESTS,
    }
