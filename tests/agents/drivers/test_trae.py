"""TRAE: how it is called, and what its trajectory means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_isobench.agents.drivers.base import Call, Driver, End, Job, Output
from pytest_isobench.agents.drivers.trae import Trae
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Budget, Usage

KEY = {"OPENAI_API_KEY": "key-1"}
OWN = {
    "agents": {"trae_agent": {"enable_lakeview": False, "model": "m", "max_steps": 50, "tools": ["bash"]}},
    "model_providers": {"p": {"api_key": "key-of-the-file", "provider": "openai"}, "q": {"api_key": "another", "provider": "azure"}},
    "models": {"m": {"model_provider": "p", "model": "gpt-y", "temperature": 0.5}},
}


def call(variables: dict[str, str] = KEY, **fields: Any) -> Call:
    driver: Driver = Trae()
    spec = AgentSpec(version=1, driver="trae", **{"model": "gpt-x", **fields})
    return driver.call(Job(spec=spec, prompt="Make it fast.", variables=variables))


def interaction(model: str = "gpt-x", **usage: int) -> dict[str, Any]:
    used = {"input_tokens": 120, "output_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 20,
            "reasoning_tokens": 4}  # fmt: skip
    return {"provider": "openai", "model": model, "response": {"content": "", "model": model, "usage": {**used, **usage}}}


def step(error: object = None, answered: bool = True) -> dict[str, Any]:
    return {"step_number": 1, "state": "completed", "llm_response": {"content": ""} if answered else None, "error": error}


def output(stdout: str = "", timed_out: bool = False, **changes: Any) -> Output:
    said = {"task": "t", "start_time": "2030-01-01T00:00:00", "end_time": "2030-01-01T00:01:00", "provider": "openai", "model": "gpt-x",
            "llm_interactions": [interaction(), interaction()], "agent_steps": [step(), step()], "success": False,
            "final_result": None}  # fmt: skip
    files = {"trajectory.json": json.dumps({**said, **changes}).encode()}
    return Output(returncode=0, stdout=stdout, stderr="", timed_out=timed_out, files=files)


def test_the_call() -> None:
    made = call(budget=Budget(steps=30), arguments=("--agent-type", "trae_agent"))
    assert made.argv == (
        "trae-cli", "run", "--file", "{home}/prompt.md", "--config-file", "{home}/trae_config.yaml", "--working-dir", "{tree}",
        "--trajectory-file", "{home}/trajectory.json", "--console-type", "simple", "--model", "gpt-x", "--max-steps", "30",
        "--agent-type", "trae_agent",
    )  # fmt: skip
    assert (made.files["prompt.md"], made.stdin, made.collect) == ("Make it fast.", "", ("trajectory.json",))
    assert made.variables == {**KEY, "PYTHONUNBUFFERED": "1"}
    assert made.hosts == ("api.openai.com:443",)


def test_our_configuration_holds_no_key() -> None:
    made = call(options={"provider": "anthropic", "max_tokens": 99, "temperature": 0.5, "request_retries": 2, "must_patch": True})
    written = yaml.safe_load(made.files["trae_config.yaml"])
    model = written["models"][written["agents"]["trae_agent"]["model"]]
    assert written["model_providers"][model["model_provider"]] == {"api_key": "from-the-environment", "provider": "anthropic"}
    assert (model["model"], model["max_tokens"], model["temperature"], model["max_retries"]) == ("gpt-x", 99, 0.5, 2)
    assert written["agents"]["trae_agent"]["max_steps"] == 200
    assert "--max-steps" not in made.argv
    assert "--must-patch" in made.argv


@pytest.mark.parametrize(
    ("variables", "command", "program"),
    [
        ({}, (), ("trae-cli",)),
        ({"TRAE_PYTHON": "/opt/trae/bin/python"}, (), ("/opt/trae/bin/python", "-m", "trae_agent.cli")),
        ({"TRAE_PYTHON": "/opt/trae/bin/python"}, ("/opt/other",), ("/opt/other",)),
    ],
)
def test_the_program_is_in_an_environment_of_its_own(
    variables: dict[str, str], command: tuple[str, ...], program: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAE_PYTHON", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    made = call({**KEY, **variables}, command=command)
    assert made.argv[: len(program) + 1] == (*program, "run")
    assert not {"TRAE_PYTHON", "TRAE_CONFIG"} & set(made.variables)
    assert Trae().version(AgentSpec(version=1, driver="trae", command=command)) == (*program, "--version")


def test_a_configuration_of_the_users_loses_its_keys(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(OWN))
    made = call({**KEY, "TRAE_CONFIG": str(tmp_path / "own.yaml")}, model=None, budget=Budget(steps=7))
    written = yaml.safe_load(made.files["trae_config.yaml"])
    assert written["models"] == OWN["models"]
    assert [provider["api_key"] for provider in written["model_providers"].values()] == ["from-the-environment"] * 2
    assert "--model" not in made.argv
    assert made.argv[-2:] == ("--max-steps", "7")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"TRAE_CONFIG: .*own\.yaml cannot be read"),
        ("a: [", r"own\.yaml cannot be read"),
        ("", "is no configuration of TRAE: it has no 'model_providers'"),
        ("[1]", "is no configuration of TRAE"),
        ("model_providers: 7", "is no configuration of TRAE"),
        ("model_providers: {p: {api_key: k, provider: anthropic}}", "are not handed on; set ANTHROPIC_API_KEY"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        call({**KEY, "TRAE_CONFIG": str(tmp_path / "own.yaml")})


def test_it_has_no_model_of_its_own() -> None:
    with pytest.raises(UsageError, match="name one under 'model', or a configuration file in TRAE_CONFIG"):
        call(model=None)


TOO_LONG = "Task execution exceeded maximum steps without completion."
SILENT = "ended without success, and says nothing of it"
MALFORMED = "Error code: 400 - {'message': 'messages.57: content cannot be empty'}"


@pytest.mark.parametrize(
    ("changes", "end", "retries", "reason"),
    [
        ({"success": True, "final_result": "It is fast."}, End.FINISHED, False, "It is fast."),
        ({"success": True, "final_result": None}, End.FINISHED, False, ""),
        ({"final_result": TOO_LONG}, End.OUT_OF_BUDGET, False, TOO_LONG),
        ({"agent_steps": [step(), step(MALFORMED, False)]}, End.GAVE_UP, False, MALFORMED),
        ({"agent_steps": [step(MALFORMED, False)], "llm_interactions": []}, End.API_FAILURE, False, MALFORMED),
        ({"agent_steps": [step("Error code: 401 - no such key", False)]}, End.API_FAILURE, False, "Error code: 401 - no such key"),
        ({"agent_steps": [step("Error code: 429 - slow down", False)]}, End.API_FAILURE, True, "Error code: 429 - slow down"),
        ({"agent_steps": [step("Connection error.", False)]}, End.API_FAILURE, True, "Connection error."),
        ({"agent_steps": [step("Token has expired", False)]}, End.API_FAILURE, False, "Token has expired"),
        ({"agent_steps": [step("list index out of range")]}, End.PROGRAM_FAILURE, False, "list index out of range"),
        ({"final_result": "Agent execution failed: boom"}, End.PROGRAM_FAILURE, False, "Agent execution failed: boom"),
        ({}, End.PROGRAM_FAILURE, False, SILENT),
        ({"success": "yes", "agent_steps": "none", "final_result": 7}, End.PROGRAM_FAILURE, False, SILENT),
    ],
    ids=["done", "silent", "steps", "malformed", "refused at once", "401", "429", "connection", "login", "mistake", "failed", "nothing",
         "made up"],
)  # fmt: skip
def test_the_trajectory_tells_the_end(changes: dict[str, Any], end: End, retries: bool, reason: str) -> None:
    account = Trae().read(output(**changes))
    assert (account.end, account.retry, account.reason) == (end, retries, reason)


TRIES = "OpenAI API call failed: Error code: 429 - slow down. Will sleep for 7 seconds and will retry.\nTraceback\n"


@pytest.mark.parametrize(
    ("left", "end", "retries"),
    [
        (output(end_time="", timed_out=True), End.UNKNOWN, False),
        (output(end_time="", timed_out=True, llm_interactions=[], stdout=TRIES), End.API_FAILURE, True),
        (output(end_time="", timed_out=True, stdout=TRIES), End.UNKNOWN, False),
        (Output(returncode=1, stdout="Error: Config file not found.", stderr=""), End.PROGRAM_FAILURE, False),
        (Output(returncode=0, stdout="", stderr="", files={"trajectory.json": b'{"task": "t", "end_'}), End.PROGRAM_FAILURE, False),
    ],
    ids=["time", "no service", "service late", "no start", "broken off"],
)
def test_without_an_end(left: Output, end: End, retries: bool) -> None:
    account = Trae().read(left)
    assert (account.end, account.retry) == (end, retries)


@pytest.mark.parametrize(("provider", "read"), [("openai", 240), ("openrouter", 240), ("anthropic", 290), ("bedrock", 290)])
def test_cached_tokens_are_counted_once(provider: str, read: int) -> None:
    left = output(provider=provider, success=True)
    account = Trae().read(left)
    assert account.usage == Usage(input_tokens=read, cached_tokens=40, output_tokens=20, reasoning_tokens=8)
    assert (account.models, account.steps) == (("gpt-x",), 2)
    assert account.trajectory == {"trajectory.json": left.files["trajectory.json"]}
