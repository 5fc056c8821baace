"""Runs: what is made, what is kept, and where they stop."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from makers import FakeMaker
from prepare_project import Project

from pytest_isobench.agents.base import Assignment
from pytest_isobench.agents.running import Progress
from pytest_isobench.errors import InfrastructureError, JournalError, UsageError
from pytest_isobench.jsonl import LineFile
from pytest_isobench.models.agent import AgentStatus
from pytest_isobench.models.preparing import ItemSummary, PlanItem, RunSummary
from pytest_isobench.preparing.plan import make_plan
from pytest_isobench.preparing.preparing import JOURNAL, SUMMARY, Choices, prepare
from pytest_isobench.preparing.summary import problems


class Quiet:
    def __init__(self) -> None:
        self.phases: list[str] = []

    def started(self, item: PlanItem) -> None:
        pass

    def progress(self, item: PlanItem, progress: Progress) -> None:
        self.phases.append(progress.phase)

    def ended(self, summary: ItemSummary) -> None:
        pass


def run(project: Project, folder: Path, *, attempts: int = 1, stop: threading.Event | None = None, **choices: Any) -> RunSummary:
    planned = make_plan(project.files, project.scope(), attempts)
    clock = choices.pop("clock", None)
    more = {"clock": clock} if clock else {}
    return prepare(
        planned.todos, Choices(**choices), folder, stop=stop or threading.Event(), observer=Quiet(), refused=planned.refused, **more
    )


@pytest.fixture
def five(project: Project) -> Project:
    for number in range(5):
        project.task(f"task-{number}")
    return project


def test_what_is_there_of_the_same_is_kept(five: Project, tmp_path: Path) -> None:
    first = run(five, tmp_path / "1", attempts=2, workers=3)
    assert (first.states, first.statuses) == ({"made": 10}, {AgentStatus.MADE_PATCH: 10})
    assert (first.usage.usd, first.usage.output_tokens, first.usage.input_tokens, first.unpriced) == (5.0, 100, None, 0)
    again = run(five, tmp_path / "2", attempts=2)
    assert (again.states, again.usage.usd) == ({"kept": 10}, None)
    assert len(five.maker.made) == 10
    assert run(five, tmp_path / "3", resume=False).states == {"made": 5}
    assert problems(first) == problems(again) == 0


def test_what_has_changed_is_made_again(five: Project, tmp_path: Path) -> None:
    run(five, tmp_path / "1")
    (five.path / "tasks" / "task-3" / "code.py").write_text("a = 2\n")
    five.maker.made.clear()
    run(five, tmp_path / "2")
    assert five.maker.made == [("task-3", 0)]
    five.maker.configuration = "2"
    assert run(five, tmp_path / "3").states == {"made": 5}


@pytest.mark.parametrize(
    ("status", "final"),
    [
        (AgentStatus.MADE_NONE, True),
        (AgentStatus.OUT_OF_BUDGET, True),
        (AgentStatus.API_FAILURE, False),
        (AgentStatus.PROGRAM_FAILURE, False),
        (AgentStatus.INTERRUPTED, False),
    ],
)
def test_what_the_machine_spoilt_is_made_again(project: Project, tmp_path: Path, status: AgentStatus, final: bool) -> None:
    project.task("one")
    project.maker.says = lambda _: status
    first = run(project, tmp_path / "1")
    assert first.statuses == {status: 1}
    assert (problems(first) == 0) is final
    project.maker.says = lambda _: AgentStatus.MADE_PATCH
    assert run(project, tmp_path / "2").states == {"kept" if final else "made": 1}


def test_what_was_imported_is_not_replaced(project: Project, tmp_path: Path) -> None:
    project.task("one")
    run(project, tmp_path / "1")
    record = project.maker.store.record("one", 0)
    project.maker.store.write(record.model_copy(update={"origin": "runs/one", "key": ""}), "", {})
    assert run(project, tmp_path / "2", resume=False).states == {"kept": 1}
    assert run(project, tmp_path / "3").items[0].reason == "was imported from runs/one"


@pytest.mark.parametrize("error", [UsageError("no key"), InfrastructureError("no disk"), ValueError("a bug"), OSError(28, "full")])
def test_one_that_fails_takes_nothing_with_it(five: Project, tmp_path: Path, error: Exception) -> None:
    def says(assignment: Assignment) -> object:
        return error if assignment.task.id == "task-1" else AgentStatus.MADE_PATCH

    five.maker.says = says
    summary = run(five, tmp_path / "1", workers=2)
    assert summary.states == {"failed": 1, "made": 4}
    (failed,) = [item for item in summary.items if item.state == "failed"]
    assert (failed.task, failed.status) == ("task-1", None)
    assert failed.reason.endswith(str(error))
    five.maker.says = lambda _: AgentStatus.MADE_PATCH
    assert run(five, tmp_path / "2").states == {"kept": 4, "made": 1}


def test_no_attempt_starts_beyond_the_cost(five: Project, tmp_path: Path) -> None:
    summary = run(five, tmp_path / "1", usd=1.0)
    assert (summary.states, summary.ceilings) == ({"made": 2, "not_started": 3}, ("cost",))
    assert run(five, tmp_path / "2", usd=1.0).states == {"kept": 2, "made": 2, "not_started": 1}
    assert problems(summary) == 3


def test_unknown_costs_are_counted(five: Project, tmp_path: Path) -> None:
    five.maker.usd = None
    summary = run(five, tmp_path / "1", usd=0.01)
    assert (summary.states, summary.unpriced, summary.usage.usd) == ({"made": 5}, 5, None)


def test_no_attempt_starts_beyond_the_time(five: Project, tmp_path: Path) -> None:
    ticks = iter(range(1000))
    summary = run(five, tmp_path / "1", seconds=5.0, clock=lambda: float(next(ticks)))
    assert summary.ceilings == ("time",)
    assert summary.states["made"] == 2
    assert summary.states["not_started"] == 3


def test_stopped_agents_keep_what_they_made_and_the_next_run_goes_on(five: Project, tmp_path: Path) -> None:
    five.maker.waits, stop, said = True, threading.Event(), list[RunSummary]()
    thread = threading.Thread(target=lambda: said.append(run(five, tmp_path / "1", workers=2, stop=stop)))
    thread.start()
    for _ in range(2):
        assert five.maker.at_work.acquire(timeout=60)
    stop.set()
    thread.join(60)
    (summary,) = said
    assert summary.interrupted
    assert (summary.states, summary.statuses) == ({"made": 2, "not_started": 3}, {AgentStatus.INTERRUPTED: 2})
    assert RunSummary.model_validate_json((tmp_path / "1" / SUMMARY).read_bytes()) == summary
    assert all((five.maker.store.kept(item.task, 0) / "prompt.md").is_file() for item in summary.items if item.state == "made")
    five.maker.waits = False
    assert run(five, tmp_path / "2").states == {"made": 5}


def test_the_journal_tells_it_as_it_went(five: Project, tmp_path: Path) -> None:
    (five.path / "tasks" / "broken.json").write_text("{")
    summary = run(five, tmp_path / "1")
    entries = [json.loads(line) for line in (tmp_path / "1" / JOURNAL).read_text().splitlines()]
    assert [entry["entry"] for entry in entries] == ["run", *["start", "item"] * 5]
    assert {entry["id"] for entry in entries if entry["entry"] == "item"} == {item.id for item in summary.items}
    assert [refused.name.rpartition("/")[2] for refused in summary.refused] == ["broken.json"]
    assert problems(summary) == 1


def test_a_full_disk_ends_the_run_with_what_was_made(five: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append, count = LineFile.append, iter(range(100))

    def fails(self: LineFile, value: object) -> None:
        if next(count) > 3:
            raise JournalError("full")
        append(self, value)

    monkeypatch.setattr(LineFile, "append", fails)
    with pytest.raises(JournalError, match="full"):
        run(five, tmp_path / "1")
    monkeypatch.undo()
    assert run(five, tmp_path / "2").states["kept"] >= 1


class Ending(Quiet):
    """Lets a waiting agent go on when all others have ended."""

    def __init__(self, others: int, over: threading.Event) -> None:
        super().__init__()
        self.others, self.over = others, over

    def ended(self, summary: ItemSummary) -> None:
        self.others -= 1
        if self.others == 0:
            self.over.set()


def test_the_cost_of_running_agents_counts(five: Project, tmp_path: Path) -> None:
    reported, over = threading.Event(), threading.Event()

    class Costly(FakeMaker):
        def make(self, assignment: Assignment, **how: Any) -> Any:
            how["progress"](Progress(phase="working", usd=3.0))
            reported.set()
            assert over.wait(60)
            return super().make(assignment, **how)

    class Patient(FakeMaker):
        def make(self, assignment: Assignment, **how: Any) -> Any:
            assert reported.wait(60)
            return super().make(assignment, **how)

    todos = make_plan(five.files, five.scope(), 1).todos
    makers = [Costly("quick", five.path, usd=3.0), *[Patient("quick", five.path)] * 4]
    mixed = [replace(todo, maker=maker) for todo, maker in zip(todos, makers, strict=True)]
    summary = prepare(mixed, Choices(workers=2, usd=3.0), tmp_path / "1", stop=threading.Event(), observer=Ending(4, over))
    assert summary.ceilings == ("cost",)
    assert summary.states in ({"made": 2, "not_started": 3}, {"made": 1, "not_started": 4})
