"""From what lines say to blocks: where a benchmark's summary starts and ends, and whether all of it is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from pytest_isobench.benchmarks.labels import SETTINGS, key_of
from pytest_isobench.benchmarks.refusals import Refusal
from pytest_isobench.benchmarks.results import BenchmarkResult, Kind, result_of
from pytest_isobench.benchmarks.rows import Item
from pytest_isobench.benchmarks.sanity import refusals

GAP = 60
"""Lines of other things that may stand inside of a block; more of them end it."""

HEADLESS_GAP = 10
"""The same where the head of the block is missing."""

UNITS = ("(ms)", "(s)", "(tok/s)", "(req/s)")
"""Ends of labels that no other program prints; what stands without a head and without any of them is none of a benchmark."""

_SGLANG = {"Backend", "Concurrency", "Total generated tokens (retokenized)", "Max ITL (ms)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One number as it was printed."""

    label: str
    key: str
    """What it is called in the client's JSON."""
    number: float
    line: int


@dataclass(slots=True, kw_only=True)
class Block:
    """One summary of a benchmark as it stands in a log."""

    kind: Kind
    values: list[Value] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    first: int
    last: int
    headed: bool = False
    """Whether its head line is there."""
    ended: bool = False
    """Whether the line that ends it is there."""
    warmup: bool = False
    """Whether it is about what a client does before it measures."""
    repeats: int | None = None
    """The line of the block that it says again."""

    @property
    def place(self) -> str:
        """Where it is."""
        return f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"

    @property
    def numbers(self) -> dict[str, float]:
        """Its numbers by their keys."""
        return {value.key: value.number for value in self.values}

    @property
    def certain(self) -> bool:
        """Whether a benchmark printed it: its labels alone may be another program's."""
        return self.headed or self.kind != "serving" or any(value.label.endswith(UNITS) for value in self.values)

    def has(self, label: str) -> bool:
        """Whether a label stands in it."""
        return any(value.label == label for value in self.values)

    def add(self, values: Iterable[tuple[str, float]], line: int) -> None:
        """Take the values of a line."""
        self.values += [Value(label=label, key=str(key_of(label)), number=number, line=line) for label, number in values]
        self.last = line

    def missing(self) -> str:
        """Say what was cut off; empty for a whole block."""
        keys = self.numbers.keys()
        if self.kind in ("serving", "offline"):
            if "completed" not in keys or "request_throughput" not in keys:
                return "its head is missing: it does not say how many requests succeeded, or how fast"
            return "" if self.ended else "its end is missing: no line closes it"
        if self.kind == "latency" and "avg_latency" not in keys:
            return "its head is missing: it has percentiles, and no average"
        if self.kind == "latency" and len(keys) > 1 and "p99_latency" not in keys:
            return "its end is missing: it has percentiles, and not the 99th"
        if self.kind == "one_batch" and not {"total_latency", "latency"} & keys:
            return "its end is missing: no latency of the whole batch"
        return ""

    def judged(self) -> tuple[BenchmarkResult | None, list[Refusal]]:
        """Return its result, and why it is not to be believed."""
        if missing := self.missing():
            return None, [Refusal(code="cut_block", reason=missing, place=self.place)]
        found = {**self.numbers, **{SETTINGS[label]: _setting(text) for label, text in self.settings.items()}}
        if self.kind in ("one_batch", "offline") or any(self.has(label) or label in self.settings for label in _SGLANG):
            found.setdefault("concurrency", None)
        if self.kind == "offline":
            found["total_latency"] = found.pop("duration", None)
        if self.kind == "prefix_caching":
            found = {"cost_time": found["cost_time"]}
        result = result_of(found, self.place, self.kind)
        if isinstance(result, Refusal):
            return None, [result]
        return result, [replace(refusal, place=self.place) for refusal in refusals(result)]


def _setting(text: str) -> str | float | None:
    if text in ("not set", "None"):
        return None
    try:
        return float(text)
    except ValueError:
        return text


