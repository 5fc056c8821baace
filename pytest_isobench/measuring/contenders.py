"""The arms of a campaign: who takes part, and what is known about each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_isobench.agents.base import Submission
from pytest_isobench.dataset.versions import Version
from pytest_isobench.integrity.patches import remarks
from pytest_isobench.measuring.statistics import Interval
from pytest_isobench.models.result import CheckResult, Finding, Gain, Outcome, PatchFacts
from pytest_isobench.models.trial import ArmFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One case of a campaign: one attempt of one agent."""

    case: str
    """task:agent:attempt"""
    agent: str
    attempt: int
    submission: Submission | None
    """None when there is no patch."""
    problem: str = ""
    """Why there is none."""
    facts: PatchFacts | None = None
    """What its patch changes; None for a whole version, and for a patch that nobody tried to apply."""
    findings: tuple[Finding, ...] = ()
    """What was remarkable before anything ran."""


@dataclass(slots=True, kw_only=True)
class Contender:
    """An agent's arm, and what the rounds have shown of it so far."""

    arm: str
    entrant: Entrant
    version: Version
    patch: str | None
    failure: ArmFailure | None = None
    findings: dict[str, Finding] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)
    versus_human: Interval | None = None
    versus_baseline: Interval | None = None
    outcome: Outcome | None = None
    gain: Gain | None = None
    settled: bool = False

    @property
    def racing(self) -> bool:
        """Whether it takes part in further rounds."""
        return self.failure is None and not self.settled and not self.cheated

    def afresh(self) -> Contender:
        """Return the same patch as nothing is known of it yet."""
        noted = {kind: finding for kind, finding in self.findings.items() if finding.severity == "note"}
        return Contender(arm=self.arm, entrant=self.entrant, version=self.version, patch=self.patch, findings=noted)

    @property
    def digest(self) -> str:
        """Content of what is measured in this arm."""
        return digest(self.version.digest, self.patch or "")

    def note(self, findings: Sequence[Finding]) -> None:
        """Keep each kind of finding once, the first time."""
        for finding in findings:
            self.findings.setdefault(finding.kind, finding)

    @property
    def cheated(self) -> bool:
        return any(finding.severity == "cheat" for finding in self.findings.values())


def contenders(entrants: Sequence[Entrant], base: Version) -> list[Contender]:
    """Give every entrant that has a patch an arm: the base with the patch, or a version of its own."""
    submitted = [(entrant, entrant.submission) for entrant in entrants if entrant.submission is not None]
    return [
        Contender(
            arm=f"agent-{index}",
            entrant=entrant,
            version=handed_in.version or base,
            patch=handed_in.patch,
            findings={finding.kind: finding for finding in (*remarks(handed_in.patch or ""), *entrant.findings)},
        )
        for index, (entrant, handed_in) in enumerate(submitted)
    ]


def digest(*parts: str) -> str:
    """Return the SHA-256 of some texts, kept apart."""
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
