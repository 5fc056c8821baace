"""What one call of an agent's program came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pytest_isobench.agents.drivers.base import Account
from pytest_isobench.agents.gate import Gate
from pytest_isobench.agents.harvest import Harvest
from pytest_isobench.agents.outcomes import status_of
from pytest_isobench.agents.running import Ran
from pytest_isobench.models.agent import AgentStatus
from pytest_isobench.models.finding import Finding, Isolation

Network = Literal["none", "listed_hosts", "open"]
SHOWN, LISTED = 5, 10_000
"""Hosts that a finding names, and characters of the list behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One call."""

    status: AgentStatus
    account: Account
    reasons: tuple[str, ...]
    ran: Ran
    harvest: Harvest
    started: str
    """ISO 8601, UTC."""
    network: Network
    findings: tuple[Finding, ...] = field(default_factory=tuple)
    isolation: Isolation | None = None

    @property
    def retry(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status is AgentStatus.API_FAILURE and self.account.retry

    @property
    def reason(self) -> str:
        return self.reasons[0] if self.reasons else self.status.value


def judged(account: Account, ran: Ran, found: Harvest, *, started: str, network: Network, stopped: bool = False) -> Try:
    """Put together what the program says, how it ran and what it changed. `stopped` means by whoever runs it all."""
    return Try(
        status=status_of(account.end, changed=bool(found.diff), timed_out=ran.timed_out, stopped=stopped),
        account=account,
        reasons=tuple(reason for reason in (account.reason, *(finding.message for finding in found.findings)) if reason),
        ran=ran,
        harvest=found,
        started=started,
        network=network,
        findings=found.findings,
    )


def refusals(gate: Gate | None) -> tuple[Finding, ...]:
    """Note the hosts that the gate let nobody reach."""
    if gate is None or not gate.refused:
        return ()
    hosts = sorted(gate.refused, key=lambda host: -gate.refused[host])
    more = f" and {len(hosts) - SHOWN} more" if len(hosts) > SHOWN else ""
    said = f"tried to reach {', '.join(hosts[:SHOWN])}{more}, and was not let through"
    return (Finding(kind="network_refused", severity="note", message=said, evidence="\n".join(hosts)[:LISTED]),)
