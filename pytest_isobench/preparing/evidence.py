"""How an earlier run ended: by what its journal says, by what it left, and by what the program said; one alone is often wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_isobench.agents.drivers import DRIVERS, load_driver
from pytest_isobench.agents.drivers.base import Account, End, Model, Output
from pytest_isobench.agents.drivers.reading import dig, excerpt, lines, words
from pytest_isobench.agents.drivers.services import failure
from pytest_isobench.agents.outcomes import BY_END, status_of
from pytest_isobench.models.agent import AgentStatus
from pytest_isobench.preparing.original import TRAJECTORY, OriginalRun, number

GOOD = frozenset({"success", "completed", "finished"})
STEPS = frozenset({"max_steps_exceeded", "max_steps"})
TIME = frozenset({"timeout", "timed_out", "time_limit_exceeded"})

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
        return Judged(status_of(account.end, changed=True, timed_out=False, stopped=False), reasons)
    told = f"the journal says {said!r}" if said else "no journal says how it ended"
    return Judged(AgentStatus.MADE_PATCH, (f"{told}, and there is a patch",))


def _without_patch(run: OriginalRun, said: str, account: Account | None, reasons: tuple[str, ...]) -> Judged:
    if account:
        return Judged(status_of(account.end, changed=False, timed_out=False, stopped=False), reasons)
    if not said:
        return Judged(AgentStatus.INTERRUPTED, ("its journal is empty or missing: the run was cut off",))
    if said in GOOD:
        return Judged(AgentStatus.MADE_NONE)
    output = f"{run.output('stdout')}\n{run.output('stderr')}".strip()
    if _TRACE.search(output) or failure(output, answered=False):
        return Judged(_failure(output), (excerpt(output),))
    return Judged(AgentStatus.PROGRAM_FAILURE, (f"the journal says {said!r}, and nothing says why",))


def _is_out_of_time(run: OriginalRun) -> bool:
    minutes = number((run.section.get("time_budget_minutes"),))
    return bool(minutes) and run.seconds >= 60 * (minutes or 0)


def account_of(run: OriginalRun) -> Account | None:
    """Return what the program said of its work, as its driver reads it; None when it left no record of it."""
    stdout, trajectory = run.output("stdout"), run.data(TRAJECTORY)
    if run.driver not in DRIVERS or not (trajectory or lines(stdout)):
        return None
    driver, status = load_driver(run.driver), run.section.get("returncode")
    if isinstance(driver, Model):
        return None
    return driver.read(
        Output(
            returncode=status if type(status) is int else 0,
            stdout=stdout,
            stderr=run.output("stderr"),
            files={TRAJECTORY: trajectory} if trajectory else {},
        )
    )


def _failure(text: str) -> AgentStatus:
    """Tell the service's failure from the program's own."""
    account = failure(text, answered=False)
    return BY_END.get(account.end, AgentStatus.PROGRAM_FAILURE) if account else AgentStatus.PROGRAM_FAILURE
