"""How an attempt ended: by what the program says, by what it changed, and by whether it was stopped. Exit codes lie."""

from __future__ import annotations

from pytest_isobench.agents.drivers.base import End
from pytest_isobench.models.agent import AgentStatus

BY_END = {
    End.GAVE_UP: AgentStatus.GAVE_UP,
    End.OUT_OF_BUDGET: AgentStatus.OUT_OF_BUDGET,
    End.API_FAILURE: AgentStatus.API_FAILURE,
    End.PROGRAM_FAILURE: AgentStatus.PROGRAM_FAILURE,
    End.UNKNOWN: AgentStatus.PROGRAM_FAILURE,
}
"""Ends that say the same whether something was changed or not."""


def status_of(end: End, *, changed: bool, timed_out: bool, stopped: bool) -> AgentStatus:
    """Return the status. `stopped` means that whoever runs it all has stopped it, `timed_out` that its time was over."""
    if stopped:
        return AgentStatus.INTERRUPTED
    if end is End.API_FAILURE and not changed:
        return AgentStatus.API_FAILURE
    if timed_out:
        return AgentStatus.OUT_OF_TIME
    if end in BY_END:
        return BY_END[end]
    if changed:
        return AgentStatus.MADE_PATCH
    return AgentStatus.REFUSED if end is End.REFUSED else AgentStatus.MADE_NONE
