"""Codex: how it is called, and what its lines mean."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from pytest_isobench.agents.drivers.base import Call, Driver, End, Job, Output
from pytest_isobench.agents.drivers.codex import Codex
from pytest_isobench.models.agent import AgentSpec, Usage

KEY = {"OPENAI_API_KEY": "key-1"}
STARTED = [{"type": "thread.started", "thread_id": "th-1"}, {"type": "turn.started"}]
WARNING = {"type": "item.completed", "item": {"id": "item_0", "type": "error", "message": "Model metadata for `gpt-x` not found."}}
WORK = {"type": "item.completed", "item": {"id": "item_1", "type": "command_execution", "command": "ls", "exit_code": 0}}
WORDS = {"type": "item.completed", "item": {"id": "item_2", "type": "agent_message", "text": "It is fast."}}
USED = {"input_tokens": 360, "cached_input_tokens": 60, "cache_write_input_tokens": 0, "output_tokens": 30, "reasoning_output_tokens": 4}
DONE = {"type": "turn.completed", "usage": USED}


def call(given: dict[str, str] = KEY, **fields: Any) -> Call:
    driver: Driver = Codex()
    return driver.call(Job(spec=AgentSpec(version=1, driver="codex", **fields), prompt="Make it fast.", variables=given))


def configuration(made: Call) -> dict[str, Any]:
    return tomllib.loads(made.files[".codex/config.toml"])


def failed(message: object) -> dict[str, Any]:
    return {"type": "turn.failed", "error": {"message": message}}


def trouble(message: str) -> dict[str, Any]:
    return {"type": "error", "message": message}


def request(read: int, cached: int, wrote: int) -> dict[str, Any]:
    usage = {"input_tokens": read, "cached_input_tokens": cached, "output_tokens": wrote, "reasoning_output_tokens": 1}
    return {"type": "token_usage_record", "payload": {"response_id": "r", "usage": usage}}


def jsonl(*found: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in found)


def output(*found: dict[str, Any], status: int = 0, stderr: str = "", timed_out: bool = False, session: str = "") -> Output:
    files = {".codex/sessions/2030/01/02/rollout-1.jsonl": session.encode()} if session else {}
    return Output(returncode=status, stdout=jsonl(*found), stderr=stderr, timed_out=timed_out, files=files)


def test_the_call() -> None:
    made = call(arguments=("--color", "never"))
    assert made.argv == (
        "codex", "exec", "--json", "--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check", "--color", "never",
    )  # fmt: skip
    assert made.stdin == "Make it fast."
    assert made.variables == {"OPENAI_API_KEY": "key-1", "CODEX_HOME": "{home}/.codex"}
    assert made.hosts == ("api.openai.com:443",)
    assert "key-1" not in str(made.argv) + str(made.files)


def test_the_configuration() -> None:
    written = configuration(call({**KEY, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, model='odd "name" ü\x7f', options={"effort": "high"}))
    provider = written["model_providers"][written["model_provider"]]
    assert (written["model"], written["model_reasoning_effort"], written["web_search"]) == ('odd "name" ü\x7f', "high", "disabled")
    assert (provider["base_url"], provider["env_key"], provider["wire_api"]) == ("http://127.0.0.1:9/v1", "OPENAI_API_KEY", "responses")
    assert (provider["request_max_retries"], provider["stream_max_retries"]) == (6, 6)
    assert written["features"]["unbounded_connection_retries"] is False


def test_what_is_not_said_is_the_programs_own() -> None:
    written = configuration(call(options={"web": True, "request_retries": 1}))
    assert not {"model", "model_reasoning_effort", "web_search"} & set(written)
    assert written["model_providers"]["isobench"]["base_url"] == "https://api.openai.com/v1"
    assert written["model_providers"]["isobench"]["stream_max_retries"] == 1


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "OPENAI_API_KEY"),
        (KEY, "OPENAI_API_KEY"),
        ({"CODEX_API_KEY": "a"}, "CODEX_API_KEY"),
        ({**KEY, "CODEX_API_KEY": "a"}, "CODEX_API_KEY"),
    ],
)
def test_the_key_is_named_and_not_written(variables: dict[str, str], name: str) -> None:
    assert configuration(call(variables))["model_providers"]["isobench"]["env_key"] == name


def test_the_host_is_that_of_the_base_url() -> None:
    assert call({"OPENAI_BASE_URL": "https://gateway.example/openai/v1"}).hosts == ("gateway.example:443",)


def test_the_version_is_asked_of_the_same_program() -> None:
    assert Codex().version(AgentSpec(version=1, driver="codex", command=("/opt/codex",))) == ("/opt/codex", "--version")


@pytest.mark.parametrize(
    ("message", "end", "retries"),
    [
        ("unexpected status 401 Unauthorized: no, url: http://127.0.0.1:9/v1/responses", End.API_FAILURE, False),
        ("unexpected status 403 Forbidden", End.API_FAILURE, False),
        ("unexpected status 404 Not Found", End.API_FAILURE, False),
        ("exceeded retry limit, last status: 429 Too Many Requests", End.API_FAILURE, True),
        ("unexpected status 503 Service Unavailable: busy", End.API_FAILURE, True),
        ("We are currently experiencing high demand, which may cause temporary errors.", End.API_FAILURE, True),
        ("Connection failed: error sending request", End.API_FAILURE, True),
        ("stream disconnected before completion: Transport error", End.API_FAILURE, True),
        ('{"error": {"message": "no such model", "code": "400"}}', End.API_FAILURE, False),
        ("Missing environment variable: `OPENAI_API_KEY`.", End.API_FAILURE, False),
        ("Quota exceeded. Check your plan and billing details.", End.API_FAILURE, False),
        ("stream disconnected: Incomplete response returned, reason: content_filter", End.REFUSED, False),
        ("Codex ran out of room in the model's context window.", End.GAVE_UP, False),
    ],
)
def test_a_failed_turn_is_judged_by_its_words(message: str, end: End, retries: bool) -> None:
    account = Codex().read(output(*STARTED, WORK, trouble("Reconnecting... 1/3"), trouble(message), failed(message), status=1))
    assert (account.end, account.retry, account.reason) == (end, retries, message)


def test_a_failed_turn_may_say_nothing() -> None:
    account = Codex().read(output(*STARTED, {"type": "turn.failed"}, status=1))
    assert (account.end, account.reason) == (End.API_FAILURE, "")


@pytest.mark.parametrize(
    ("left", "end", "retries", "reason"),
    [
        (output(*STARTED, WARNING, WORK, WORDS, DONE), End.FINISHED, False, "It is fast."),
        (output(*STARTED, WARNING, WORK, WORDS, trouble("Reconnecting... 1/3"), DONE), End.FINISHED, False, "It is fast."),
        (output(*STARTED, DONE), End.FINISHED, False, ""),
        (output(*STARTED, WARNING, WORK, timed_out=True, status=-15), End.UNKNOWN, False, ""),
        (output(*STARTED, WARNING, WORK, WORDS, DONE, timed_out=True), End.UNKNOWN, False, ""),
        (output(*STARTED, WARNING, timed_out=True, status=-15), End.UNKNOWN, False, ""),
        (output(*STARTED, WARNING, trouble("Reconnecting... waiting for network"), timed_out=True), End.API_FAILURE, True,
         "Reconnecting... waiting for network"),
        (output(*STARTED, WORK, trouble("Reconnecting... waiting for network"), timed_out=True), End.UNKNOWN, False, ""),
        (output(*STARTED, WORK, status=-9), End.UNKNOWN, False, "ended by signal 9 without a record of its end"),
        (output(status=1, stderr="Error loading config.toml:\n3:12: extra `=`"), End.PROGRAM_FAILURE, False,
         "exit status 1 without a record of its end: Error loading config.toml:\n3:12: extra `=`"),
    ],
    ids=["done", "went on", "silent", "time", "end late", "no answer", "no service", "network late", "killed", "configuration"],
)  # fmt: skip
def test_the_end(left: Output, end: End, retries: bool, reason: str) -> None:
    account = Codex().read(left)
    assert (account.end, account.retry, account.reason) == (end, retries, reason)


def test_the_account_of_a_whole_run() -> None:
    session = jsonl({"type": "turn_context", "payload": {"model": "gpt-x"}}, request(100, 20, 10), request(260, 40, 20))
    said = output(*STARTED, WARNING, WORDS, DONE, session=session)
    account = Codex().read(said)
    assert (account.models, account.session, account.steps) == (("gpt-x",), "th-1", 2)
    assert account.usage == Usage(input_tokens=360, cached_tokens=60, output_tokens=30, reasoning_tokens=4)
    assert account.trajectory == {"trajectory.jsonl": said.stdout.encode()}


def test_what_a_stopped_run_used_is_in_its_own_files() -> None:
    session = jsonl(request(100, 20, 10), request(130, 90, 5)) + '{"type": "tok'
    account = Codex().read(output(*STARTED, WORK, timed_out=True, session=session))
    assert (account.steps, account.models) == (2, ())
    assert account.usage == Usage(input_tokens=230, cached_tokens=110, output_tokens=15, reasoning_tokens=2)


def test_without_its_files_there_are_no_steps() -> None:
    assert Codex().read(output(*STARTED, WORDS, DONE)).steps is None
