"""A made-up session in which everything happens."""

from __future__ import annotations

import math
from typing import Any

from pytest_isobench.models.result import (
    CheckResult,
    Comparison,
    Configuration,
    Estimate,
    Failure,
    Finding,
    Gain,
    Isolation,
    Machine,
    Outcome,
    Report,
    Result,
    TaskState,
    Verdict,
)
from pytest_isobench.models.task import Metric
from pytest_isobench.reports.totals import totals_of

CONFIGURATION = Configuration()
MACHINE = Machine(
    host="bench-1",
    system="Debian GNU/Linux 12",
    kernel="6.1.0",
    architecture="x86_64",
    cpu="A CPU of some kind",
    physical_cores=2,
    logical_cores=4,
    memory_mb=24_000,
    governor="performance",
    load=(1.25, 0.5, 0.25),
    steal=0.002,
    throttled=0,
    cores=(1,),
    python="3.12.1",
)
LOCAL = Isolation(sandbox="local", filesystem=True, network=True, processes=True, user=True, limits=True)
BARE = Isolation(
    sandbox="local",
    filesystem=False,
    network=False,
    processes=False,
    user=False,
    limits=True,
    notes=("bubblewrap is not installed: the candidate can read every file of this user and reach the network",),
)


def estimate(ratio: float, half: float = 0.02, rounds: int = 12, method: Any = "signed_rank") -> Estimate:
    low, high = ratio * math.exp(-half), ratio * math.exp(half)
    return Estimate(ratio=ratio, low=low, high=high, confidence=0.95, rounds=rounds, sd=0.018, method=method)


def comparison(human: float, agent: float | None = None, *, base: float = 0.012345, **changes: Any) -> Comparison:
    """The contrasts of a human and an agent that are so many times faster than the baseline."""
    times = {"baseline": base, "human": base / human, "control": base * 1.001}
    fields: dict[str, Any] = {
        "campaign": "c0ffee",
        "metric": Metric(),
        "schedule": "pingpong",
        "margin": 0.05,
        "human_vs_baseline": estimate(human),
        "agent_vs_baseline": estimate(agent) if agent else None,
        "agent_vs_human": estimate(agent / human) if agent else None,
        "control": estimate(1.001, 0.011),
        "noise_floor": 0.011,
        "rounds": 12,
        "redone": 2,
        "times": times | ({"agent-0": base / agent} if agent else {}),
        "setup": {"baseline": 0.21, "human": 0.2},
    }
    return Comparison(**(fields | changes))


def result(task: str = "task", agent: str = "claude_code", attempt: int = 0, **fields: Any) -> Result:
    fields = {"configuration": CONFIGURATION, "isolation": LOCAL, "machine": MACHINE, "seconds": 12.3, "command": "run(inputs)"} | fields
    return Result(case=f"{task}:{agent}:{attempt}", task=task, agent=agent, attempt=attempt, **fields)


def measured(task: str, human: float, agent: float, outcome: Outcome, gain: Gain, **more: Any) -> Result:
    """A case with a measured outcome; `name` and `attempt` choose the agent."""
    state = more.setdefault("task_state", TaskState.EVALUABLE)
    hard = state is TaskState.EVALUABLE and gain is Gain.FASTER and outcome in (Outcome.BEATS, Outcome.MATCHES, Outcome.NON_INFERIOR)
    verdict = Verdict(outcome=outcome, gain=gain, hard_success=hard, reasons=("agent against human as the interval says",))
    fields = {"comparison": comparison(human, agent), "verdict": verdict} | more
    return result(task, fields.pop("name", "claude_code"), fields.pop("attempt", 0), **fields)


def failed(task: str, outcome: Outcome, reason: str, **more: Any) -> Result:
    """A case whose patch was not measured."""
    verdict = Verdict(outcome=outcome, reasons=(reason,))
    fields = {"task_state": TaskState.EVALUABLE, "comparison": comparison(1.9), "verdict": verdict} | more
    return result(task, fields.pop("name", "claude_code"), fields.pop("attempt", 0), **fields)


