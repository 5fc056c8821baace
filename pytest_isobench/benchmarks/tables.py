"""Tables of a pull request in which each row is a metric under its printed label, and each column of numbers a run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pytest_isobench.benchmarks.blocks import Block
from pytest_isobench.benchmarks.labels import SERVING
from pytest_isobench.benchmarks.lines import Line, printed
from pytest_isobench.benchmarks.rows import NUMBER

_HINTS = ("(ms)", "/s)", "(s)", "(%)", "equests", "tokens", "oncurrency", "ength", "Drafts")
"""What stands in a row that may count."""

_LABEL = re.compile(SERVING)
_NUMBER = re.compile(NUMBER)
_DERIVED = re.compile(r"diff|delta|change|improve|speed ?-?up|ratio|gain|reduc|[Δ%]", re.IGNORECASE)
"""Titles of columns that hold no measurement."""


@dataclass(slots=True)
class TableReader:
    """Follows the tables of a text."""

    blocks: list[Block] = field(default_factory=list)
    _columns: dict[int, Block] = field(default_factory=dict)
    _title: str = ""

    def take(self, line: Line) -> None:
        """Take a line that may be of a table."""
        if "|" not in line.text:
            if self._columns:
                self._close()
            self._title = ""
        elif any(hint in line.text for hint in _HINTS):
            for text in printed(line.text):
                self._row(_cells(text), line.number)
        elif not set(line.text) <= set("|-:+ "):
            self._title = line.text

    def finish(self) -> list[Block]:
        """Return the blocks, a column each."""
        self._close()
        return self.blocks

    def _row(self, cells: list[str], number: int) -> None:
        label = cells[0].removesuffix(":")
        if not _LABEL.fullmatch(label):
            return
        titles = _cells(self._title)
        for column, cell in enumerate(cells[1:], 1):
            title = titles[column] if column < len(titles) else ""
            if _NUMBER.fullmatch(cell) and not _DERIVED.search(title):
                block = self._columns.setdefault(column, Block(kind="serving", first=number, last=number, headed=True))
                block.add([(label, float(cell.replace(",", "")))], number)

    def _close(self) -> None:
        for block in self._columns.values():
            block.ended = True
            self.blocks.append(block)
        self._columns = {}


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.strip().lstrip("+-> ").strip("|").split("|")]
