"""Rules that refuse a result: what cannot be true of a benchmark that worked, and arms that did not do the same work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from pytest_isobench.benchmarks.metrics import SPANS
from pytest_isobench.benchmarks.refusals import Refusal
from pytest_isobench.benchmarks.results import BenchmarkResult

ROUNDING = 0.01
"""How far a printed number with two digits, or two of them together, may be from what it stands for."""

SLACK = 0.02
"""How far numbers that are bound to each other may be apart, as a share, for all that happens between two looks at a clock."""

RETOKENIZED = 0.25
"""How far a client's own count of the output tokens may be from the server's, as a share of it."""

MAY_BE_ZERO = ("std_", "min_", "accept", "request_goodput", "cache_hit_rate", "rtfx")
"""How the names of metrics begin of which zero is a good value, or one that says that it does not apply."""

_BETWEEN = ("_tpot_ms", "_itl_ms")
_OF_TOKENS = (*_BETWEEN, "output_throughput", "total_token_throughput")

ALIKE = ("completed", "input_tokens", "output_tokens", "retokenized_tokens")
"""What the arms of a comparison must have in common."""


def refusals(result: BenchmarkResult, *, failed_share: float = 0.0, requested: int | None = None) -> list[Refusal]:
    """Return every reason not to believe a result; none when it is good.

    `failed_share`: the share of requests that may fail. `requested`: how many were asked for, where the result does not say it.
    """
    found = [*_requests(result, failed_share, requested)]
    if result.completed == 0:
        return found
    return found + [Refusal(code=code, reason=reason) for code, rule in RULES.items() for reason in rule(result)]


def different_work(results: Mapping[str, BenchmarkResult], tolerance: float = 0.01) -> list[Refusal]:
    """Return in what the arms of a comparison did different work: requests, input and output tokens that differ by more than a share."""
    found = []
    for field in ALIKE:
        numbers = {arm: getattr(result, field) for arm, result in results.items()}
        told = {arm: number for arm, number in numbers.items() if number is not None}
        if told and len(told) < len(numbers):
            found.append(f"{_word(field)} are unknown for {', '.join(arm for arm in numbers if arm not in told)}, and known for the others")
        elif told and max(told.values()) - min(told.values()) > tolerance * max(told.values()):
            found.append(f"{_word(field)} differ: " + ", ".join(f"{arm} {number}" for arm, number in told.items()))
    found += [f"{arm}: {reason}" for arm, result in results.items() for reason in _miscounted(result)]
    return [Refusal(code="different_work", reason=reason) for reason in found]


def _word(field: str) -> str:
    return "completed requests" if field == "completed" else field.replace("_", " ")


def _requests(result: BenchmarkResult, share: float, requested: int | None) -> Iterator[Refusal]:
    if result.completed == 0:
        yield Refusal(code="nothing_completed", reason="no request was completed")
        return
    asked = requested if requested is not None else result.requested
    missing = max(result.failed or 0, asked - result.completed if asked and result.completed is not None else 0)
    everything = asked or (result.completed or 0) + missing
    if missing > share * everything:
        allowed = f"; {share:.1%} may" if share else ""
        yield Refusal(code="failed_requests", reason=f"{missing} of {everything} requests failed{allowed}")


def _no_metrics(result: BenchmarkResult) -> Iterator[str]:
    if not result.metrics:
        yield "says that it succeeded, and has no metrics"


def _not_numbers(result: BenchmarkResult) -> Iterator[str]:
    numbers = {**result.metrics, "duration": result.duration, "input tokens": result.input_tokens, "output tokens": result.output_tokens}
    for name, value in numbers.items():
        if value is not None and not (0 <= value < math.inf):
            yield f"{name} is {value:g}; it cannot be negative or infinite"


def _no_usage(result: BenchmarkResult) -> Iterator[str]:
    single = result.output_tokens is not None and result.output_tokens == result.completed
    zero = [name for name, value in result.metrics.items() if value == 0 and name.endswith(_OF_TOKENS)]
    wrong = [name for name in zero if not (single and name.endswith(_BETWEEN))]
    if wrong:
        yield f"{wrong[0]} is 0 though requests were completed: the server did not say how many tokens it made"


def _zero(result: BenchmarkResult) -> Iterator[str]:
    for name, value in result.metrics.items():
        if value == 0 and not name.endswith(_OF_TOKENS) and not name.startswith(MAY_BE_ZERO):
            yield f"{name} is 0: nothing was measured, or too few digits were printed to compare it"


def _single_request(result: BenchmarkResult) -> Iterator[str]:
    for span in SPANS:
        mean, median, p99 = (result.metrics.get(f"{statistic}_{span}_ms") for statistic in ("mean", "median", "p99"))
        if mean and mean == median == p99:
            yield f"mean, median and p99 of {span} are all {mean:g} ms: the summary rests on one request"
            return


def _half_block(result: BenchmarkResult) -> Iterator[str]:
    there = {span for span in SPANS if f"mean_{span}_ms" in result.metrics or f"median_{span}_ms" in result.metrics}
    for span in sorted(there):
        if not {f"mean_{span}_ms", f"median_{span}_ms"} <= result.metrics.keys():
            yield f"{span} has a mean or a median, and not both"
    needed = {"tpot"} if result.program == "vllm" else {"tpot", "itl"}
    if "ttft" in there and not needed & there:
        yield f"has times to the first token (ttft), and none of the following tokens ({' or '.join(sorted(needed))})"


def _contradiction(result: BenchmarkResult) -> Iterator[str]:
    yield from _rates(result)
    for family in (*(f"_{span}_ms" for span in SPANS), "_latency"):
        quantiles = sorted(_quantiles(result.metrics, family))
        for (low, smaller, name), (high, larger, other) in pairwise(quantiles):
            if low < high and smaller > larger + ROUNDING:
                yield f"{name} is {smaller:g}, above {other}, {larger:g}"


def _rates(result: BenchmarkResult) -> Iterator[str]:
    tokens = result.total_tokens
    if tokens is None and result.input_tokens is not None and result.output_tokens is not None:
        tokens = result.input_tokens + result.output_tokens
    amounts = {
        "request_throughput": result.completed, "input_throughput": result.input_tokens,
        "output_throughput": result.output_tokens, "total_token_throughput": tokens,
    }  # fmt: skip
    for name, amount in amounts.items():
        rate = result.metrics.get(name)
        if rate is None or amount is None or result.duration is None:
            continue
        made = rate * result.duration
        if abs(made - amount) > SLACK * max(made, amount) + ROUNDING * (rate + result.duration):
            yield f"{name} ({rate:g}/s) times the duration ({result.duration:g} s) is {made:.6g}, and not {amount}"


def _quantiles(metrics: Mapping[str, float], family: str) -> Iterator[tuple[float, float, str]]:
    """Yield the quantiles of a family: which, its value, its name."""
    words = {"min": "0", "median": "50", "max": "100"}
    for name, value in metrics.items():
        statistic = name.removesuffix(family)
        which = words.get(statistic, statistic.removeprefix("p"))
        if name.endswith(family) and which.replace(".", "").isdigit():
            yield float(which), value, name


def _miscounted(result: BenchmarkResult) -> Iterator[str]:
    claimed, counted = result.output_tokens, result.retokenized_tokens
    if claimed and counted is not None and abs(claimed - counted) > RETOKENIZED * claimed:
        yield f"{claimed} output tokens are claimed, and the text that arrived has {counted}"


RULES: Mapping[str, Callable[[BenchmarkResult], Iterator[str]]] = {
    "no_metrics": _no_metrics,
    "not_finite": _not_numbers,
    "no_usage": _no_usage,
    "zero": _zero,
    "single_request": _single_request,
    "half_block": _half_block,
    "contradiction": _contradiction,
    "miscounted": _miscounted,
}
"""The rules about one result, by their codes; each yields reasons."""
