"""`isobench plan`, `prepare` and `import-runs`, as people meet them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from makers import FakeMaker
from prepare_project import Project

from pytest_isobench.agents.running import Progress
from pytest_isobench.cli import preparing_work
from pytest_isobench.cli.main import main
from pytest_isobench.cli.prepare_progress import Board, ended_text
from pytest_isobench.cli.prepare_summary import summary_lines
from pytest_isobench.dataset.cache import Cache, key_of
from pytest_isobench.models.agent import AgentStatus, Usage
from pytest_isobench.models.preparing import ItemSummary, PlanItem, RunSummary
from pytest_isobench.reports.text import Paper

Captured = pytest.CaptureFixture[str]
ISOBENCH = (sys.executable, "-c", "import sys; from pytest_isobench.cli.main import main; sys.exit(main())")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with two tasks, and the agents `quick` and `other`, which need no program."""
    project = Project(tmp_path / "project")
    for name in ("one", "two"):
        project.task(name, f"name = {name!r}\n")
    (project.path / "pytest.ini").write_text("[pytest]\n")
    makers = {"quick": project.maker, "other": FakeMaker("other", project.maker.folder)}
    monkeypatch.setattr(preparing_work, "open_agent", lambda name, *_: makers[name])
    monkeypatch.setenv("ISOBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(project.path)
    return project


def test_plan_then_prepare(project: Project, capsys: Captured) -> None:
    assert main(["plan", "--agent", "quick,other", "--attempts", "2", "-o", "plan.json"]) == 0
    assert capsys.readouterr().out == "plan.json: attempts 8, tasks 2, refused 0; agents quick, other\n"
    assert main(["prepare", "--plan", "plan.json", "--dry-run", "--agent", "quick"]) == 0
    shown = capsys.readouterr().out
    assert "4 to make, 0 to keep, 0 refused" in shown
    assert "other" not in shown
    assert project.maker.made == []
    assert main(["prepare", "--plan", "plan.json", "--max-workers", "2"]) == 0
    assert "8 made (8 made patch), 0 kept" in capsys.readouterr().out
    assert main(["prepare", "--agent", "quick", "--attempts", "3"]) == 0
    shown = capsys.readouterr().out
    assert "2 made (2 made patch), 4 kept" in shown
    assert main(["prepare", "--agent", "quick", "--dry-run", "--no-resume"]) == 0
    assert "is made again as asked" in capsys.readouterr().out
    summaries = [RunSummary.model_validate_json(path.read_bytes()) for path in project.path.glob("reports/prepare/*/run_summary.json")]
    assert sorted(summary.states["made"] for summary in summaries) == [2, 8]


def test_what_is_refused_is_said_and_the_rest_goes_on(project: Project, capsys: Captured) -> None:
    project.record({"id": "odd", "source": {"kind": "nope"}})
    (project.path / "list.txt").write_text("one\nodd\nthree\ntwo sorts of\n")
    assert main(["plan", "--agent", "quick", "--commits", "list.txt"]) == 1
    shown = capsys.readouterr().out
    assert "refused odd: " in shown
    assert "list.txt:3: no task has this commit or id" in shown
    assert "list.txt:4: 'two sorts of'" in shown
    assert "plan.json: attempts 1, tasks 1, refused 3; agents quick" in shown
    assert main(["prepare", "--agent", "quick", "--commits", "list.txt"]) == 1
    assert project.maker.made == [("one", 0)]


def test_ceilings_are_said(project: Project, capsys: Captured) -> None:
    assert main(["prepare", "--agent", "quick", "--max-usd", "0.1"]) == 1
    shown = capsys.readouterr().out
    assert "stopped by --max-usd: 1 attempts were not started; the same command goes on with them" in " ".join(shown.split())
    assert main(["prepare", "--agent", "quick", "--time-limit", "1h"]) == 0
    assert "1 made (1 made patch), 1 kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["plan"], "isobench plan: say whose patches, with --agent NAME"),
        (["prepare", "--agent", ","], "say whose patches"),
        (["prepare", "--plan", "none.json"], "none.json: cannot be read"),
        (["prepare", "--plan", "pytest.ini"], "pytest.ini: is no plan"),
        (["prepare", "--plan", "none.json", "tasks"], "the plan says which tasks; name no others"),
        (["plan", "--agent", "quick", "-o", "/proc/none/plan.json"], "cannot be written"),
        (["plan", "--agent", "quick", "--commits", "none.txt"], "none.txt: cannot be read"),
        (["import-runs", "none"], "none: is no folder"),
        (["import-runs", "tasks"], "tasks: holds no runs"),
        (["import-runs", "tasks", "--agent", "a/b"], "--agent a/b: a name has letters"),
    ],
)
def test_wrong_wishes(project: Project, capsys: Captured, arguments: list[str], reason: str) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert reason in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    "option", [("--attempts", "0"), ("--max-workers", "x"), ("--max-usd", "-1"), ("--max-usd", "nan"), ("--time-limit", "1d")]
)
def test_wrong_numbers(option: tuple[str, str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["prepare", "--agent", "quick", *option])
    assert ended.value.code == 2
    assert f"argument {option[0]}: {option[1]!r}: give " in capsys.readouterr().err


def test_an_agent_that_no_file_describes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    Project(tmp_path / "project").task("one")
    monkeypatch.chdir(tmp_path / "project")
    assert main(["prepare", "--agent", "claude_cod"]) == 2
    assert "no file describes such an agent (did you mean 'claude_code'?); there are " in capsys.readouterr().err


def test_two_runs_of_one_agent_do_not_meet(project: Project, capsys: Captured) -> None:
    patches = (project.maker.folder / "quick").resolve()
    with Cache.default().lock("prepare", key_of(str(patches))):
        assert main(["prepare", "--agent", "quick"]) == 2
        assert "another isobench prepare is making patches of quick" in capsys.readouterr().err
        assert main(["prepare", "--agent", "other"]) == 0
    assert main(["prepare", "--agent", "quick"]) == 0


def test_an_interrupt_keeps_what_was_made(project: Project, capsys: Captured) -> None:
    project.maker.waits = True
    interrupt = threading.Thread(target=lambda: project.maker.at_work.acquire(timeout=60) and os.kill(os.getpid(), signal.SIGINT))
    interrupt.start()
    assert main(["prepare", "--agent", "quick"]) == 130
    interrupt.join()
    shown = capsys.readouterr().out
    assert "1 made (1 interrupted), 0 kept, 1 not started" in shown
    assert "interrupted: what was made is kept, and the same command goes on" in shown
    project.maker.waits = False
    assert main(["prepare", "--agent", "quick"]) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.soak
def test_a_real_program_makes_a_patch_that_is_kept(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.task("one", description="Make it fast.", source={"kind": "path", "base": "one", "human": "after"})
    project.task("after", "a = 3\n", file="more")
    (project.path / "tasks" / "more.json").unlink()
    (project.path / "pytest.ini").write_text("[pytest]\n")
    (project.path / "agents").mkdir()
    change = "cat > /dev/null; echo 'a = 2' > code.py; echo '{\"usd\": 0.25}' > \"$HOME/usage.json\""
    agent = {"version": 1, "driver": "command", "command": ["/bin/sh", "-c", change]}
    (project.path / "agents" / "shell.yaml").write_text(json.dumps(agent))
    environment = {**os.environ, "ISOBENCH_CACHE": str(tmp_path / "cache")}

    def isobench(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*ISOBENCH, *arguments]
        return subprocess.run(command, cwd=project.path, env=environment, capture_output=True, text=True, timeout=120)

    done = isobench("prepare", "--agent", "shell")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shell:0 made patch in 0:0" in done.stdout
    assert "$0.25" in done.stdout
    assert "+a = 2\n" in (project.path / "fixtures/patches/shell/one.0.diff").read_text()
    assert "0 made, 1 kept" in isobench("prepare", "--agent", "shell").stdout


def item(name: str = "task") -> PlanItem:
    return PlanItem(id=f"{name}@c0ffee:quick:0", task=name, agent="quick", attempt=0, base="c0ffee", file="t.yaml", key="")


def ended(name: str = "task", state: Any = "made", **fields: Any) -> ItemSummary:
    return ItemSummary(id=item(name).id, task=name, agent="quick", attempt=0, state=state, **fields)


def drawn(board: Board, width: int) -> list[str]:
    from rich.console import Console

    console = Console(width=width, record=True, file=StringIO())
    console.print(board)
    return console.export_text().splitlines()


def watched(now: Callable[[], float] = lambda: 100.0, width: int = 80) -> tuple[Board, list[str]]:
    said: list[str] = []
    return Board(10, 4, Paper(width=width), said.append, now), said


@pytest.mark.parametrize("width", [80, 160])
def test_the_board(width: int) -> None:
    times = iter([0.0, 10.0])
    board, said = watched(lambda: next(times, 100.0), width)
    long = "a-task-with-a-name-that-is-longer-than-any-terminal-would-like-it-to-be-for-reading"
    for name in ("short", long):
        board.started(item(name))
    board.progress(item("short"), Progress(phase="working", edited=True, steps=12, usd=0.5))
    board.progress(item("unknown"), Progress(phase="late"))
    board.ended(ended("gone", status=AgentStatus.MADE_PATCH, seconds=200.0, usage=Usage(usd=1.0)))
    lines = drawn(board, width)
    assert lines[0] == "1 of 10 done, 2 running, $1.50, about 6:42 left"
    assert all(len(line) <= width for line in lines)
    assert len(lines) == 3
    assert "short@c0ffee:quick:0" in lines[1]
    assert "   1:40  12 steps, $0.50  working, edited" in lines[1]
    assert lines[2].startswith("a-task-wit")
    assert "@c0ffee:quick:0     1:30" in lines[2]
    assert said == ["[1/10] gone@c0ffee:quick:0 made patch in 3:20, $1.00"]


def test_many_running_agents_fit_a_screen() -> None:
    board, _ = watched()
    for number in range(50):
        board.started(item(f"task-{number}"))
    lines = drawn(board, 80)
    assert len(lines) == 22
    assert lines[-1].rstrip() == "and 30 more"


def test_whoever_prints_may_draw_the_board() -> None:
    board, said = watched()
    board.say = lambda text: said.append(f"{text} {board.head()}")
    thread = threading.Thread(target=board.ended, args=(ended(status=AgentStatus.MADE_NONE),), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert len(said) == 1


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        (ended(status=AgentStatus.OUT_OF_TIME, seconds=3700.0, steps=7), "out of time in 1:01:40, 7 steps"),
        (ended(state="kept", status=AgentStatus.MADE_PATCH, reason="is there already"), "kept (made patch)"),
        (ended(state="not_started", reason="the run was interrupted"), "not started: the run was interrupted"),
        (ended(state="failed", reason="no key"), "failed: no key"),
    ],
)
def test_what_became_of_an_item(summary: ItemSummary, text: str) -> None:
    assert ended_text(summary) == f"{item().id} {text}"


def test_one_reason_for_many_failures_is_said_once() -> None:
    items = [ended(f"task-{number}", "failed", reason="no key") for number in range(30)]
    summary = RunSummary(started="", seconds=1.0, agent_seconds=0.0, states={"failed": 30}, statuses={}, items=tuple(items))
    lines = ["0 made, 0 kept, 30 failed", "0:01 in all, 0:00 of agents", "30 without a patch that counts: no key"]
    assert [*summary_lines(summary)] == lines


def test_import(project: Project, tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "runs" / "vllm" / "trae" / "gpt-5" / "one"
    folder.mkdir(parents=True)
    (folder / "journal.json").write_text(json.dumps({"status": "success", "commits": {"human": "8aa1485f"}}))
    (folder.parent / "two").mkdir()
    (folder.parent / "two" / "prompt.json").write_text("{")
    assert main(["import-runs", str(tmp_path / "runs"), "--patches", "p"]) == 1
    shown = capsys.readouterr().out
    assert "refused vllm/trae/gpt-5/two: no file says which commit it was about" in shown
    assert "trae_gpt5  1      1         1    -      1         -                    -" in shown
    assert shown.endswith("1 attempts (1 new), 1 refused\n")
    assert main(["import-runs", str(tmp_path / "runs"), "--patches", "p", "-v"]) == 1
    shown = capsys.readouterr().out
    assert "trae_gpt5  vllm-8aa1485f  0        unchanged  made none  0      vllm/trae/gpt-5/one" in shown
