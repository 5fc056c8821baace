"""The command line, as people meet it."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from report_samples import CONFIGURATION, every_outcome, report

import pytest_isobench
from pytest_isobench.cli.main import COMMANDS, main
from pytest_isobench.measuring.journal import Journal
from pytest_isobench.reports.session import ReportWriter, write_report
from pytest_isobench.reports.terminal import summary_lines
from pytest_isobench.sandboxes.probe import probe

ISOBENCH = (sys.executable, "-c", "import sys; from pytest_isobench.cli.main import main; sys.exit(main())")

Captured = pytest.CaptureFixture[str]


def isobench(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [*ISOBENCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, **options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_report(tmp_path / "report.json", report(every_outcome()))
    return tmp_path / "report.json"


def test_alone_it_helps(capsys: Captured) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {command.NAME}" in printed for command in COMMANDS)
    assert "exit status: 0 good" in printed


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.NAME)
def test_every_command_helps(command: Any, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command.NAME, "--help"])
    assert ended.value.code == 0
    assert f"usage: isobench {command.NAME}" in capsys.readouterr().out


def test_version_without_loading_much() -> None:
    script = "import sys; from pytest_isobench.cli.main import main\ntry: main(['--version'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    first, modules = done.stdout.splitlines()
    assert first == f"pytest-isobench {pytest_isobench.__version__}"
    assert not {"pydantic", "rich", "yaml", "psutil", "pytest"} & set(modules.split())


def test_a_wrong_command_is_told_the_nearest() -> None:
    done = isobench("reprot")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "isobench: there is no command 'reprot' (did you mean 'report'?); "
        "commands: report, validate, doctor, plan, prepare, import-runs, import-dataset, images, journal, parse-log, schema\n"
    )


WRONG = [["--nope"], ["report"], ["report", "x", "--width", "7"], ["report", "x", "--width", "²"], ["validate"]]


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_arguments_end_with_two(arguments: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("report", "none.json"), "none.json: cannot be read: No such file or directory"),
        (("report", "."), "cannot be read"),
        (("report", "bad\x1b[2J\n.json"), "bad\\x1b[2J .json: cannot be read"),
        (("schema", "tsk"), "there is no schema 'tsk' (did you mean 'task'?); schemas: report, result, task"),
        (("journal", "none"), "none: is no folder"),
        (("journal", "."), "holds no journal entries"),
        (("validate", "."), "holds no task files; they end in .yaml, .yml, .json, .jsonl, .parquet"),
    ],
)
def test_our_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, arguments: tuple[str, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("isobench: ")
    assert printed.err.count("\n") == 1
    assert reason in printed.err


@pytest.mark.parametrize(("flags", "verbosity"), [([], 0), (["-q"], -1), (["-v"], 1), (["-vv"], 2)])
def test_report_prints_the_sessions_table(file: Path, capsys: Captured, flags: list[str], verbosity: int) -> None:
    assert main(["report", str(file), "--width", "120", *flags]) == 0
    assert capsys.readouterr().out.splitlines() == summary_lines(report(every_outcome()), width=120, verbosity=verbosity)


def test_report_of_a_session_that_was_cut_off(tmp_path: Path, capsys: Captured) -> None:
    writer = ReportWriter(tmp_path / "report.json", CONFIGURATION)
    for case in every_outcome():
        writer.add(case)
    for name in ("report.json", "report.jsonl"):
        assert main(["report", str(tmp_path / name)]) == 0
        printed = capsys.readouterr().out
        assert "not complete" in printed
        assert "Hard Success 4/15" in printed


def test_report_says_when_something_does_not_fit(file: Path, capsys: Captured) -> None:
    data = json.loads(file.read_text())
    data["totals"]["hard_success"]["successes"] = 15
    file.write_text(json.dumps(data))
    assert main(["report", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "Hard Success 4/15" in printed
    assert "totals: hard_success is given as" in " ".join(printed.split())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_will_do(file: Path, encoding: str) -> None:
    done = subprocess.run([*ISOBENCH, "report", file], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, timeout=60)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert ("\u00d71.31" if encoding == "utf-8" else "x1.31") in shown


def on_a_terminal(file: Path, **variables: str) -> bytes:
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm", **variables}
    subprocess.run([*ISOBENCH, "report", file, "-q"], stdout=follower, env=environment, timeout=60)
    os.close(follower)
    shown = os.read(leader, 100_000)
    os.close(leader)
    return shown


def test_colour_on_a_terminal_that_wants_it(file: Path) -> None:
    assert b"\x1b[1mHard Success" in on_a_terminal(file)
    assert b"\x1b" not in on_a_terminal(file, NO_COLOR="1")
    assert b"\x1b" not in on_a_terminal(file, TERM="dumb")


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    cases = every_outcome()
    results = [case.model_copy(update={"case": f"{case.case}{number}"}) for number in range(60) for case in cases]
    write_report(tmp_path / "long.json", report(results))
    with subprocess.Popen([*ISOBENCH, "report", tmp_path / "long.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()
    assert process.returncode == 141
    assert complaint == b""


def test_an_interrupt_is_no_traceback(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pytest_isobench.cli import main as cli\n"
        "def run(arguments): print('running', flush=True); time.sleep(60)\n"
        "cli.report.run = run\n"
        "sys.exit(cli.main(['report', 'x']))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert complaint == ""


@pytest.mark.parametrize("name", ["report", "result", "task"])
def test_schema(name: str, capsys: Captured) -> None:
    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["title"] == name.capitalize()
    assert schema["$id"] == f"urn:pytest-isobench:{name}:1"


def test_the_schema_of_reports_is_the_default(capsys: Captured) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Report"


def test_journal(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "journal" / "20260101T000000"
    with Journal(folder) as journal:
        for number in range(3):
            for arm in ("baseline", "human"):
                journal.append("trial", campaign="c0ffee", round=number, arm=arm)
            journal.append("round", campaign="c0ffee", round=number)
        journal.append("result", key="k1", result=every_outcome()[0].model_dump(mode="json"))
        journal.append("result", key="k2", result={"version": 1, "odd\x1b": 1})
    assert main(["journal", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "files: 1, entries: 11" in printed
    assert "campaign c0ffee: 3 rounds; trials: baseline 3, human 3" in printed
    assert "result k1: packaging-25.0-26.0-parse-versions:claude_code:0 beats (faster)" in printed
    assert "result k2: is no result: " in printed
    journal.path.write_bytes(journal.path.read_bytes() + b"garbage\n" * 30)
    assert main(["journal", str(folder.parent)]) == 1
    printed = capsys.readouterr().out
    assert f"refused {journal.path}:12: Expecting value" in printed
    assert "refused 10 more: -v lists them" in printed
    assert main(["journal", "-v", str(folder.parent)]) == 1
    assert f"refused {journal.path}:41:" in capsys.readouterr().out


TASKS = """
version: 1
tasks:
  - id: good
    source: {kind: pypi, package: packaging, base: "25.0", human: "26.0"}
    workload: {kind: python, file: workload.py}
  - id: bad
    source: {kind: pypi, package: packaging, base: "25.0", humam: "26.0"}
    workload: {kind: python, file: workload.py}
  - id: lost
    source: {kind: path, base: before, patch: human.diff}
    workload: {kind: python, file: none.py}
  - id: broken
    source: {kind: path, base: before, human: before}
    workload: {kind: python, file: broken.py}
