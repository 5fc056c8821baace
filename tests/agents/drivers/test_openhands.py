"""OpenHands: how it is called, and what its events mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_isobench.agents.drivers.base import Call, Driver, End, Job, Output
from pytest_isobench.agents.drivers.openhands import OpenHands
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Usage

KEY = {"LLM_API_KEY": "key-1"}
NAME, OTHER = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
NOISE = "\x1b[37mInitializing agent\x1b[0m...\n"
SUMMARY = "Conversation ID: 01234567-89ab-cdef-0123-456789abcdef\nHint: run openhands --resume\n"


def call(variables: dict[str, str] = KEY, prompt: str = "Make it fast.", **fields: Any) -> Call:
    driver: Driver = OpenHands()
    spec = AgentSpec(version=1, driver="openhands", **{"model": "openai/gpt-x", **fields})
    return driver.call(Job(spec=spec, prompt=prompt, variables=variables))


def action(number: int, **action: Any) -> dict[str, Any]:
    return {"source": "agent", "action": action, "llm_response_id": f"r-{number}", "kind": "ActionEvent"}


FINISH = [action(3, message="It is fast.", kind="FinishAction"),
          {"source": "environment", "observation": {"kind": "FinishObservation"}, "kind": "ObservationEvent"}]  # fmt: skip


def error(code: str, detail: str = "so") -> dict[str, Any]:
    return {"source": "environment", "code": code, "detail": detail, "kind": "ConversationErrorEvent"}


def state(status: str, **changes: Any) -> bytes:
    used = {"prompt_tokens": 240, "completion_tokens": 20, "cache_read_tokens": 40, "reasoning_tokens": 4}
    agent = {"model_name": "openai/gpt-x", "accumulated_cost": 0.25, "accumulated_token_usage": used}
    small = {"model_name": "openai/gpt-small", "accumulated_cost": 0.0, "accumulated_token_usage": dict.fromkeys(used, 0)}
    return json.dumps({"execution_status": status, "stats": {"usage_to_metrics": {"agent": agent, "condenser": small}}, **changes}).encode()


def output(*events: dict[str, Any], status: str = "", summary: str = SUMMARY, timed_out: bool = False, **states: bytes) -> Output:
    known = {NAME: state(status)} if status else states
    files = {f".openhands/conversations/{name}/base_state.json": data for name, data in known.items()}
    stdout = NOISE + "".join(json.dumps(event) + "\nAgent is working\n" for event in events) + summary
    return Output(returncode=0, stdout=stdout, stderr="", timed_out=timed_out, files=files)


def test_the_call() -> None:
    made = call(prompt="--help me", arguments=("--last",))
    assert made.argv == ("openhands", "--headless", "--json", "--override-with-envs", "--task=--help me", "--last")
    assert made.variables == {
        "LLM_API_KEY": "key-1", "LLM_MODEL": "openai/gpt-x", "PYTHONUNBUFFERED": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENHANDS_SUPPRESS_BANNER": "1",
    }  # fmt: skip
    assert made.collect == (".openhands/conversations/*/base_state.json",)


def test_the_version_is_asked_of_the_same_program() -> None:
    assert OpenHands().version(AgentSpec(version=1, driver="openhands", command=("o",))) == ("o", "--version")


@pytest.mark.parametrize(
    ("model", "variables", "host"),
    [
        ("openai/gpt-x", {}, "api.openai.com:443"),
        ("gpt-x", {}, "api.openai.com:443"),
        ("anthropic/claude-x", {}, "api.anthropic.com:443"),
        (None, {"LLM_MODEL": "openrouter/some/model"}, "openrouter.ai:443"),
        ("anthropic/claude-x", {"LLM_BASE_URL": "http://127.0.0.1:9/v1"}, "127.0.0.1:9"),
    ],
)
def test_the_services_host(model: str | None, variables: dict[str, str], host: str) -> None:
    assert call({**KEY, **variables}, model=model).hosts == (host,)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": None}, "name one under 'model', such as openai/gpt-5, or in LLM_MODEL"),
        ({"prompt": "é" * 70_000}, "the prompt has 140000 bytes, and OpenHands takes it as an argument of up to 120000"),
        ({"options": {"x": 1}}, "x"),
    ],
)
def test_what_cannot_be_called_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call(**fields)


@pytest.mark.parametrize(
    ("left", "end", "retries", "reason"),
    [
        (output(action(1), *FINISH, status="finished"), End.FINISHED, False, "It is fast."),
        (output(action(1), *FINISH), End.FINISHED, False, "It is fast."),
        (output(action(1), status="finished"), End.FINISHED, False, ""),
        (output(error("LLMRateLimitError"), *FINISH, status="finished"), End.FINISHED, False, "It is fast."),
        (output(action(1), status="stuck"), End.GAVE_UP, False, "is stuck: it did the same over and over again"),
        (output(action(1), error("MaxIterationsReached", "500"), status="error"), End.OUT_OF_BUDGET, False, "500"),
        (output(error("AuthenticationError", "no such key"), status="error"), End.API_FAILURE, False, "no such key"),
        (output(error("LLMServiceUnavailableError", "busy"), status="error"), End.API_FAILURE, True, "busy"),
        (output(error("LLMRateLimitError")), End.API_FAILURE, True, "so"),
        (output(action(1), error("LLMBadRequestError"), status="error"), End.GAVE_UP, False, "so"),
        (output(error("LLMBadRequestError"), status="error"), End.API_FAILURE, False, "so"),
        (output(error("ValueError", "boom"), status="error"), End.PROGRAM_FAILURE, False, "ValueError: boom"),
        (output(action(1), status="running", summary="", timed_out=True), End.UNKNOWN, False, ""),
        (output(summary="Missing required environment variable(s): LLM_MODEL"), End.PROGRAM_FAILURE, False,
         "exit status 0 without a record of its end: Initializing agent...\nMissing required environment variable(s): LLM_MODEL"),
    ],
    ids=["done", "no state", "no words", "went on", "stuck", "500 turns", "401", "503", "429", "malformed", "400", "mistake", "time",
         "no start"],
)  # fmt: skip
def test_events_and_state_tell_the_end(left: Output, end: End, retries: bool, reason: str) -> None:
    account = OpenHands().read(left)
    assert (account.end, account.retry, account.reason) == (end, retries, reason)


def test_the_account_of_a_whole_run() -> None:
    left = output(action(1), action(1), action(2), *FINISH, status="finished")
    account = OpenHands().read(left)
    assert (account.models, account.session, account.steps) == (("openai/gpt-x",), NAME, 3)
    assert account.usage == Usage(input_tokens=240, cached_tokens=40, output_tokens=20, reasoning_tokens=4, usd=0.25)
    assert account.trajectory == {"trajectory.jsonl": left.stdout.encode()}


def test_of_several_conversations_the_one_it_names_counts() -> None:
    states = {OTHER: state("error", stats={}), NAME: state("finished")}
    assert OpenHands().read(output(action(1), **states)).end is End.FINISHED
    assert OpenHands().read(output(action(1), summary="", **{OTHER: state("stuck")})).session == OTHER


def test_a_state_that_has_counted_nothing_yet_says_nothing() -> None:
    unused = {"model_name": "m", "accumulated_cost": 0.0, "accumulated_token_usage": {"prompt_tokens": 0, "completion_tokens": 0}}
    left = output(action(1), summary="", timed_out=True, **{NAME: state("running", stats={"usage_to_metrics": {"agent": unused}})})
    assert (OpenHands().read(left).usage, OpenHands().read(left).steps) == (Usage(), 1)


def test_a_state_that_is_broken_says_nothing() -> None:
    account = OpenHands().read(output(action(1), *FINISH, **{NAME: b'{"execution_'}))
    assert (account.end, account.usage, account.models) == (End.FINISHED, Usage(), ())
