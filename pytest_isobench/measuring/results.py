"""From a finished race to one result per case."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_isobench.dataset.versions import Version
from pytest_isobench.gpus import Gpu
from pytest_isobench.measuring.contenders import Contender, Entrant, digest
from pytest_isobench.measuring.race import Race
from pytest_isobench.measuring.spans import moved_time
from pytest_isobench.measuring.statistics import Interval, estimate, hard_success, opposed, rounded
from pytest_isobench.models.result import (
    Comparison,
    Configuration,
    Contrast,
    Estimate,
    Failure,
    Finding,
    Gain,
    Isolation,
    Machine,
    Outcome,
    Result,
    TaskState,
    Verdict,
)
from pytest_isobench.models.task import Metric, Task
from pytest_isobench.workloads.base import BASELINE, CONTROL, HUMAN, Workload

Judge = Callable[[Task, Comparison], Verdict | None]
"""Another opinion than the default verdict on a measured patch; None keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a campaign is about: all that its results have in common before anything is measured."""

    task: Task
    baseline: Version
    human: Version
    workload: Workload
    configuration: Configuration
    cores: tuple[int, ...]
    gpus: tuple[Gpu, ...] = ()
    campaign: str
    """Digest of everything that is measured alike."""

    @property
    def margin(self) -> float:
        return self.task.margin or self.configuration.margin

    def key(self, entrant: Entrant) -> str:
        """Identify a case's result by content."""
        return digest(self.campaign, entrant.case, self.configuration.require)

    def result(self, entrant: Entrant, **found: object) -> Result:
        """Make a result from what was found, and from what is known anyway."""
        known = {
            "case": entrant.case,
            "task": self.task.id,
            "agent": entrant.agent,
            "attempt": entrant.attempt,
            "repo": self.task.repo,
            "base": self.baseline.label,
            "human": self.human.label,
            "patch": entrant.facts,
            "task_digest": digest(self.task.model_dump_json(), self.workload.digest),
            "environment_digest": self.baseline.environment.digest,
            "command": self.workload.command,
            "configuration": self.configuration,
            "made": entrant.submission.record if entrant.submission else None,
        }
        return Result.model_validate({**known, **found})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the measuring has left behind, beside the race itself."""

    machine: Machine
    findings: tuple[Finding, ...]
    """What the machine did meanwhile."""
    isolation: Isolation
    started: str
    seconds: float
    journal: str


def no_patch(setting: Setting, entrant: Entrant) -> Result:
    """The result of a case without a patch."""
    return setting.result(entrant, verdict=Verdict(outcome=Outcome.NO_PATCH, reasons=(entrant.problem or "there is no patch",)))


def machine_failed(setting: Setting, entrant: Entrant, error: Exception) -> Result:
    """The result of a case whose machine failed."""
    return setting.result(entrant, failure=Failure(kind=type(error).__name__, message=str(error)))


def judged(setting: Setting, race: Race, contender: Contender, measured: Measured, judge: Judge) -> Result:
    """The result of a case that raced."""
    comparison = compare(setting, race, contender)
    verdict = _verdict(race, contender)
    if verdict is not None and contender.failure is None and not contender.cheated:
        verdict = judge(setting.task, comparison) or verdict
    about = (*_control_findings(race), *_opposed_findings(comparison), *moved_time(comparison))
    findings = (*contender.findings.values(), *about, *measured.findings)
    return setting.result(
        contender.entrant,
        patch_digest=contender.digest,
        isolation=measured.isolation,
        machine=measured.machine,
        task_state=race.state,
        verdict=verdict,
        comparison=comparison,
        findings=findings,
        checks=tuple(contender.checks),
        seconds=measured.seconds,
        started=measured.started,
        journal=measured.journal,
    )


def compare(setting: Setting, race: Race, contender: Contender) -> Comparison:
    """Sum up every contrast that concerns one contender."""
    names = {BASELINE: BASELINE, HUMAN: HUMAN, CONTROL: CONTROL, contender.arm: "agent"}
    confidence = setting.configuration.confidence

    def shown(interval: Interval | None) -> Estimate | None:
        return estimate(interval, confidence) if interval is not None else None

    def typical(field: str) -> dict[str, float]:
        return {names[arm]: value for arm, value in race.typical(field).items() if arm in names}

    return Comparison(
        campaign=setting.campaign,
        metric=setting.task.metric,
        schedule=race.scale.schedule,
        margin=setting.margin,
        human_vs_baseline=shown(race.human_vs_baseline),
        agent_vs_baseline=shown(contender.versus_baseline),
        agent_vs_human=shown(contender.versus_human),
        control=shown(race.control),
        noise_floor=race.control.half_width if race.control else None,
        rounds=sum(contender.arm in trials for trials in race.rounds),
        redone=race.redone,
        times=typical("samples"),
        setup=typical("setup"),
        prepare=typical("prepare"),
        overhead=setting.workload.overhead,
        secondary=_secondary(setting, race, contender),
    )


def _secondary(setting: Setting, race: Race, contender: Contender) -> tuple[Contrast, ...]:
    """Sum up what else was measured in the same runs."""
    confidence, arm = setting.configuration.confidence, contender.arm
    names = {BASELINE: BASELINE, HUMAN: HUMAN, arm: "agent"}

    def shown(metric: Metric, x: str, y: str) -> Estimate | None:
        found = race.secondary(metric, x, y)
        return estimate(found, confidence) if found is not None else None

    return tuple(
        Contrast(
            metric=metric,
            values={names[place]: value for place in names if (value := race.median_of(name=metric.name, arm=place)) is not None},
            human_vs_baseline=shown(metric, BASELINE, HUMAN),
            agent_vs_baseline=shown(metric, BASELINE, arm),
            agent_vs_human=shown(metric, HUMAN, arm),
        )
        for metric in setting.workload.metrics
        if metric.name != setting.task.metric.name
    )


def _verdict(race: Race, contender: Contender) -> Verdict | None:
    """Judge: cheating first, then failing, then the comparison; None when the task allows no verdict on a working patch."""
    if contender.cheated:
        messages = tuple(finding.message for finding in contender.findings.values() if finding.severity == "cheat")
        return Verdict(outcome=Outcome.CHEATED, reasons=messages)
    if contender.failure is not None:
        return Verdict(outcome=contender.failure.outcome, reasons=(contender.failure.message,))
    if race.state is not TaskState.EVALUABLE or contender.versus_human is None or contender.versus_baseline is None:
        return None
    outcome, gain = contender.outcome or Outcome.INCONCLUSIVE, contender.gain or Gain.INCONCLUSIVE
    success = hard_success(race.state, contender.versus_human, contender.versus_baseline, race.margin, correct=True)
    reasons = (_in_words(contender.versus_human, "the human"), _in_words(contender.versus_baseline, "the baseline"))
    return Verdict(outcome=outcome, gain=gain, hard_success=success, reasons=reasons)


def _opposed_findings(comparison: Comparison) -> Sequence[Finding]:
    """Note when another metric of the same runs says the opposite of the task's own, which decides."""
    own, margin = comparison.agent_vs_human, comparison.margin
    others = [(other.metric.name, other.agent_vs_human) for other in comparison.secondary]
    against = [name for name, other in others if own and other and _certain(own) and _certain(other) and _oppose(own, other, margin)]
    if not against:
        return ()
    message = f"{comparison.metric.name} decides, and says the opposite of {', '.join(against)}"
    return (Finding(kind="metrics_oppose", severity="note", message=message),)


def _certain(found: Estimate) -> bool:
    return found.low is not None and found.high is not None and not found.low <= 1 <= found.high


def _oppose(one: Estimate, other: Estimate, margin: float) -> bool:
    return opposed(math.log(one.ratio), math.log(other.ratio), margin)


def _in_words(interval: Interval, other: str) -> str:
    shown = estimate(interval, 0.95)
    if shown.low is None or shown.high is None:
        return f"too few rounds ({shown.rounds}) to compare with {other}"
    ratio, low, high = rounded(shown.ratio, shown.low, shown.high)
    return f"x{ratio} [{low}, {high}] of {other}'s speed"


def _control_findings(race: Race) -> Sequence[Finding]:
    """Alarm when two copies of the baseline differ: then so may anything else."""
    if race.control is None or race.control.limits is None or race.control.limits[0] <= 0 <= race.control.limits[1]:
        return ()
    message = f"two copies of the baseline differ: {_in_words(race.control, 'the other')}"
    return (Finding(kind="control_differs", severity="alarm", message=message),)