"""


def test_validate(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "tasks.yaml").write_text(TASKS)
    (tmp_path / "workload.py").write_text("def inputs(): ...\n")
    (tmp_path / "broken.py").write_text("def inputs(:\n")
    (tmp_path / "before").mkdir()
    assert main(["validate", str(tmp_path / "tasks.yaml")]) == 1
    *problems, last = capsys.readouterr().out.splitlines()
    assert last == f"{tmp_path / 'tasks.yaml'}: 1 good, 3 broken"
    assert any("humam" in problem for problem in problems)
    for field, name in (("workload.file", "none.py"), ("source.patch", "human.diff")):
        assert any(f"{field}: lost names {name!r}, and there is no such file" in problem for problem in problems)
    assert any("workload.file: broken: " in problem and "broken.py" in problem for problem in problems)
    assert len(problems) == 4


def test_validate_folders_and_files_that_are_none(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "one.yaml").write_text(TASKS.split("  - id: bad")[0])
    (tmp_path / "tasks" / "workload.py").write_text("")
    (tmp_path / "tasks" / "notes.txt").write_text("no task file")
    assert main(["validate", str(tmp_path / "tasks")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'tasks' / 'one.yaml'}: 1 good, 0 broken\n"
    (tmp_path / "binary.json").write_bytes(b"\x00\xff" * 100)
    assert main(["validate", str(tmp_path / "binary.json"), str(tmp_path / "none.yaml"), str(tmp_path / "tasks")]) == 1
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'binary.json'}: 0 good, 1 broken" in printed
    assert f"{tmp_path / 'none.yaml'}: 0 good, 1 broken" in printed
    assert "one.yaml: 1 good, 0 broken" in printed


def test_doctor_finds_what_a_session_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    monkeypatch.setenv("ISOBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    status = main(["doctor"])
    printed = capsys.readouterr().out
    assert status == 0, printed
    for subject in ("local sandbox: keeps apart", "git: git version", "Python: ", "cores: ", "machine: ", "cache: ", "temporary files: "):
        assert subject in printed
    assert f"cache: {tmp_path / 'cache'}, 0 MiB used" in printed
    assert not (tmp_path / "cache").exists(), "looking must change nothing"


def test_doctor_misses_git(tmp_path: Path) -> None:
    done = isobench("doctor", env={**os.environ, "PATH": str(tmp_path), "COLUMNS": "200"})
    assert done.returncode == 1
    assert "MISSING  git: is not installed" in done.stdout
    assert "Traceback" not in done.stderr


def test_doctor_misses_a_cache(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("ISOBENCH_CACHE", "/proc/isobench")
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["doctor"]) == 1
    assert "MISSING  cache: /proc/isobench cannot be written" in capsys.readouterr().out


LEAKY = """
version: 1
tasks:
  - id: fair
    description: Add up numbers.
    source: {kind: path, base: base, human: human}
    workload: {kind: python, code: "def run(x): pass"}
  - id: unfair
    description: Add up numbers.
    gain: The loop has moved into the interpreter.
    brief: {hints: ["Remember that the loop has moved into the interpreter."]}
    source: {kind: path, base: base, human: human}
    workload: {kind: python, code: "def run(x): pass"}
  - id: untold
    source: {kind: path, base: base, human: human}
    workload: {kind: python, code: "def run(x): pass"}
