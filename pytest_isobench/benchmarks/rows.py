"""What one line of a log says of a benchmark: only what a client prints in just that form is taken, and from nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_isobench.benchmarks.labels import BATCH_COUNTS, SERVING, SETTINGS, THROUGHPUT_COUNTS, alternatives
from pytest_isobench.benchmarks.lines import Line, printed, starts
from pytest_isobench.benchmarks.results import Kind

What = Literal["header", "rule", "row", "setting", "warmup", "measured"]

NUMBER = r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|-?inf|nan"
FLOAT = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|-?inf|nan"
PERCENT = r"\d{2,3}(?:\.\d+)?"
"""Two digits or more: one alone is what is left of a line without its beginning."""
AFTER = r"(?:(?<![A-Za-z_])|(?<= seconds))"
"""What a row may stand after in a line that holds more: no part of a word, except for a unit."""
FEWEST = 3
"""Rows that it takes for one line to be a block without its line ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that a line says."""

    what: What
    kind: Kind | None = None
    values: tuple[tuple[str, float], ...] = ()
    """Labels and numbers."""
    setting: tuple[str, str] = ("", "")
    opens: bool = field(default=True)
    """Whether a block may start with it, after its head was lost."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a client prints a row."""

    kind: Kind
    shape: re.Pattern[str]
    last: re.Pattern[str]
    """The same at the end of a line."""
    labels: tuple[str, ...] = ()
    """Labels of the groups of the shape, where it has no group `label`."""
    opens: bool = True
    needs: tuple[str, ...] = ()
    """Of these a line has one at least."""

    def item(self, found: re.Match[str]) -> Item:
        """Return what was found."""
        names = self.labels or (found["label"],)
        texts = found.groups() if self.labels else (found["number"],)
        values = tuple((name, float(text.replace(",", ""))) for name, text in zip(names, texts, strict=True) if text is not None)
        return Item(what="row", kind=self.kind, values=values, opens=self.opens)


def _form(needs: str, kind: Kind, shape: str, *labels: str, opens: bool = True) -> Form:
    anywhere = rf"{AFTER}(?:{shape})"
    return Form(kind, re.compile(anywhere), re.compile(rf"{anywhere}\Z"), labels, opens, tuple(needs.split("|")))


_SERVING_NEEDS = "(ms):|(s):|/s):|(%):|ized):|tor):|requests:|tokens:|Concurrency:|ength:|Drafts:"


FORMS = (
    _form(_SERVING_NEEDS, "serving", rf"(?P<label>{SERVING}):\s*(?P<number>{NUMBER})(?![\d.%])"),
    _form("latency: ", "latency", rf"(?P<label>Avg latency|{PERCENT}% percentile latency):\s*(?P<number>{FLOAT}) seconds"),
    _form(
        " requests/s, ", "throughput",
        rf"Throughput:\s*({FLOAT}) requests/s, (?:({FLOAT}) tokens/s|({FLOAT}) total tokens/s(?:, ({FLOAT}) output tokens/s)?)",
        "Throughput: requests/s", "Throughput: tokens/s", "Throughput: total tokens/s", "Throughput: output tokens/s",
    ),
    _form("Total num ", "throughput", rf"(?P<label>{alternatives(THROUGHPUT_COUNTS)}):\s*(?P<number>\d+)", opens=False),
    _form("cost time ", "prefix_caching", r"(?P<label>cost time) (?P<number>\d+\.\d+(?:e-\d+)?)"),
    _form(
        "Prefill. ", "one_batch", rf"Prefill\.\s+latency:\s*({FLOAT}) s, throughput:\s*({FLOAT}) token/s",
        "Prefill. latency", "Prefill. throughput",
    ),
    _form(
        "median latency: ", "one_batch", rf"Decode\.\s+median latency:\s*({FLOAT}) s, median throughput:\s*({FLOAT}) token/s",
        "Decode. median latency", "Decode. median throughput", opens=False,
    ),
    _form(
        "Total. ", "one_batch", rf"Total\.\s+latency:\s*({FLOAT}) s, throughput:\s*({FLOAT}) token/s",
        "Total. latency", "Total. throughput", opens=False,
    ),
    _form("batch size: ", "one_batch", r"(?P<label>batch size): (?P<number>\d+)"),
    _form("put_len: ", "one_batch", rf"(?P<label>{alternatives(BATCH_COUNTS)}): (?P<number>\d+)", opens=False),
    _form("latency: |ttft: ", "one_batch", rf"(?P<label>latency|ttft|last_ttft): (?P<number>{FLOAT}) s", opens=False),
    _form(
        " tok/s| token/s", "one_batch",
        rf"(?P<label>(?:input|output|last generation|\(input \+ output\)) throughput): (?P<number>{FLOAT}) tok(?:en)?/s",
        opens=False,
    ),
    _form("acc_length: |cache hit rate: ", "one_batch", rf"(?P<label>acc_length|cache hit rate): (?P<number>{FLOAT})", opens=False),
)  # fmt: skip

