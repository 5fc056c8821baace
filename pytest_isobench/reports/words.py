"""What became of a case, in words."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_isobench.models.result import Gain, Result, TaskState
from pytest_isobench.reports.text import BAD, DASH, GOOD

GAINS = {Gain.FASTER: "faster", Gain.NO_CHANGE: "no change", Gain.REGRESSES: "regresses", Gain.INCONCLUSIVE: "gain unclear"}
STATES = {
    TaskState.WEAK: "the human's gain is not shown to exceed the margin, so no patch could be told from none",
    TaskState.NOT_EVALUABLE: "the human's version is not shown to be faster here",
    TaskState.HUMAN_REGRESSION: "the human's version is slower than the baseline here",
    TaskState.UNDERPOWERED: "the time budget did not allow the rounds that an answer needs",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A case's last column, and the line below it."""

    mark: str
    label: str
    style: str
    reason: str = ""


def spoken(name: str) -> str:
    """Return an outcome's or a state's name as it is said."""
    return name.replace("non_", "non-").replace("_", " ")


def words(result: Result) -> Words:
    """Say what became of a case: the machine's failure, the task's state, or the patch's verdict."""
    if result.failure:
        return Words("!", "error", "yellow", f"{result.failure.kind}: {result.failure.message}")
    if not result.verdict:
        if result.configuration.only:
            return Words(DASH, f"only {result.configuration.only}", "dim")
        return Words(DASH, _state(result) or "not evaluable", "dim", _why(result))
    mark, style = (GOOD, "green") if result.verdict.hard_success else (BAD, "red")
    label = spoken(result.verdict.outcome)
    label = f"{label} ({GAINS[result.verdict.gain]})" if result.verdict.gain else label
    if state := _state(result):
        return Words(DASH, f"{state}: {label}", "dim", _why(result))
    return Words(mark, label, style, _failed(result) if result.verdict.gain is None else "")


def _state(result: Result) -> str:
    state = result.task_state
    return spoken(state) if state and state is not TaskState.EVALUABLE else ""


def _why(result: Result) -> str:
    if result.verdict and result.verdict.gain is None and (reason := _failed(result)):
        return reason
    if result.task_state in STATES:
        return STATES[result.task_state]
    return next((finding.message for finding in result.findings), "")


def _failed(result: Result) -> str:
    """Why a patch was not measured."""
    cheats = [finding.message for finding in result.findings if finding.severity == "cheat"]
    failed = [f"{check.name}: {check.message}" for check in result.checks if not check.passed]
    return next(iter((*(result.verdict.reasons if result.verdict else ()), *cheats, *failed)), "")


def verdict_word(result: Result) -> str:
    """Return the verdict's name, or that of what stands in its place."""
    if result.failure:
        return "error"
    if result.verdict:
        return str(result.verdict.outcome)
    return str(result.task_state or result.configuration.only or "none")
