"""Claude Code: how it is called, and what its lines mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_isobench.agents.drivers.base import Call, Driver, End, Job, Output
from pytest_isobench.agents.drivers.claude_code import ClaudeCode
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Budget, Usage

KEY = {"ANTHROPIC_API_KEY": "key-1"}
MODEL = {"inputTokens": 300, "outputTokens": 30, "cacheReadInputTokens": 60, "cacheCreationInputTokens": 5, "costUSD": 0.2}
USAGE = {"input_tokens": 300, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 60, "output_tokens": 30}


def call(given: dict[str, str] = KEY, **fields: Any) -> Call:
    driver: Driver = ClaudeCode()
    return driver.call(Job(spec=AgentSpec(version=1, driver="claude_code", **fields), prompt="Make it fast.", variables=given))


def init() -> dict[str, Any]:
    return {"type": "system", "subtype": "init", "session_id": "s-1", "model": "claude-a", "tools": ["Bash"], "permissionMode": "default"}


def answer(number: int, model: str = "claude-a", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 100, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 3, "output_tokens": 1}
    message = {"id": f"msg_{number}", "role": "assistant", "model": model, "content": [{"type": "text", "text": "so"}], "usage": usage}
    return {"type": "assistant", "message": message, "parent_tool_use_id": None, "session_id": "s-1", **more}


def retry(status: int | None) -> dict[str, Any]:
    return {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 3, "error_status": status, "error": "rate_limit"}


def result(**changes: Any) -> dict[str, Any]:
    end = {"type": "result", "subtype": "success", "is_error": False, "api_error_status": None, "num_turns": 3, "result": "It is fast.",
           "stop_reason": "end_turn", "session_id": "s-1", "total_cost_usd": 0.25, "usage": USAGE, "modelUsage": {"claude-a": MODEL},
           "permission_denials": [], "terminal_reason": "completed"}  # fmt: skip
    return {**end, **changes}


def output(*found: dict[str, Any], status: int = 0, stderr: str = "", timed_out: bool = False) -> Output:
    return Output(returncode=status, stdout="".join(json.dumps(line) + "\n" for line in found), stderr=stderr, timed_out=timed_out)


def test_the_call() -> None:
    made = call(model="claude-a", budget=Budget(steps=30, usd=2.5), arguments=("--betas", "x"))
    assert made.argv == (
        "claude", "-p", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions",
        "--disallowedTools=WebSearch,WebFetch", "--model", "claude-a", "--max-turns", "30", "--max-budget-usd", "2.5", "--betas", "x",
    )  # fmt: skip
    assert made.stdin == "Make it fast."
    assert made.variables["ANTHROPIC_API_KEY"] == "key-1"
    assert (made.variables["IS_SANDBOX"], made.variables["CLAUDE_CODE_MAX_RETRIES"]) == ("1", "6")
    assert made.hosts == ("api.anthropic.com:443",)
    assert "key-1" not in str(made.argv) + str(made.files)


def test_the_file_of_an_agent_has_the_last_word() -> None:
    options = {"bare": True, "effort": "high", "permission_mode": "acceptEdits", "web": True, "request_retries": 0}
    made = call(command=("/opt/claude", "--x"), options=options, variables={"IS_SANDBOX": "0"})
    assert made.argv[:2] == ("/opt/claude", "--x")
    assert made.argv[6:] == ("--permission-mode", "acceptEdits", "--bare", "--effort", "high")
    assert (made.variables["CLAUDE_CODE_MAX_RETRIES"], made.variables["IS_SANDBOX"]) == ("0", "0")


def test_the_version_is_asked_of_the_same_program() -> None:
    driver = ClaudeCode()
    assert driver.version(AgentSpec(version=1, driver="claude_code")) == ("claude", "--version")
    assert driver.version(AgentSpec(version=1, driver="claude_code", command=("c",))) == ("c", "--version")


@pytest.mark.parametrize(
    ("variables", "hosts"),
    [
        ({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}, ("127.0.0.1:9",)),
        ({"CLAUDE_CODE_USE_BEDROCK": "1"}, ("bedrock-runtime.us-east-1.amazonaws.com:443",)),
        ({"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": "eu-west-1"}, ("bedrock-runtime.eu-west-1.amazonaws.com:443",)),
        ({"CLAUDE_CODE_USE_BEDROCK": "true", "ANTHROPIC_BEDROCK_BASE_URL": "https://b.example"}, ("b.example:443",)),
        ({"CLAUDE_CODE_USE_BEDROCK": "0"}, ("api.anthropic.com:443",)),
        ({"CLAUDE_CODE_USE_VERTEX": "1"}, ("aiplatform.googleapis.com:443", "oauth2.googleapis.com:443")),
        (
            {"CLAUDE_CODE_USE_VERTEX": "1", "CLOUD_ML_REGION": "us-east5"},
            ("us-east5-aiplatform.googleapis.com:443", "oauth2.googleapis.com:443"),
        ),
    ],
)
def test_the_services_host(variables: dict[str, str], hosts: tuple[str, ...]) -> None:
    assert call(variables).hosts == hosts


def test_bare_needs_a_key_of_the_api() -> None:
    with pytest.raises(UsageError, match="no other key than ANTHROPIC_API_KEY"):
        call({"CLAUDE_CODE_OAUTH_TOKEN": "t"}, options={"bare": True})
    assert "--bare" in call({"CLAUDE_CODE_USE_BEDROCK": "1"}, options={"bare": True}).argv


DENIED = [{"tool_name": "Bash", "tool_use_id": "t", "tool_input": {}}, {"tool_name": "Edit"}, {"tool_name": "Bash"}]
FAILED = {"is_error": True, "stop_reason": "stop_sequence"}


@pytest.mark.parametrize(
    ("changes", "end", "retries", "reason"),
    [
        ({}, End.FINISHED, False, "It is fast."),
        ({"result": ""}, End.FINISHED, False, ""),
        ({"subtype": "error_max_turns", "is_error": True, "errors": ["Reached maximum number of turns (1)"]},
         End.OUT_OF_BUDGET, False, "Reached maximum number of turns (1)"),
        ({"subtype": "error_max_budget_usd", "is_error": True, "errors": []}, End.OUT_OF_BUDGET, False, "error_max_budget_usd"),
        ({**FAILED, "api_error_status": 401, "result": "Failed to authenticate."}, End.API_FAILURE, False, "Failed to authenticate."),
        ({**FAILED, "api_error_status": 403}, End.API_FAILURE, False, "It is fast."),
        ({**FAILED, "api_error_status": 400, "result": "Credit balance is too low"}, End.API_FAILURE, False, "Credit balance is too low"),
        ({**FAILED, "api_error_status": 429}, End.API_FAILURE, True, "It is fast."),
        ({**FAILED, "api_error_status": 529, "result": "Overloaded"}, End.API_FAILURE, True, "Overloaded"),
        ({**FAILED, "result": "Unable to connect to API (ConnectionRefused)"}, End.API_FAILURE, True,
         "Unable to connect to API (ConnectionRefused)"),
        ({**FAILED, "result": "Not logged in · Please run /login"}, End.API_FAILURE, False, "Not logged in · Please run /login"),
        ({**FAILED, "api_error_status": 400, "result": "Prompt is too long", "terminal_reason": "prompt_too_long"},
         End.GAVE_UP, False, "Prompt is too long"),
        ({"is_error": True, "stop_reason": "refusal", "result": "unable to respond"}, End.REFUSED, False, "unable to respond"),
        ({"permission_denials": DENIED}, End.REFUSED, False, "was refused permission to use Bash, Edit"),
        ({"subtype": "error_during_execution", "is_error": True, "errors": ["boom", 7]}, End.PROGRAM_FAILURE, False, "boom"),
        ({"subtype": None, "result": None}, End.PROGRAM_FAILURE, False, "its result is ''"),
    ],
    ids=["done", "silent", "turns", "budget", "401", "403", "400", "429", "529", "refused connection", "no login", "context", "refusal",
         "permission", "broken", "made up"],
)  # fmt: skip
def test_the_result_tells_the_end(changes: dict[str, Any], end: End, retries: bool, reason: str) -> None:
    account = ClaudeCode().read(output(init(), answer(1), result(**changes), status=int(bool(changes))))
    assert (account.end, account.retry, account.reason) == (end, retries, reason)


@pytest.mark.parametrize(
    ("left", "end", "retries", "reason"),
    [
        (output(init(), answer(1), status=143, timed_out=True), End.UNKNOWN, False, ""),
        (output(init(), answer(1), result(), timed_out=True), End.UNKNOWN, False, ""),
        (output(init(), answer(1), result(is_error=True, result="Request was aborted."), timed_out=True), End.UNKNOWN, False, ""),
        (output(init(), status=-9, timed_out=True), End.UNKNOWN, False, ""),
        (output(init(), retry(529), timed_out=True), End.API_FAILURE, True, "rate_limit"),
        (output(init(), retry(401), status=-9), End.API_FAILURE, False, "rate_limit"),
        (output(init(), answer(1), retry(529), timed_out=True), End.UNKNOWN, False, ""),
        (output(init(), answer(1), status=-9), End.UNKNOWN, False, "ended by signal 9 without a record of its end"),
        (output(status=1, stderr="cannot be used with root"), End.PROGRAM_FAILURE, False,
         "exit status 1 without a record of its end: cannot be used with root"),
        (Output(returncode=0, stdout="a page of text", stderr=""), End.PROGRAM_FAILURE, False,
         "exit status 0 without a record of its end: a page of text"),
    ],
    ids=["time", "result late", "abort late", "no answer", "no service", "no access", "overload late", "killed", "no start",
         "another program"],
)  # fmt: skip
def test_without_a_result(left: Output, end: End, retries: bool, reason: str) -> None:
    account = ClaudeCode().read(left)
    assert (account.end, account.retry, account.reason) == (end, retries, reason)


def test_the_account_of_a_whole_run() -> None:
    small = {"inputTokens": 10, "outputTokens": 1, "cacheReadInputTokens": 0, "cacheCreationInputTokens": 0}
    said = output(init(), answer(1), retry(429), answer(2), result(modelUsage={"claude-a": MODEL, "claude-small": small}))
    account = ClaudeCode().read(said)
    assert (account.models, account.session, account.steps) == (("claude-a", "claude-small"), "s-1", 3)
    assert account.usage == Usage(input_tokens=375, cached_tokens=60, output_tokens=31, usd=0.25)
    assert account.trajectory == {"trajectory.jsonl": said.stdout.encode()}


def test_usage_without_models() -> None:
    account = ClaudeCode().read(output(answer(1), result(modelUsage={})))
    assert account.usage == Usage(input_tokens=365, cached_tokens=60, output_tokens=30, usd=0.25)
    assert account.models == ("claude-a",)


def test_the_account_of_a_run_that_was_stopped() -> None:
    helper = answer(3, model="claude-small", parent_tool_use_id="toolu_1")
    account = ClaudeCode().read(output(init(), answer(1), answer(1), helper, answer(2), answer(4, model="<synthetic>"), timed_out=True))
    assert (account.models, account.session, account.steps) == (("claude-a",), "s-1", 2)
    assert account.usage == Usage(input_tokens=246, cached_tokens=40)
