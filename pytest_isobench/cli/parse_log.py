"""`isobench parse-log`: the metrics in logs and result files of inference benchmarks, and why the others are none."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pytest_isobench.benchmarks.refusals import Refusal
    from pytest_isobench.benchmarks.results import BenchmarkResult

NAME = "parse-log"
HEAD = 2**18
"""Bytes that show whether a file is a log or what a client saved."""

LIMIT = 64 * 2**20
"""Bytes of the largest file of results; a log has no such limit."""

SHOWN = 20
"""Refused places of a file that are listed."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="read the metrics of vLLM's and SGLang's benchmarks from logs and result files",
        description="Read the metrics of vLLM's and SGLang's benchmarks from logs of any size, and from the JSON and JSONL that the "
        "clients save. What is cut off, failed or contradicts itself is refused. "
        "The exit status is 1 when a file has no metrics, or something of it is refused.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="Log or result file; - is standard input")
    parser.add_argument("--json", action="store_true", help="Print JSON: a list with an object for each file")
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one file came to."""

    file: str
    results: Sequence[tuple[str, BenchmarkResult]] = ()
    """Places and good results."""
    refusals: Sequence[Refusal] = ()
    notes: Sequence[str] = ()
    reason: str = ""
    """Why there is no result."""

    @property
    def good(self) -> bool:
        """Whether there are metrics, and nothing was refused."""
        return bool(self.results) and not self.refusals


def run(arguments: argparse.Namespace) -> int:
    """Read the files, and print a table for each, or JSON for all."""
    from pytest_isobench.cli.printing import paper

    if arguments.json:
        from pytest_isobench.jsonl import dumps

        readings = [_read(name) for name in arguments.files]
        print(dumps([_as_json(reading) for reading in readings]))
        return int(not all(reading.good for reading in readings))
    status = 0
    for reading in map(_read, arguments.files):
        for line in _lines(reading):
            print(paper().clean(line) if not line.startswith("  ") else line)
        status = status or int(not reading.good)
    return status


def _read(name: str) -> Reading:
    """Read a file; one that cannot be read is no reason to leave out the others."""
    from pytest_isobench.benchmarks.results import looks_like_results

    try:
        with _opened(name) as file:
            return _results(name, file) if looks_like_results(file.peek(HEAD)[:HEAD]) else _log(name, file)
    except OSError as error:
        return Reading(file=name, reason=f"cannot be read: {error.strerror or error}")


@contextmanager
def _opened(name: str) -> Iterator[io.BufferedReader]:
    if name == "-":
        yield cast("io.BufferedReader", sys.stdin.buffer)
        return
    with io.BufferedReader(io.FileIO(name), HEAD) as file:
        yield cast("io.BufferedReader", file)


def _results(name: str, file: io.BufferedReader) -> Reading:
    from pytest_isobench.benchmarks.refusals import Refusal
    from pytest_isobench.benchmarks.results import read_results
    from pytest_isobench.benchmarks.sanity import refusals

    data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        return Reading(file=name, reason=f"has more than the {LIMIT // 2**20} MiB that a file of results may have")
    good: list[tuple[str, BenchmarkResult]] = []
    refused: list[Refusal] = []
    found = read_results(data)
    for number, one in enumerate(found, 1):
        place = f"result {number}" if len(found) > 1 else ""
        if isinstance(one, Refusal):
            refused.append(one)
        elif why := refusals(one):
            refused += [Refusal(code=refusal.code, reason=refusal.reason, place=place) for refusal in why]
        else:
            good.append((place, one))
    return Reading(file=name, results=good, refusals=refused, reason=str(refused[0]) if refused and not good else "")


def _log(name: str, file: io.BufferedReader) -> Reading:
    from pytest_isobench.benchmarks.logs import parse_log

    log = parse_log(file)
    good = [(one.block.place, one.result) for one in log.blocks if one.result is not None and one.counts and not one.refusals]
    notes = [f"{one.block.place}: says again what line {one.block.repeats} says" for one in log.blocks if one.block.repeats is not None]
    notes += [f"{one.block.place}: a warm-up, which does not count" for one in log.blocks if one.block.warmup and one.block.repeats is None]
    notes += [log.reason] if len(good) > 1 else []
    return Reading(file=name, results=good, refusals=log.refusals, notes=notes, reason="" if good else log.reason)


def _lines(reading: Reading) -> Iterator[str]:
    """Yield a file's table."""
    from pytest_isobench.reports.text import grid

    for place, result in reading.results:
        where = f", {place}" if place else ""
        yield f"{reading.file}: {result.kind} benchmark of {result.program}{where}"
        yield from ("  " + line for line in grid([("metric", "value", "unit", "better"), *_rows(result)]))
        if work := _work(result):
            yield f"  {work}"
    if not reading.results:
        yield f"{reading.file}: no metrics{'' if reading.refusals else f': {reading.reason}'}"
    yield from (f"{reading.file}: refused ({refusal.code}): {refusal}" for refusal in reading.refusals[:SHOWN])
    if len(reading.refusals) > SHOWN:
        yield f"{reading.file}: refused {len(reading.refusals) - SHOWN} more"
    yield from (f"{reading.file}: {note}" for note in reading.notes[:SHOWN])


def _rows(result: BenchmarkResult) -> Iterator[tuple[str, str, str, str]]:
    from pytest_isobench.benchmarks.metrics import metric

    for name, value in result.metrics.items():
        found = metric(name)
        yield name, f"{value:.10g}", found.unit, found.better


def _work(result: BenchmarkResult) -> str:
    """Say how much was done."""
    told = {
        "{} requests completed": result.completed, "{} failed": result.failed, "{} input tokens": result.input_tokens,
        "{} output tokens": result.output_tokens, "{:g} s": result.duration,
    }  # fmt: skip
    return ", ".join(text.format(value) for text, value in told.items() if value is not None)


def _as_json(reading: Reading) -> dict[str, Any]:
    from pytest_isobench.benchmarks.metrics import metric

    results = [
        {
            **result.model_dump(mode="json", exclude={"metrics", "generated_texts", "output_lens"}),
            "place": place,
            "metrics": {name: {"value": value, **metric(name).model_dump(exclude={"name"})} for name, value in result.metrics.items()},
        }
        for place, result in reading.results
    ]
    refused = [{"code": refusal.code, "place": refusal.place, "reason": refusal.reason} for refusal in reading.refusals]
    return {"file": reading.file, "results": results, "refused": refused, "notes": list(reading.notes), "reason": reading.reason}