HEADER = re.compile(r"={4,}\s*(?P<name>Serving|Offline Throughput) Benchmark Result\s*={4,}")
RULE = re.compile(r"={50}")
SETTING = re.compile(rf"(?P<label>{alternatives(SETTINGS)}):\s*(?P<text>not set|[\w.+-]+)")
WARMUP = re.compile(r"-*\s*warm up\s*-*|Warmup \.\.\.|=+ Warmup Begin =+")
MEASURED = re.compile(r"-*\s*start generating\s*-*|Benchmark \.\.\.|=+ Warmup End\s*=+")


MARKS = (
    "Benchmark Result", "=====", "ncurrency:", "Backend:", "quest rate", "arm up", "Warmup", "start generating", "Benchmark ...",
)  # fmt: skip
"""What stands in a line that is no row, and says something."""

HINTS = (*{need for form in FORMS for need in form.needs}, *MARKS, "**", "`", "\x1b")
"""A line without any of these says nothing, and is passed over quickly; marks of code, bold text and colour may split the others."""


class RowReader:
    """Reads one line after the other, and remembers what a logger that nobody knows writes before each of them."""

    def __init__(self) -> None:
        self._logger: re.Pattern[str] | None = None

    def read(self, line: Line) -> Iterator[Item]:
        """Yield what a line says: nothing, for all that no client of a benchmark has printed."""
        if not any(hint in line.text for hint in HINTS):
            return
        texts = list(printed(line.text))
        for number, text in enumerate(texts, 1):
            ended = line.ended or number < len(texts)
            forms = [form for form in FORMS if any(need in text for need in form.needs)]
            marked = any(mark in text for mark in MARKS)
            if not forms and not marked:
                continue
            if item := self._alone(text, forms, marked=marked, ended=ended):
                yield item
            else:
                yield from _flat(text, forms, ended=ended)

    def _alone(self, text: str, forms: Sequence[Form], *, marked: bool, ended: bool) -> Item | None:
        """Return what a line says as a whole, after what a logger put before it."""
        bare = text.rstrip(" \t|")
        for form in forms:
            if (found := form.last.search(bare)) and found.start() in self._starts(bare):
                return form.item(found) if ended or len(bare) < len(text) or _whole(form, found) else None
        if not marked:
            return None
        return next((item for at in self._starts(bare) if (item := _mark(bare, at))), None) or self._learned(bare)

    def _starts(self, text: str) -> Iterator[int]:
        """Yield where the text of a program may start in a line."""
        yield from starts(text)
        if self._logger and (found := self._logger.match(text)):
            yield found.end()

    def _learned(self, text: str) -> Item | None:
        """Return the head of a block behind something unknown, which may stand before the lines of the block, too, with other digits."""
        found = HEADER.search(text)
        if not found or found.end() < len(text):
            return None
        self._logger = re.compile(re.sub(r"\d+", r"\\d+", re.escape(text[: found.start()])))
        return _header(found)


def _whole(form: Form, found: re.Match[str]) -> bool:
    """Tell whether a value at the end of a text that was cut off has all its digits, as far as its form says."""
    if form.kind == "prefix_caching":
        return len(found["number"]) > len("0.123456")
    return form.kind not in ("serving", "offline") or bool(re.search(r"\.\d\d$", found["number"]))


def _mark(text: str, at: int) -> Item | None:
    """Return what is no row: the head and the end of a block, a setting, and whether what follows is measured or warms up."""
    if found := HEADER.fullmatch(text, at):
        return _header(found)
    if RULE.fullmatch(text, at):
        return Item(what="rule")
    if found := SETTING.fullmatch(text, at):
        return Item(what="setting", setting=(found["label"], found["text"]))
    if WARMUP.fullmatch(text, at):
        return Item(what="warmup")
    return Item(what="measured") if MEASURED.fullmatch(text, at) else None


def _header(found: re.Match[str]) -> Item:
    return Item(what="header", kind="serving" if found["name"] == "Serving" else "offline")


def _flat(text: str, forms: Sequence[Form], *, ended: bool) -> Iterator[Item]:
    """Yield what a block says that lost its line ends; nothing for a line that merely mentions a metric."""
    both = [(form, match) for form in forms for match in form.shape.finditer(text)]
    if len(both) < FEWEST and "Benchmark Result" not in text:
        return
    found = [
        (match.start(), -match.end(), form.item(match)) for form, match in both if ended or match.end() < len(text) or _whole(form, match)
    ]
    heads = [(match.start(), -match.end(), _header(match)) for match in HEADER.finditer(text)]
    if not heads and len(found) < FEWEST:
        return
    rules = [(match.start(), -match.end(), Item(what="rule")) for match in RULE.finditer(text)]
    asked = [(m.start(), -m.end(), Item(what="setting", setting=(m["label"], m["text"]))) for m in SETTING.finditer(text)]
    last = 0
    for start, end, item in sorted([*found, *heads, *rules, *asked], key=lambda one: one[:2]):
        if start >= last:
            last = -end
            yield item