"""


@pytest.mark.soak
@pytest.mark.skipif(isinstance(probe().bubblewrap, str), reason="no bubblewrap")
def test_doctor_looks_for_leaks(tmp_path: Path) -> None:
    for name, text in (("base", "x = [number for number in range(10)]\n"), ("human", "x = list(first_numbers(start=0, stop=10))\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "total.py").write_text(text)
    (tmp_path / "tasks.yaml").write_text(LEAKY)
    options = {"cwd": tmp_path, "env": {**os.environ, "ISOBENCH_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}}
    done = isobench("doctor", "--leaks", "tasks.yaml", **options)
    assert done.returncode == 1
    assert done.stderr == ""
    *lines, last = done.stdout.splitlines()
    assert last.startswith("MISSING  untold: could not be looked at: task untold does not say what is to become faster")
    assert lines == [
        "ok       fair: its prompt and its work tree tell nothing of the human's version",
        "LEAK     unfair: 1 thing tells of the human's version, or may",
        "LEAK     human_message: line 33: 'the loop has moved into the' is how the human's change is described",
    ]
    (tmp_path / "tasks.yaml").write_text(LEAKY.partition("  - id: unfair")[0])
    assert isobench("doctor", "--leaks", "tasks.yaml", **options).returncode == 0


@pytest.mark.parametrize(("arguments", "message"), [
    (["none.yaml"], "none.yaml"),
    ([], "there are no task files in"),
    (["tasks.yaml", "--sandbox=lokal"], "there is no such sandbox (did you mean 'local'?)"),
])  # fmt: skip
def test_doctor_looks_nowhere_without_tasks_or_a_sandbox(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "tasks.yaml").write_text(LEAKY)
    done = isobench("doctor", "--leaks", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
