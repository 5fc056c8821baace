"""What a terminal shows of a report: the table, the totals, and everything that a reader must know to believe them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len

from pytest_isobench.models.result import Report, Result, TaskState, Totals
from pytest_isobench.reports.details import detail_lines
from pytest_isobench.reports.numbers import mean_text, rate_text
from pytest_isobench.reports.table import case_lines
from pytest_isobench.reports.text import Paper, grid
from pytest_isobench.reports.totals import totals_of
from pytest_isobench.reports.words import spoken

NARROWEST = 40
SHOWN_REFUSALS = 3
FEW = 3
"""Tasks that are listed one by one though they share the reason why nothing could be measured."""
AGENT_WIDTH = 24


def summary_lines(report: Report, *, width: int, verbosity: int = 0, color: bool = False, ascii_only: bool = False) -> list[str]:
    """Return the report as lines of at most `width` columns (40 at least).

    Verbosity 1 adds reasons and findings, 2 the facts of each measurement; -1 shows the totals alone. Without `color` there is no escape
    sequence in them, whatever the report holds.
    """
    paper = Paper(width=max(width, NARROWEST), color=color, ascii_only=ascii_only)
    lines = [line for text in _warnings(report) for line in _warning(text, paper)]
    if report.results and verbosity >= 0:
        alike = {} if verbosity else _alike(report.results)
        told = [result for result in report.results if _why_not(result) not in alike]
        lines += [*case_lines(told, paper, lambda row: detail_lines(row.result, paper, verbosity)), ""] if told else []
        lines += [*(line for text in alike.values() for line in paper.wrapped(text)), ""] if alike else []
    lines += _totals(report, paper) if report.results else ["no results"]
    return [*lines, *_refusals(report.refused, paper, verbosity)]


def _alike(results: Sequence[Result]) -> dict[str, str]:
    """Return the reasons for which more than a few tasks are not evaluable, each with a line that stands for all of them."""
    tasks: dict[str, set[str]] = {}
    for result in results:
        tasks.setdefault(_why_not(result), set()).add(result.task)
    return {reason: f"{len(found)} tasks not evaluable: {reason}" for reason, found in tasks.items() if reason and len(found) > FEW}


def _why_not(result: Result) -> str:
    """Return why nothing of a case could be measured at all; nothing for one that was, or failed."""
    if result.comparison or result.verdict or result.failure:
        return ""
    return next((finding.message for finding in result.findings if finding.kind == "not_evaluable"), "")


def _warning(text: str, paper: Paper) -> list[str]:
    return [paper.paint(line, "bold", "yellow") for line in paper.wrapped(f"! {text}")]


def _warnings(report: Report) -> Iterator[str]:
    isolations = [result.isolation for result in report.results if result.isolation]
    yield from dict.fromkeys(f"{isolation.sandbox}: {note}" for isolation in isolations for note in isolation.notes)
    if not report.complete:
        yield "not complete: the session is still running, or was cut off"


def _totals(report: Report, paper: Paper) -> list[str]:
    agents = dict.fromkeys(result.agent for result in report.results)
    rates = _one(report.totals, paper) if len(agents) < 2 else _several(list(agents), report, paper)
    return [*rates, *(line for text in _counts(report) for line in paper.wrapped(text))]


def _one(totals: Totals, paper: Paper) -> list[str]:
    means = f"geometric mean vs base {mean_text(totals.geometric_mean_vs_baseline)} ({_cases(totals)}, a failed patch counts as no change)"
    human = f"geometric mean vs human {mean_text(totals.geometric_mean_vs_human)} ({totals.measured} measured)"
    rate = paper.paint(paper.clean(f"Hard Success {rate_text(totals.hard_success)}"), "bold")
    return [rate, *paper.wrapped(means), *paper.wrapped(human)]


def _several(agents: Sequence[str], report: Report, paper: Paper) -> list[str]:
    """Agents are never summed up together: a rate over different agents says nothing about any."""
    rows = [("agent", "Hard Success", "vs base", "vs human"), *(_agent_row(agent, report, paper) for agent in agents)]
    lines = grid([[paper.clean(cell) for cell in row] for row in rows])
    if max(map(cell_len, lines)) > paper.width:
        sentences = (f"{agent}: Hard Success {rate}, vs base {base}, vs human {human}" for agent, rate, base, human in rows[1:])
        lines = [line for sentence in sentences for line in paper.wrapped(sentence)]
    meaning = "geometric means: vs base over evaluable cases, a failed patch counts as no change; vs human over the measured ones"
    return [paper.paint(lines[0], "bold"), *lines[1:], *paper.wrapped(meaning)]


def _agent_row(agent: str, report: Report, paper: Paper) -> tuple[str, str, str, str]:
    sums = totals_of([result for result in report.results if result.agent == agent], report.configuration.confidence)
    base, human = mean_text(sums.geometric_mean_vs_baseline), mean_text(sums.geometric_mean_vs_human)
    name = paper.cut(paper.clean(agent), AGENT_WIDTH)
    return name, rate_text(sums.hard_success), f"{base} of {_cases(sums)}", f"{human} of {sums.measured}"


def _cases(totals: Totals) -> str:
    number = totals.hard_success.total if totals.hard_success else 0
    return f"{number} {'case' if number == 1 else 'cases'}"


def _counts(report: Report) -> Iterator[str]:
    totals = report.totals
    states = {name: number for name, number in totals.task_states.items() if name != TaskState.EVALUABLE}
    yield f"outcomes: {_listed(totals.outcomes) or 'none'}"
    nothing = f"not evaluable {totals.not_evaluable}{f' ({_listed(states)})' if states else ''}"
    yield f"{nothing}, infrastructure {totals.failures}; in no rate or mean"
    how = report.configuration
    rule = f"{100 * how.confidence:g} % intervals, margin {100 * how.margin:g} %, required: {how.require}"
    yield f"{rule}, sandbox {how.sandbox}, seed {how.seed}"
    alarms = sum(finding.severity == "alarm" for result in report.results for finding in result.findings)
    if alarms:
        yield f"{alarms} {'alarm' if alarms == 1 else 'alarms'}: -v tells which"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{spoken(name)} {number}" for name, number in counts.items())


def _refusals(refused: Sequence[str], paper: Paper, verbosity: int) -> list[str]:
    if not refused:
        return []
    shown = refused if verbosity else refused[:SHOWN_REFUSALS]
    lines = _warning(f"{len(refused)} things could not be read and are left out:", paper)
    lines += [line for text in shown for line in paper.wrapped(text, 2)]
    return lines if len(shown) == len(refused) else [*lines, f"  and {len(refused) - len(shown)} more: -v lists them"]
