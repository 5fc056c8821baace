"""The table of cases: as many columns as there is room for, then two lines a case, then running text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from rich.cells import cell_len

from pytest_isobench.models.result import Comparison, Estimate, Result
from pytest_isobench.reports.numbers import interval_text, ratio_text, time_text
from pytest_isobench.reports.text import DASH, Paper, pad
from pytest_isobench.reports.words import Words, words

GAP = "  "
LONGEST_NAME = 40
"""Columns that a name may take in a table; the end of a longer one is cut off."""

SHORT_NAME = 12
"""The same where there is little room."""

Show = Callable[[Estimate | None], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One case as clean texts."""

    result: Result
    task: str
    base: str
    human: str
    agent: str
    gain: str
    compared: str
    rounds: str
    words: Words

    @property
    def verdict(self) -> str:
        return f"{self.words.mark} {self.words.label}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `least` keeps numbers of different reports in the same place."""

    title: str
    cell: Callable[[Row], str]
    least: int = 0
    right: bool = False
    shared: bool = False
    """Whether the cases of one task have it in common."""

    def width(self, rows: Sequence[Row]) -> int:
        return max(self.least, cell_len(self.title), *(cell_len(self.cell(row)) for row in rows))


TASK = Column("task", lambda row: row.task, shared=True)
BASE = Column("base", lambda row: row.base, 7, right=True, shared=True)
HUMAN = Column("human", lambda row: row.human, 6, shared=True)
AGENT = Column("agent", lambda row: row.agent)
GAIN = Column("vs base", lambda row: row.gain, 7)
COMPARED = Column("vs human", lambda row: row.compared, 18)
ROUNDS = Column("rounds", lambda row: row.rounds, right=True)
VERDICT = Column("verdict", lambda row: row.verdict, 20)

LAYOUTS: tuple[tuple[tuple[Column, ...], Show], ...] = (
    ((TASK, BASE, HUMAN, AGENT, GAIN, COMPARED, ROUNDS, VERDICT), interval_text),
    ((TASK, BASE, HUMAN, AGENT, GAIN, COMPARED, VERDICT), interval_text),
    ((TASK, BASE, HUMAN, AGENT, GAIN, COMPARED, VERDICT), ratio_text),
)

Below = Callable[[Row], list[str]]


def case_lines(results: Sequence[Result], paper: Paper, below: Below) -> list[str]:
    """Return the table; `below` gives the lines that follow a case."""
    for columns, show in LAYOUTS:
        rows = _rows(results, paper, show)
        if (lines := _table(rows, columns, paper, below)) is not None:
            return lines
    return _two_tiers(rows, paper, below) or _running(rows, paper, below)


def _rows(results: Sequence[Result], paper: Paper, show: Show) -> list[Row]:
    """Return the cases of one task together, tasks in the order in which they came."""
    places: dict[str, int] = {}
    for result in results:
        places.setdefault(result.task, len(places))
    several = any(result.attempt for result in results)
    rows = [_row(result, paper, show, several) for result in sorted(results, key=lambda result: places[result.task])]
    known = {row.result.task: row for row in reversed(rows) if row.result.comparison}
    return [_with_task_of(known.get(row.result.task, row), row) for row in rows]


def _with_task_of(known: Row, row: Row) -> Row:
    """Let a case that was not compared stand with the others of its task: its task's times are known from them."""
    return row if row.result.comparison else replace(row, base=known.base, human=known.human)


def _row(result: Result, paper: Paper, show: Show, several: bool) -> Row:
    comparison, said = result.comparison, words(result)
    human, gain, compared = _contrasts(comparison)
    agent = f"{result.agent}:{result.attempt}" if several else result.agent
    return Row(
        result=result,
        task=paper.cut(paper.clean(result.task), LONGEST_NAME),
        base=paper.clean(_base(comparison) if comparison else DASH),
        human=paper.clean(show(human)),
        agent=paper.cut(paper.clean(agent), LONGEST_NAME),
        gain=paper.clean(show(gain)),
        compared=paper.clean(interval_text(compared)),
        rounds=str(comparison.rounds) if comparison else "",
        words=Words(paper.clean(said.mark), paper.clean(said.label), said.style, said.reason),
    )


def _contrasts(comparison: Comparison | None) -> tuple[Estimate | None, Estimate | None, Estimate | None]:
    if comparison is None:
        return None, None, None
    return comparison.human_vs_baseline, comparison.agent_vs_baseline, comparison.agent_vs_human


def _base(comparison: Comparison) -> str:
    return time_text(comparison.times.get("baseline"), comparison.metric.unit, comparison.noise_floor)


def _table(rows: Sequence[Row], columns: Sequence[Column], paper: Paper, below: Below, indent: str = "") -> list[str] | None:
    """Return the cases as one table, or None when it does not fit."""
    widths = [column.width(rows) for column in columns]
    if len(indent) + sum(widths) + len(GAP) * (len(widths) - 1) > paper.width:
        return None
    titles = GAP.join(pad(column.title, width, right=column.right) for column, width in zip(columns, widths, strict=True))
    lines = [paper.paint(f"{indent}{titles}".rstrip(), "bold")]
    before: Row | None = None
    for row in rows:
        lines += [indent + _cells(row, before, columns, widths, paper), *below(row)]
        before = row
    return lines


def _cells(row: Row, before: Row | None, columns: Sequence[Column], widths: Sequence[int], paper: Paper) -> str:
    """Return one line, without repeating what the task's cases have in common."""
    repeated = before is not None and all(column.cell(before) == column.cell(row) for column in columns if column.shared)
    cells = []
    for column, width in zip(columns, widths, strict=True):
        text = "" if repeated and column.shared else column.cell(row)
        last = column is columns[-1]
        cells.append(paper.paint(text if last else pad(text, width, right=column.right), row.words.style if last else ""))
    return GAP.join(cells).rstrip()


def _two_tiers(rows: Sequence[Row], paper: Paper, below: Below) -> list[str] | None:
    """Return the cases below their tasks' lines, or None when it does not fit."""
    short = replace(AGENT, cell=lambda row: paper.cut(row.agent, SHORT_NAME))
    tables = (_table(rows, (agent, GAIN, COMPARED, VERDICT), paper, lambda _: [], indent=GAP) for agent in (AGENT, short))
    table = next((table for table in tables if table), None)
    if table is None:
        return None
    title, *cells = table
    lines = [title]
    for (task, base, human), group in groupby(zip(rows, cells, strict=True), key=lambda pair: (pair[0].task, pair[0].base, pair[0].human)):
        lines += _task_lines(task, f"base {base}{GAP}human {human}", paper)
        for row, cell in group:
            lines += [cell, *below(row)]
    return lines


def _task_lines(task: str, facts: str, paper: Paper) -> list[str]:
    room = paper.width - cell_len(facts) - len(GAP)
    if cell_len(task) <= room:
        return [f"{paper.paint(pad(task, room), 'bold')}{GAP}{facts}"]
    return [paper.paint(line, "bold") for line in paper.wrapped(task)] + paper.wrapped(facts, len(GAP))


def _running(rows: Sequence[Row], paper: Paper, below: Below) -> list[str]:
    return [line for row in rows for line in (*_sentence(row, paper), *below(row))]


def _sentence(row: Row, paper: Paper) -> list[str]:
    facts = f"base {row.base}, human {row.human}, {row.agent} {row.gain} vs base, {row.compared} vs human"
    first, *rest = paper.wrapped(f"{row.verdict}: {row.task}, {facts}", len(GAP))
    return [paper.paint(first.strip(), row.words.style), *rest]
