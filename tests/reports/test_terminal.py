"""The table and the totals, at every width and whatever a report holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import BARE, GREW, MACHINE, comparison, every_outcome, failed, measured, report, result
from rich.cells import cell_len

from pytest_isobench.models.result import (
    Configuration,
    Device,
    Failure,
    Finding,
    Gain,
    GpuState,
    Isolation,
    Machine,
    Outcome,
    Report,
    Result,
    TaskState,
    Verdict,
)
from pytest_isobench.reports.terminal import summary_lines

NAMES = (
    *("beats (faster)", "matches (faster)", "non-inferior (faster)", "slower (faster)", "slower (no change)", "slower (regresses)"),
    *("inconclusive (gain unclear)", "incorrect", "does not apply", "does not build", "crashed", "timed out", "no patch", "cheated"),
    *("not evaluable", "human regression", "underpowered", "weak: matches (no change)", "error", "SandboxError: the supervisor"),
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def shown(results: list[Result], width: int = 160, verbosity: int = 0, **changes: object) -> str:
    lines = summary_lines(report(results, **changes), width=width, verbosity=verbosity)
    assert all(cell_len(line) <= width for line in lines)
    return "\n".join(lines).replace("\u00d7", "x").replace("\u2713", "+").replace("\u2717", "-").replace("\u2013", "-")


def row(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_one_line_per_case_where_there_is_room() -> None:
    text = shown(every_outcome())
    head = re.split(r"\s{2,}", text.splitlines()[0])
    assert head == ["task", "base", "human", "agent", "vs base", "vs human", "rounds", "verdict"]
    assert re.split(r"\s{2,}", row(text, "networkx-triangles")) == [
        "networkx-triangles",
        "1.83 s",
        "x1.71 [1.68, 1.74]",
        "claude_code",
        "x1.76 [1.73, 1.80]",
        "x1.03 [1.01, 1.05]",
        "12",
        "+ non-inferior (faster)",
    ]


def test_two_lines_per_case_in_eighty_columns() -> None:
    text = shown(every_outcome(), width=80)
    assert re.split(r"\s{2,}", row(text, "networkx-triangles")) == ["networkx-triangles", "base 1.83 s", "human x1.71"]
    below = text.splitlines()[text.splitlines().index(row(text, "networkx-triangles")) + 1]
    assert re.split(r"\s{2,}", below.strip()) == ["claude_code", "x1.76", "x1.03 [1.01, 1.05]", "+ non-inferior (faster)"]


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 100, 120, 140, 160, 240])
def test_every_case_and_verdict_is_there_at_every_width(width: int) -> None:
    text = " ".join(shown(every_outcome(), width=width).split())
    assert [name for name in NAMES if name not in text] == []
    assert all(case.task in text for case in every_outcome())
    assert "Hard Success 4/15 (27 % [11, 52])" in text
    assert "not evaluable 4 (human regression 1, not evaluable 1, underpowered 1, weak 1), infrastructure 1; in no rate or mean" in text


def test_totals_of_one_agent() -> None:
    text = shown(every_outcome())
    assert "geometric mean vs base x1.21 (15 cases, a failed patch counts as no change)" in text
    assert "geometric mean vs human x0.85 (8 measured)" in text
    assert "1 alarm: -v tells which" in text
    assert "outcomes: beats 1, cheated 1, crashed 1" in text
    assert "95 % intervals, margin 5 %, required: match, sandbox local, seed 0" in text


def test_agents_are_not_summed_up_together() -> None:
    nop = [measured(case.task, 1.5, 1.0, Outcome.SLOWER, Gain.NO_CHANGE, name="nop") for case in every_outcome()[:2]]
    text = shown([*every_outcome(), *nop])
    assert re.search(r"claude_code +4/15 \(27 % \[11, 52\]\) +x1\.21 of 15 cases +x0\.85 of 8", text)
    assert re.search(r"nop +0/2 \(0 % \[0, 66\]\) +x1\.00 of 2 cases +x0\.67 of 2", text)
    assert "4/17" not in text


def test_cases_of_a_task_stand_together_and_share_its_columns() -> None:
    one = [measured(task, 2.0, 2.0, Outcome.MATCHES, Gain.FASTER, name=name) for name in ("a", "b") for task in ("first", "second")]
    lines = shown(one).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["first", "b", "second", "b"]


@pytest.mark.parametrize("width", [80, 160])
def test_a_case_without_a_patch_stands_with_its_task(width: int) -> None:
    missing = failed("first", Outcome.NO_PATCH, "there is no patch", name="a", comparison=None, task_state=None)
    others = [measured("first", 2.0, 2.0, Outcome.MATCHES, Gain.FASTER, name=name) for name in ("b", "c")]
    text = shown([missing, *others], width=width)
    assert text.count("first") == 1
    assert row(text, "first").count("x2.00") >= 1


def test_attempts_are_told_apart() -> None:
    two = [measured("task", 2.0, 2.0, Outcome.MATCHES, Gain.FASTER, name="a", attempt=number) for number in (0, 1)]
    assert "a:0" in shown(two)
    assert "a:1" in shown(two)
    assert "a:0" not in shown(two[:1])


def test_the_reason_of_what_was_not_measured_is_shown() -> None:
    text = shown(every_outcome())
    for reason in ("answer 3 of round 2 differs", "hunk 1 does not fit", "no answer within 60 s", "memoised between calls"):
        assert reason in text
    assert "the human's version is not shown to be faster here" in text
    assert "agent against human as the interval says" not in text


def test_facts_tell_what_gpus_did() -> None:
    before, after = GpuState(sm_clock=345, temperature=30, power=70.4), GpuState(sm_clock=1980, temperature=64)
    device = Device(index=3, uuid="GPU-3", name="NVIDIA H100", memory_mb=1, driver="1", before=before, after=after)
    machine = MACHINE.model_copy(update={"devices": (device,)})
    assert "GPU 3 before 345 MHz 30 C 70 W, after 1980 MHz 64 C" in shown([result(machine=machine)], verbosity=2)


@pytest.mark.parametrize(("tasks", "folded"), [(3, False), (4, True)])
def test_many_tasks_that_cannot_be_measured_here_are_one_line(tasks: int, folded: bool) -> None:
    reason = "needs 1 GPU(s) of model 'H100'; this machine has 0"
    why = Finding(kind="not_evaluable", severity="note", message=reason)
    results = [result(f"vllm-{number}", agent, findings=(why,)) for number in range(tasks) for agent in ("nop", "human")]
    text = shown([*results, result("other", findings=(why.model_copy(update={"message": "no Python 3.9"}),))])
    assert (f"{tasks} tasks not evaluable: {reason}" in text) is folded
    assert ("vllm-0" in text) is not folded
    assert "other" in row(text, "other"), "what nobody shares stays a case of its own"
    assert "vllm-0" in shown(results, verbosity=1)


def test_verbosity_adds_reasons_then_facts() -> None:
    reasons, facts, totals = shown(every_outcome(), verbosity=1), shown(every_outcome(), verbosity=2), shown(every_outcome(), verbosity=-1)
    assert "agent against human as the interval says" in reasons
    assert f"alarm setup_grew: {GREW.message}" in reasons
    assert "check tests failed: 2 failed" in reasons
    for fact in (
        "pingpong, 12 rounds, 2 redone, sd 1.8 %, noise floor \u00b11.1 %, control A/A x1.00 [0.99, 1.01]",
        "median time_per_call: baseline 12.3 ms, human 5.34 ms, control 12.4 ms, agent-0 4.36 ms",
        "median set-up: baseline 210 ms, human 200 ms",
        "machine: bench-1, A CPU of some kind, cores 1, governor performance, load 1.2, steal 0.2 %, 24000 MB",
        "isolation: local, keeps apart filesystem, network, processes, user, limits",
        "evidence: call 7 took 31 ns",
        "checks passed: lint",
        "command: run(inputs)",
    ):
        assert fact in facts
        assert fact not in reasons
    assert totals.splitlines()[0] == "Hard Success 4/15 (27 % [11, 52])"


def test_notes_on_isolation_are_loud_and_shown_once() -> None:
    cases = [result(f"task-{number}", isolation=BARE, task_state=TaskState.NOT_EVALUABLE) for number in range(3)]
    for verbosity in (-1, 0, 2):
        assert shown(cases, verbosity=verbosity).count("! local: bubblewrap is not installed") == 1


def test_an_unfinished_report_says_so() -> None:
    assert shown([], complete=False).splitlines() == ["! not complete: the session is still running, or was cut off", "no results"]


def test_what_was_refused_is_listed() -> None:
    refused = tuple(f"report.jsonl:{number}: garbage" for number in range(5))
    text = shown([result()], refused=refused)
    assert "! 5 things could not be read and are left out:" in text
    assert "report.jsonl:2: garbage" in text
    assert "report.jsonl:3: garbage" not in text
    assert "and 2 more: -v lists them" in text
    assert "report.jsonl:4: garbage" in shown([result()], verbosity=1, refused=refused)


def test_one_kind_of_arm_alone_has_no_verdict() -> None:
    alone = result(configuration=Configuration(only="human"), comparison=comparison(2.0, human_vs_baseline=None))
    assert row(shown([alone]), "task  ").startswith("task ")
    assert "only human" in shown([alone])


def test_colour_only_where_it_is_wanted() -> None:
    plain = summary_lines(report(every_outcome()), width=160)
    colored = summary_lines(report(every_outcome()), width=160, color=True)
    assert not any("\x1b" in line for line in plain)
    assert [ANSI.sub("", line).rstrip() for line in colored] == plain
    assert "\x1b[32m\u2713 beats (faster)\x1b[0m" in "\n".join(colored)


def test_ascii_only() -> None:
    for width in (50, 80, 160):
        for verbosity in (0, 2):
            assert "".join(summary_lines(report(every_outcome()), width=width, verbosity=verbosity, ascii_only=True)).isascii()


ATTACKS = ("\x1b[2J\x1b[31mPASSED", "a\r\nHard Success 9/9", "\u202egnorw", "[red]x[/red]", "\x9b", "{}%s", "\ufeff")
BULKY = ("漢字" * 30, "x" * 200, "e\u0301" * 50)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(ATTACKS + BULKY)
VERDICT = st.builds(Verdict, outcome=st.sampled_from(Outcome), gain=st.none() | st.sampled_from(Gain), reasons=st.tuples(TEXT))
RATIO = st.floats(1e-9, 1e9)


@st.composite
def hostile_results(draw: st.DrawFn) -> Result:
    text = draw(TEXT)
    words = dict.fromkeys(("host", "system", "kernel", "architecture", "cpu", "python"), text)
    device = Device(index=0, uuid=text, name=text, memory_mb=1, driver=text, before=GpuState(sm_clock=1))
    machine = Machine(physical_cores=None, logical_cores=1, memory_mb=1, gpus=(text,), devices=(device,), **words)
    measured = comparison(draw(RATIO), draw(RATIO), times={text: 1.0}, setup={text: -1.0})
    return result(
        draw(TEXT) or "task",
        draw(TEXT) or "agent",
        draw(st.integers(0, 10**20)),
        base=text,
        human=text,
        command=text,
        machine=machine,
        isolation=Isolation(sandbox=text, filesystem=True, network=False, processes=True, user=True, limits=True, notes=(text,)),
        task_state=draw(st.none() | st.sampled_from(TaskState)),
        verdict=draw(st.none() | VERDICT),
        failure=draw(st.none() | st.just(Failure(kind=text, message=text))),
        findings=(Finding(kind="odd", severity="cheat", message=text, evidence=text),),
        comparison=draw(st.none() | st.just(measured)),
    )


@settings(deadline=None, max_examples=80)
@given(st.lists(hostile_results(), max_size=4), st.integers(1, 200), st.integers(-1, 2), st.booleans(), TEXT)
def test_no_report_can_command_the_terminal(results: list[Result], width: int, verbosity: int, ascii_only: bool, text: str) -> None:
    hostile: Report = report(results, refused=(text,))
    lines = summary_lines(hostile, width=width, verbosity=verbosity, ascii_only=ascii_only)
    assert all(line.isprintable() for line in lines)
    assert all(cell_len(line) <= max(width, 40) for line in lines)
    colored = summary_lines(hostile, width=width, verbosity=verbosity, color=True, ascii_only=ascii_only)
    assert all(ANSI.sub("", line).isprintable() for line in colored)


def test_a_forged_line_stays_inside_its_field() -> None:
    forged = failed("task", Outcome.CRASHED, "oops\nHard Success 99/99 (100 % [99, 100])\x1b[1A")
    lines = summary_lines(report([forged]), width=100)
    assert not any(line.startswith("Hard Success 99") for line in lines)