@dataclass(slots=True)
class Assembler:
    """Makes blocks of items as they come: one that is open for each mark of a diff, as both sides of it may stand line by line."""

    blocks: list[Block] = field(default_factory=list)
    _open: dict[str, Block] = field(default_factory=dict)
    _twins: dict[str, Block] = field(default_factory=dict)
    """Blocks of lines that were all written twice."""
    _warmup: bool | None = None

    def take(self, item: Item, line: int, mark: str = "") -> None:
        """Take what a line says; `mark` is what a diff wrote before it."""
        if item.kind and item.kind not in ("serving", "offline"):
            mark += item.kind
        if (block := self._open.get(mark)) and line - block.last > (GAP if block.headed else HEADLESS_GAP):
            self._close(mark)
        if item.what in ("warmup", "measured"):
            self._phase(warmup=item.what == "warmup")
        elif item.what == "rule":
            self._close(mark, ended=True)
        elif item.what == "setting":
            self._set(item, mark)
        else:
            self._grow(item, line, mark)

    def finish(self) -> list[Block]:
        """Close what is open, and return all blocks in their order."""
        for mark in list(self._open):
            self._close(mark)
        return sorted(self.blocks, key=lambda block: (block.first, block.last))

    def _phase(self, *, warmup: bool) -> None:
        """Note whether a client warms up from here on; before the first such line the head of the log may be missing."""
        if self._warmup is None and not warmup:
            for block in (*self.blocks, *self._open.values()):
                block.warmup = block.kind in ("prefix_caching", "one_batch")
        self._warmup = warmup

    def _set(self, item: Item, mark: str) -> None:
        if block := self._open.get(mark):
            block.settings[item.setting[0]] = item.setting[1]

    def _grow(self, item: Item, line: int, mark: str) -> None:
        block = self._open.get(mark)
        if item.what == "header":
            self._close(mark)
            self._start(item, line, mark).headed = True
        elif block and self._doubled(block, item, line):
            twin = self._twins.setdefault(mark, replace(block, values=[], first=line))
            twin.add(item.values, line)
        elif block and not self._breaks(block, item):
            block.add(item.values, line)
        elif item.opens:
            self._close(mark)
            self._start(item, line, mark).add(item.values, line)

    def _start(self, item: Item, line: int, mark: str) -> Block:
        self._open[mark] = Block(kind=item.kind or "serving", first=line, last=line, warmup=bool(self._warmup))
        return self._open[mark]

    def _breaks(self, block: Block, item: Item) -> bool:
        """Tell whether a row cannot be of the block that is open."""
        fits = block.kind == item.kind or (block.kind == "offline" and item.kind == "serving")
        again = any(block.has(label) for label, _ in item.values) or (item.opens and block.kind not in ("serving", "offline", "latency"))
        return not fits or again or (block.kind == "latency" and item.values[0][0] == "Avg latency")

    def _doubled(self, block: Block, item: Item, line: int) -> bool:
        """Tell whether a row says again what the row just before it says."""
        last = block.values[-len(item.values) :]
        if block.kind not in ("serving", "offline", "latency") or line - block.last > 1:
            return False
        return [(value.label, value.number) for value in last] == list(item.values)

    def _close(self, mark: str, *, ended: bool = False) -> None:
        for block in (self._open.pop(mark, None), self._twins.pop(mark, None)):
            if block and block.values and block.certain:
                block.ended = ended
                self.blocks.append(block)


def repeated(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield blocks, each with the line of an earlier one that says the same and more."""
    seen: list[Block] = []
    for block in sorted(blocks, key=lambda one: (-len(one.values), one.first)):
        said = set(block.numbers.items())
        earlier = (other for other in seen if other.kind == block.kind and other.warmup == block.warmup)
        same = next((other for other in earlier if said <= other.numbers.items()), None)
        block.repeats = same.first if same else None
        if not same:
            seen.append(block)
        yield block
