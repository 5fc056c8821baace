"""Any program: its prompt, and its exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_isobench.agents.drivers.base import Call, Driver, End, Job, Output
from pytest_isobench.agents.drivers.command import Command
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Usage


def call(**fields: Any) -> Call:
    driver: Driver = Command()
    return driver.call(Job(spec=AgentSpec(version=1, driver="command", **fields), prompt="Make it fast.", variables={"MY_KEY": "k"}))


def test_the_prompt_is_on_stdin() -> None:
    made = call(command=("my-agent", "--fast"), arguments=("-v",), variables={"A": "1"})
    assert (made.argv, made.stdin, made.files) == (("my-agent", "--fast", "-v"), "Make it fast.", {})
    assert made.variables == {"MY_KEY": "k", "A": "1"}
    assert made.hosts == ()


def test_the_prompt_is_in_a_file() -> None:
    made = call(command=("my-agent",), arguments=("--task={prompt}", "--model", "{model}"), model="m-1")
    assert made.argv == ("my-agent", "--task={home}/prompt.md", "--model", "m-1")
    assert (made.stdin, made.files) == ("", {"prompt.md": "Make it fast."})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "name one under 'command'"),
        ({"command": ("a", "{model}")}, r"says \{model\}, and the agent has no model"),
        ({"command": ("a",), "options": {"prompt": "file"}}, "prompt"),
    ],
)
def test_what_does_not_fit_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call(**fields)


def test_no_unknown_program_is_asked_for_a_version() -> None:
    command = Command().version(AgentSpec(version=1, driver="command", command=("my-agent",)))
    assert subprocess.run(command, capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize(
    ("status", "timed_out", "end", "retries", "reason"),
    [
        (0, False, End.FINISHED, False, ""),
        (1, False, End.GAVE_UP, False, "exit status 1: no idea"),
        (-9, False, End.GAVE_UP, False, "ended by signal 9: no idea"),
        (75, False, End.API_FAILURE, True, "exit status 75: no idea"),
        (126, False, End.PROGRAM_FAILURE, False, "cannot be executed: no idea"),
        (127, False, End.PROGRAM_FAILURE, False, "was not found: no idea"),
        (-15, True, End.UNKNOWN, False, ""),
        (0, True, End.UNKNOWN, False, ""),
    ],
)
def test_the_exit_status_tells_the_end(status: int, timed_out: bool, end: End, retries: bool, reason: str) -> None:
    account = Command().read(Output(returncode=status, stdout="so", stderr="no idea\n", timed_out=timed_out))
    assert (account.end, account.retry, account.reason) == (end, retries, reason)
    assert account.trajectory == {"output.txt": b"so"}


@pytest.mark.parametrize(
    ("text", "usage", "steps"),
    [
        (b'{"input_tokens": 7,\n "usd": 0.5, "steps": 3, "more": 1}', Usage(input_tokens=7, usd=0.5), 3),
        (b'{"input_tokens": -7, "usd": NaN, "steps": "3"}', Usage(), None),
        (b"\xff", Usage(), None),
        (b"", Usage(), None),
    ],
)
def test_a_program_may_say_what_it_used(text: bytes, usage: Usage, steps: int | None) -> None:
    account = Command().read(Output(returncode=0, stdout="", stderr="", files={"usage.json": text}))
    assert (account.usage, account.steps) == (usage, steps)
    assert Command().read(Output(returncode=0, stdout="", stderr="")).usage == Usage()


ECHO = "import json, sys; text = {}; json.dump({{'output_tokens': len(text)}}, open('usage.json', 'w')); print(text)"


@pytest.mark.parametrize(
    ("program", "arguments"), [(ECHO.format("sys.stdin.read()"), ()), (ECHO.format("open(sys.argv[1]).read()"), ("{prompt}",))]
)
def test_a_program_gets_its_prompt(program: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    made = call(command=(sys.executable, "-I", "-c", program), arguments=arguments)
    for name, text in made.files.items():
        (tmp_path / name).write_text(text)
    argv = [text.replace("{home}", str(tmp_path)) for text in made.argv]
    ended = subprocess.run(argv, cwd=tmp_path, env=made.variables, input=made.stdin, capture_output=True, text=True)
    files = {name: (tmp_path / name).read_bytes() for name in made.collect}
    account = Command().read(Output(returncode=ended.returncode, stdout=ended.stdout, stderr=ended.stderr, files=files))
    assert (account.end, account.trajectory["output.txt"]) == (End.FINISHED, b"Make it fast.\n")
    assert account.usage.output_tokens == len("Make it fast.")
