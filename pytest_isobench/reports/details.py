"""The lines below a case: why, what was found, and how it was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_isobench.models.result import Comparison, GpuState, Machine, Result
from pytest_isobench.reports.numbers import interval_text, share_text, time_text
from pytest_isobench.reports.text import Paper
from pytest_isobench.reports.words import words

INDENT = 4


def detail_lines(result: Result, paper: Paper, verbosity: int) -> list[str]:
    """Return the reason, cut to two lines; with verbosity 1 all reasons, findings and checks; with 2 the facts of the measurement too."""
    reason = words(result).reason
    if verbosity <= 0:
        return paper.wrapped(reason, INDENT, lines=2) if reason else []
    texts = [reason] if reason else []
    texts += [text for text in (result.verdict.reasons if result.verdict else ()) if text != reason]
    texts += _observations(result, verbosity)
    if verbosity > 1:
        texts += _facts(result)
    return [line for text in texts if text for line in paper.wrapped(text, INDENT)]


def _observations(result: Result, verbosity: int) -> Iterator[str]:
    for finding in result.findings:
        yield f"{finding.severity} {finding.kind}: {finding.message}"
        if verbosity > 1 and finding.evidence:
            yield f"evidence: {finding.evidence}"
    for check in result.checks:
        if not check.passed:
            yield f"check {check.name} failed: {check.message}"


def _facts(result: Result) -> Iterator[str]:
    if result.comparison:
        yield from _measurement(result.comparison)
    passed = [check.name for check in result.checks if check.passed]
    if passed:
        yield f"checks passed: {', '.join(passed)}"
    if result.command:
        yield f"command: {result.command}"
    if result.base or result.human:
        yield f"versions: base {result.base or '?'}, human {result.human or '?'}"
    if result.machine:
        yield f"machine: {', '.join(_machine(result.machine))}"
    if result.isolation:
        kept = [name for name in ("filesystem", "network", "processes", "user", "limits") if getattr(result.isolation, name)]
        place = f" ({result.isolation.place})" if result.isolation.place else ""
        yield f"isolation: {result.isolation.sandbox}{place}, keeps apart {', '.join(kept) or 'nothing'}"
    yield f"took {result.seconds:.1f} s{cost_text(result)}{', taken over from the journal' if result.resumed else ''}"


def cost_text(result: Result) -> str:
    """Return what a case's campaign cost, where that is paid by the hour."""
    rate = result.isolation.usd_per_hour if result.isolation else None
    return f", about {rate * result.seconds / 3600:.2f} USD by list prices ({rate:.2f} an hour) for its whole campaign" if rate else ""


def _measurement(comparison: Comparison) -> Iterator[str]:
    parts = [f"{comparison.schedule}, {comparison.rounds} rounds, {comparison.redone} redone"]
    if estimate := comparison.agent_vs_human or comparison.human_vs_baseline:
        parts.append(f"sd {share_text(estimate.sd)}")
    if comparison.noise_floor is not None:
        parts.append(f"noise floor ±{share_text(comparison.noise_floor)}")
    if comparison.control:
        parts.append(f"control A/A {interval_text(comparison.control)}")
    yield ", ".join(parts)
    metric, noise = comparison.metric, comparison.noise_floor
    yield _per_arm(f"median {metric.name}", comparison.times, metric.unit, noise)
    yield _per_arm("median set-up", comparison.setup)
    yield _per_arm("median preparation", comparison.prepare)


def _per_arm(title: str, values: Mapping[str, float], unit: str = "s", noise: float | None = None) -> str:
    return f"{title}: {', '.join(f'{arm} {time_text(value, unit, noise)}' for arm, value in values.items())}" if values else ""


def _gpu_state(state: GpuState) -> str:
    parts = ((state.sm_clock, "MHz"), (state.temperature, "C"), (state.power, "W"))
    return " ".join(f"{value:.0f} {unit}" for value, unit in parts if value is not None)


def _machine(machine: Machine) -> Iterator[str]:
    yield machine.host
    yield machine.cpu
    if machine.cores:
        yield f"cores {' '.join(map(str, machine.cores))}"
    if machine.governor:
        yield f"governor {machine.governor}"
    if machine.load:
        yield f"load {machine.load[0]:.1f}"
    if machine.steal is not None:
        yield f"steal {share_text(machine.steal)}"
    if machine.throttled:
        yield f"{machine.throttled} throttling events"
    yield from machine.gpus
    for device in machine.devices:
        states = {"before": device.before, "after": device.after}
        yield f"GPU {device.index} {', '.join(f'{when} {_gpu_state(state)}' for when, state in states.items() if state)}".rstrip()
    yield f"{machine.memory_mb} MB"
    yield f"{machine.system}, kernel {machine.kernel}, Python {machine.python}"
