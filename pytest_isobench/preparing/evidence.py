"""How an earlier run ended: by what its journal says, by what it left, and by what the program said; one alone is often wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pytest_isobench.agents.drivers import DRIVERS, load_driver
from pytest_isobench.agents.drivers.base import Account, End, Model, Output
from pytest_isobench.agents.drivers.reading import count, dig, excerpt, lines, names, objects, total, words
from pytest_isobench.models.agent import AgentStatus, Usage
from pytest_isobench.preparing.original import OriginalRun, number

GOOD = frozenset({"success", "completed", "finished"})
STEPS = frozenset({"max_steps_exceeded", "max_steps"})
TIME = frozenset({"timeout", "timed_out", "time_limit_exceeded"})

_STATUS = re.compile(r"error code: (\d{3})", re.IGNORECASE)
_FULL = re.compile(r"context.{0,20}(length|window)|prompt is too long|too many tokens", re.IGNORECASE)
_SERVICE = re.compile(
    r"token has expired|credential|unauthori[sz]ed|forbidden|api.?key|rate.?limit|overloaded|throttl|quota|billing|insufficient"
    r"|timed? ?out|connection (error|reset|refused|aborted)|service unavailable|bad gateway|internal server error",
    re.IGNORECASE,
)
_TRACE = re.compile(r"^(Error|Traceback)\b|No such file|not found", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Judged:
    """The end of a run."""

    status: AgentStatus
    reasons: tuple[str, ...] = ()


def judge(run: OriginalRun, account: Account | None, *, changed: bool) -> Judged:
    """Return how a run ended; `changed` tells whether it left a patch."""
    said = words(run.journal.get("status") or dig(run.summary, "agent", "status")).lower()
    reasons = (account.reason,) if account and account.reason and account.end is not End.FINISHED else ()
    if error := words(run.journal.get("error")):
        return Judged(_failure(error), (error,))
    if said in STEPS or (account and account.end is End.OUT_OF_BUDGET):
        also = f", and it ran for all of its time, {run.seconds:.0f} s" if _is_out_of_time(run) else ""
        return Judged(AgentStatus.OUT_OF_BUDGET, reasons or (f"the journal says that it used up its steps{also}",))
    if said in TIME or _is_out_of_time(run):
        return Judged(AgentStatus.OUT_OF_TIME, (f"ran for {run.seconds:.0f} s",))
    if account and account.end is End.API_FAILURE:
        return Judged(AgentStatus.API_FAILURE, reasons)
    return _with_patch(said, account, reasons) if changed else _without_patch(run, said, account, reasons)


def _with_patch(said: str, account: Account | None, reasons: tuple[str, ...]) -> Judged:
    """Judge a run that left a patch. A program that broke off for a fault of its own still handed in what it had made."""
    if said in GOOD or (account and account.end is End.FINISHED):
        return Judged(AgentStatus.MADE_PATCH, tuple(f"broke off with a patch: {reason}" for reason in reasons))
    if account:
        return Judged(AgentStatus.PROGRAM_FAILURE, reasons)
    told = f"the journal says {said!r}" if said else "no journal says how it ended"
    return Judged(AgentStatus.MADE_PATCH, (f"{told}, and there is a patch",))


def _without_patch(run: OriginalRun, said: str, account: Account | None, reasons: tuple[str, ...]) -> Judged:
    ends = {End.FINISHED: AgentStatus.MADE_NONE, End.REFUSED: AgentStatus.REFUSED, End.GAVE_UP: AgentStatus.GAVE_UP}
    if account:
        return Judged(ends.get(account.end, AgentStatus.PROGRAM_FAILURE), reasons)
    if not said:
        return Judged(AgentStatus.INTERRUPTED, ("its journal is empty or missing: the run was cut off",))
    if said in GOOD:
        return Judged(AgentStatus.MADE_NONE)
    output = f"{run.output('stdout')}\n{run.output('stderr')}".strip()
    if output and (_TRACE.search(output) or _SERVICE.search(output)):
        return Judged(_failure(output), (excerpt(output),))
    return Judged(AgentStatus.PROGRAM_FAILURE, (f"the journal says {said!r}, and nothing says why",))


def _is_out_of_time(run: OriginalRun) -> bool:
    minutes = number((run.section.get("time_budget_minutes"),))
    return bool(minutes) and run.seconds >= 60 * (minutes or 0)


def account_of(run: OriginalRun) -> Account | None:
    """Return what the program said of its work; None when it left no record of it."""
    if run.trajectory:
        return _read_trajectory(run.trajectory)
    stdout = run.output("stdout")
    if run.driver not in DRIVERS or not lines(stdout):
        return None
    try:
        driver = load_driver(run.driver)
    except ImportError:
        return None
    if isinstance(driver, Model):
        return None
    status = run.section.get("returncode")
    return driver.read(Output(returncode=status if type(status) is int else 0, stdout=stdout, stderr=run.output("stderr")))


def _read_trajectory(found: dict[str, Any]) -> Account:
    """Read what TRAE wrote down."""
    calls, steps = list(objects(found.get("llm_interactions"))), list(objects(found.get("agent_steps")))
    end, reason = _trae_end(found, steps)
    return Account(
        end=end,
        reason=reason,
        models=names(dig(call, "response", "model") for call in calls) or names([found.get("model")]),
        usage=_trae_usage(calls),
        steps=len(steps) or None,
    )


def _trae_end(found: dict[str, Any], steps: list[dict[str, Any]]) -> tuple[End, str]:
    said, limit = words(found.get("final_result")), count(found.get("max_steps"))
    if found.get("success") is True:
        return End.FINISHED, ""
    if "maximum steps" in said or (limit and len(steps) >= limit):
        return End.OUT_OF_BUDGET, said
    if error := words(steps[-1].get("error")) if steps else "":
        ends = {AgentStatus.API_FAILURE: End.API_FAILURE, AgentStatus.GAVE_UP: End.GAVE_UP}
        return ends.get(_failure(error), End.PROGRAM_FAILURE), error
    return End.UNKNOWN, said or "its trajectory breaks off"


def _trae_usage(calls: list[dict[str, Any]]) -> Usage:
    """Add up the calls. What Anthropic's services count as input leaves the cache out."""
    used = [(dig(call, "response", "usage"), words(call.get("provider"))) for call in calls]
    read = [
        total([count(dig(usage, "input_tokens")), *(count(dig(usage, name)) for name in _cached(provider))]) for usage, provider in used
    ]
    return Usage(
        input_tokens=total(read),
        cached_tokens=total(count(dig(usage, "cache_read_input_tokens")) for usage, _ in used),
        output_tokens=total(count(dig(usage, "output_tokens")) for usage, _ in used),
        reasoning_tokens=total(count(dig(usage, "reasoning_tokens")) for usage, _ in used),
    )


def _cached(provider: str) -> tuple[str, ...]:
    return ("cache_read_input_tokens", "cache_creation_input_tokens") if provider in ("anthropic", "bedrock") else ()


def _failure(text: str) -> AgentStatus:
    """Tell the service's failure from the program's own, whose request it refused."""
    if _FULL.search(text):
        return AgentStatus.GAVE_UP
    if found := _STATUS.search(text):
        return AgentStatus.PROGRAM_FAILURE if found[1] in ("400", "404", "422") else AgentStatus.API_FAILURE
    return AgentStatus.API_FAILURE if _SERVICE.search(text) else AgentStatus.PROGRAM_FAILURE