CHECKS = (CheckResult(name="tests", passed=False, message="2 failed"), CheckResult(name="lint", passed=True))
MEMOISED = Finding(kind="memoised", severity="cheat", message="answers were memoised between calls", evidence="call 7 took 31 ns")
GREW = Finding(kind="setup_grew", severity="alarm", message="import takes 1.9 times as long as the baseline's")
UNSURE = {"agent_vs_human": estimate(0.99, 0.12), "agent_vs_baseline": estimate(1.19, 0.2)}
LOST = Failure(kind="SandboxError", message="the supervisor was lost: exit status -9 (killed, memory?)")


def every_outcome(name: str = "claude_code") -> list[Result]:
    """Twenty cases, and among them every outcome, every gain, every state of a task and a failure of the machine."""
    slow = comparison(1.71, 1.76, base=1.832, noise_floor=0.04)
    unsure = comparison(1.2, 1.19, base=0.00041, **UNSURE)
    unpowered = comparison(1.06, human_vs_baseline=estimate(1.06, 0.3))
    no_gcc = "pip install --no-deps . ended with exit status 1: error: command 'gcc' failed"
    no_file = "fixtures/patches/claude_code has no file click-complete.0.diff"
    return [
        measured("packaging-25.0-26.0-parse-versions", 2.31, 2.83, Outcome.BEATS, Gain.FASTER, name=name),
        measured("packaging-25.0-26.0-compare", 1.87, 1.86, Outcome.MATCHES, Gain.FASTER, name=name),
        measured("networkx-triangles", 1.71, 1.76, Outcome.NON_INFERIOR, Gain.FASTER, name=name, comparison=slow),
        measured("networkx-square-clustering", 1.68, 1.31, Outcome.SLOWER, Gain.FASTER, name=name),
        measured("python-multipart-parse", 1.72, 1.0, Outcome.SLOWER, Gain.NO_CHANGE, name=name),
        measured("python-multipart-headers", 1.69, 0.8, Outcome.SLOWER, Gain.REGRESSES, name=name),
        measured("sqlglot-tokenize", 1.2, 1.19, Outcome.INCONCLUSIVE, Gain.INCONCLUSIVE, name=name, comparison=unsure),
        failed("jinja2-render", Outcome.INCORRECT, "answer 3 of round 2 differs from the reference", name=name, checks=CHECKS),
        failed("rich-wrap", Outcome.DOES_NOT_APPLY, "src/rich/wrap.py: hunk 1 does not fit the base version", name=name, comparison=None),
        failed("pyyaml-load", Outcome.DOES_NOT_BUILD, no_gcc, name=name),
        failed("mistune-parse", Outcome.CRASHED, "RecursionError: maximum recursion depth exceeded", name=name),
        failed("tomli-loads", Outcome.TIMED_OUT, "no answer within 60 s", name=name),
        failed("click-complete", Outcome.NO_PATCH, no_file, name=name, comparison=None),
        failed("attrs-make", Outcome.CHEATED, MEMOISED.message, name=name, findings=(MEMOISED,)),
        result("markdown-render", name, task_state=TaskState.NOT_EVALUABLE, comparison=comparison(1.01)),
        result("docutils-parse", name, task_state=TaskState.HUMAN_REGRESSION, comparison=comparison(0.9)),
        result("lxml-parse", name, task_state=TaskState.UNDERPOWERED, comparison=unpowered),
        measured("babel-format", 1.03, 1.03, Outcome.MATCHES, Gain.NO_CHANGE, name=name, task_state=TaskState.WEAK),
        result("sympy-expand", name, failure=LOST, isolation=None),
        measured("pygments-lex", 1.5, 1.5, Outcome.MATCHES, Gain.FASTER, name=name, findings=(GREW,)),
    ]


def report(results: list[Result], **changes: Any) -> Report:
    """A finished session with these results."""
    fields: dict[str, Any] = {
        "tool_version": "0.1.0",
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T01:00:00+00:00",
        "complete": True,
        "configuration": CONFIGURATION,
        "results": tuple(results),
        "totals": totals_of(results, CONFIGURATION.confidence),
    }
    return Report(**(fields | changes))
