"""TRAE, OpenHands, mini-swe-agent and aider as `tests/agents/programs` act them: called by their drivers, in every way to end."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from agent_process import run

from pytest_isobench.agents.drivers import load_driver
from pytest_isobench.agents.drivers.base import Account, Driver, End, Job
from pytest_isobench.models.agent import AgentSpec, Budget, Usage

PROGRAMS = Path(__file__).parents[1] / "programs"
PROMPT = "-- Make `slow()` fast: \"quotes\", $HOME, {braces}, ünïcode 🦊\nand a second line."
ACCESS = {"openhands": {"LLM_API_KEY": "key-1"}}
COMMANDS = {"trae": "trae-cli", "openhands": "openhands", "mini_swe_agent": "mini", "aider": "aider"}
MODELS = {"trae": "gpt-x", "openhands": "openai/gpt-x", "mini_swe_agent": "openai/gpt-x", "aider": "openai/gpt-x"}
OPTIONS: dict[str, dict[str, Any]] = {
    "trae": {"must_patch": True},
    "mini_swe_agent": {"temperature": 0.5},
    "aider": {"files": "work.py", "edit_format": "diff", "map_tokens": 0, "reasoning_effort": "low"},
}
STATE = ".openhands/conversations/0123456789abcdef0123456789abcdef/base_state.json"
LEFT = {"trae": "trajectory.json", "openhands": STATE, "mini_swe_agent": "trajectory.json", "aider": "chat.md"}
EDITING = {"done", "max_steps", "malformed", "killed"}
ENDS: dict[str, tuple[End, bool]] = {
    "done": (End.FINISHED, False),
    "no_edit": (End.FINISHED, False),
    "max_steps": (End.OUT_OF_BUDGET, False),
    "auth": (End.API_FAILURE, False),
    "rate_limit": (End.API_FAILURE, True),
    "malformed": (End.GAVE_UP, False),
    "refused": (End.REFUSED, False),
    "crash": (End.PROGRAM_FAILURE, False),
    "killed": (End.UNKNOWN, False),
}
OTHERWISE = {("aider", "max_steps"): (End.GAVE_UP, False)}


def job(driver: str, variables: Mapping[str, str], **fields: Any) -> Job:
    command = (sys.executable, str(PROGRAMS / COMMANDS[driver]))
    given = {"command": command, "model": MODELS[driver], "options": OPTIONS.get(driver, {}), "budget": Budget(steps=9), **fields}
    return Job(spec=AgentSpec(version=1, driver=driver, **given), prompt=PROMPT, variables=variables)


def play(driver: str, act: str, folder: Path, **fields: Any) -> tuple[Account, bool]:
    """Return what the driver reads, and whether the work tree was changed."""
    acting: Driver = load_driver(driver)  # type: ignore[assignment]
    (folder / "home").mkdir()
    (folder / "tree").mkdir()
    (folder / "tree" / "work.py").write_text("def slow():\n    return 1\n")
    access = {} if act == "no_key" else ACCESS.get(driver, {"OPENAI_API_KEY": "key-1"})
    call = acting.call(job(driver, {**access, "ACT": "done" if act == "no_key" else act}, **fields))
    left = folder / "home" / LEFT[driver]
    output = run(call, folder, "/usr/bin:/bin", left.exists if act == "killed" else None)
    return acting.read(output), "fast" in (folder / "tree" / "work.py").read_text()


@pytest.mark.soak
@pytest.mark.parametrize("act", ENDS)
@pytest.mark.parametrize("driver", COMMANDS)
def test_how_it_ends(driver: str, act: str, tmp_path: Path) -> None:
    account, edited = play(driver, act, tmp_path)
    assert (account.end, account.retry) == OTHERWISE.get((driver, act), ENDS[act]), account.reason
    assert edited is (act in EDITING)
    assert account.trajectory
    assert account.reason or act in ("done", "no_edit", "killed")


@pytest.mark.parametrize("driver", COMMANDS)
def test_without_a_key_it_says_so(driver: str, tmp_path: Path) -> None:
    account, edited = play(driver, "no_key", tmp_path)
    assert (account.end, account.retry, edited) == (End.API_FAILURE, False, False)


@pytest.mark.parametrize("driver", COMMANDS)
def test_an_argument_that_it_does_not_know_is_its_failure(driver: str, tmp_path: Path) -> None:
    account, _ = play(driver, "done", tmp_path, arguments=("--no-such-argument",))
    assert account.end is End.PROGRAM_FAILURE
    assert "--no-such-argument" in account.reason


@pytest.mark.parametrize(
    ("driver", "models", "steps", "usage"),
    [
        ("trae", ("gpt-x",), 3, Usage(input_tokens=360, cached_tokens=60, output_tokens=30, reasoning_tokens=0)),
        ("openhands", ("openai/gpt-x",), 3, Usage(input_tokens=360, cached_tokens=60, output_tokens=30, reasoning_tokens=0)),
        ("mini_swe_agent", ("gpt-x",), 2, Usage(input_tokens=240, cached_tokens=40, output_tokens=20)),
        ("aider", ("openai/gpt-x",), 1, Usage(input_tokens=120, cached_tokens=20, output_tokens=10, usd=0.01)),
    ],
)
def test_the_account_of_a_whole_run(driver: str, models: tuple[str, ...], steps: int, usage: Usage, tmp_path: Path) -> None:
    account, _ = play(driver, "done", tmp_path)
    assert (account.models, account.steps, account.usage) == (models, steps, usage)


@pytest.mark.parametrize("driver", COMMANDS)
def test_no_key_is_in_a_file_or_an_argument(driver: str) -> None:
    acting: Driver = load_driver(driver)  # type: ignore[assignment]
    call = acting.call(job(driver, {"OPENAI_API_KEY": "key-1", "LLM_API_KEY": "key-1"}))
    assert "key-1" not in str((call.argv, call.files, call.stdin))
    assert "key-1" in call.variables.values()
    assert PROMPT in (*call.files.values(), *(text.removeprefix("--task=") for text in call.argv)) or driver == "mini_swe_agent"
