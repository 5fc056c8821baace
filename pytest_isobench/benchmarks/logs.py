"""What a log of a benchmark says: its blocks, and the one result that they come to, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from pytest_isobench.benchmarks.blocks import Assembler, Block, repeated
from pytest_isobench.benchmarks.lines import chunks, lines
from pytest_isobench.benchmarks.refusals import Refusal
from pytest_isobench.benchmarks.results import BenchmarkResult
from pytest_isobench.benchmarks.rows import HINTS, RowReader
from pytest_isobench.benchmarks.tables import TableReader

MOST = 1000
"""Blocks of one log that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A block with what it comes to."""

    block: Block
    result: BenchmarkResult | None
    """What it says; there also when it is refused, unless it is not whole."""
    refusals: tuple[Refusal, ...]

    @property
    def counts(self) -> bool:
        """Whether it is neither a warm-up nor said before."""
        return self.block.repeats is None and not self.block.warmup


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedLog:
    """What was found in a log."""

    blocks: tuple[Judged, ...] = ()
    results: tuple[BenchmarkResult, ...] = ()
    """The different good results, in the order of their blocks, without those of warm-ups."""
    refusals: tuple[Refusal, ...] = ()
    """Of blocks that say nothing that a good block says."""
    reason: str = field(default="")
    """Why there is not one result; empty when there is."""

    @property
    def result(self) -> BenchmarkResult | None:
        """The one result, or None for the `reason`."""
        return self.results[0] if not self.reason else None

    @property
    def printed(self) -> dict[str, list[float]]:
        """Every number that was taken by its printed label, in the order of the lines."""
        found: dict[str, list[float]] = {}
        for value in sorted((value for judged in self.blocks for value in judged.block.values), key=lambda value: value.line):
            found.setdefault(value.label, []).append(value.number)
        return found


def parse_log(source: str | BinaryIO) -> ParsedLog:
    """Read a log of any size, a text or a stream of bytes; a broken place costs nothing but itself. Raises OSError from a stream."""
    reader, assembler, tables = RowReader(), Assembler(), TableReader()
    for line in lines(chunks(source), HINTS):
        tables.take(line)
        for item in reader.read(line):
            assembler.take(item, line.number, line.text[:1] if line.text[:1] in ("+", "-") else "")
        if len(assembler.blocks) + len(tables.blocks) >= MOST:
            break
    return _judged([*assembler.finish(), *tables.finish()][:MOST])


def _judged(blocks: list[Block]) -> ParsedLog:
    found = sorted(repeated(blocks), key=lambda block: (block.first, block.last))
    judged = tuple(Judged(block=block, result=result, refusals=tuple(why)) for block in found for result, why in [block.judged()])
    counting = [one for one in judged if one.counts]
    results = tuple(one.result for one in counting if one.result is not None and not one.refusals)
    refused = tuple(refusal for one in counting for refusal in one.refusals)
    if len(blocks) == MOST:
        refused = (Refusal(code="too_many", reason=f"holds {MOST} blocks or more, and only these were looked at"), *refused)
    return ParsedLog(blocks=judged, results=results, refusals=refused, reason=_reason(judged, results, refused))


def _reason(judged: tuple[Judged, ...], results: tuple[BenchmarkResult, ...], refused: tuple[Refusal, ...]) -> str:
    if len(results) == 1 and not refused:
        return ""
    if results and refused:
        return f"beside a good block another one is refused: {refused[0]}"
    if results:
        return f"{len(results)} different results, and a log of one run has one"
    if refused:
        return str(refused[0])
    return "only a warm-up was found" if judged else "no benchmark of vLLM or SGLang printed its summary here"
