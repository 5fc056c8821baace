"""mini-swe-agent: how it is called, and what its trajectory means."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from pytest_isobench.agents.drivers.base import Call, Driver, End, Job, Output
from pytest_isobench.agents.drivers.mini_swe_agent import MiniSweAgent
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Budget, Usage

PROMPT = "Make {{ it }} fast: \"q\"\n- 🦊 \x7f \u2028"


def call(**fields: Any) -> Call:
    driver: Driver = MiniSweAgent()
    spec = AgentSpec(version=1, driver="mini_swe_agent", **{"model": "openai/gpt-x", **fields})
    return driver.call(Job(spec=spec, prompt=PROMPT, variables={"OPENAI_API_KEY": "key-1"}))


def answer(**changes: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 120, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 20},
             "completion_tokens_details": {"reasoning_tokens": 4}}  # fmt: skip
    return {"role": "assistant", "extra": {"response": {"model": "gpt-x", "usage": usage, **changes}, "cost": 0.0}}


def output(status: object, *messages: Any, said: object = "", cost: float = 0.0, timed_out: bool = False) -> Output:
    end = [{"role": "exit", "content": said, "extra": {"exit_status": status}}] if status else []
    info = {"model_stats": {"instance_cost": cost, "api_calls": len(messages)}, "exit_status": status}
    written = {"info": info, "messages": [{"role": "system", "content": "s"}, *messages, *end]}
    return Output(returncode=0, stdout="", stderr="", timed_out=timed_out, files={"trajectory.json": json.dumps(written).encode()})


def test_the_call() -> None:
    made = call(arguments=("--cost-limit", "1"), options={"request_retries": 2})
    assert made.argv == (
        "mini", "-y", "--exit-immediately", "-m", "openai/gpt-x", "-c", "mini.yaml", "-c", "{home}/job.yaml",
        "-o", "{home}/trajectory.json", "--cost-limit", "1",
    )  # fmt: skip
    assert made.variables == {
        "OPENAI_API_KEY": "key-1", "PYTHONUNBUFFERED": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "MSWEA_CONFIGURED": "true",
        "MSWEA_SILENT_STARTUP": "1",
        "MSWEA_COST_TRACKING": "ignore_errors", "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "3",
    }  # fmt: skip
    assert made.hosts == ("api.openai.com:443",)


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({}, {"agent": {"step_limit": 0, "cost_limit": 0}}),
        ({"budget": Budget(steps=9, usd=2.5)}, {"agent": {"step_limit": 9, "cost_limit": 2.5}}),
        ({"options": {"temperature": 0.0}},
         {"agent": {"step_limit": 0, "cost_limit": 0}, "model": {"model_kwargs": {"temperature": 0.0}}}),
    ],
)  # fmt: skip
def test_prompt_and_limits_are_in_a_file(fields: dict[str, Any], written: dict[str, Any]) -> None:
    assert yaml.safe_load(call(**fields).files["job.yaml"]) == {"run": {"task": PROMPT}, **written}


def test_its_version_is_in_its_help() -> None:
    assert MiniSweAgent().version(AgentSpec(version=1, driver="mini_swe_agent", command=("m",))) == ("m", "--help")


def test_it_has_no_model_of_its_own() -> None:
    with pytest.raises(UsageError, match="name one under 'model', such as openai/gpt-5"):
        call(model=None)


@pytest.mark.parametrize(
    ("left", "end", "retries", "reason"),
    [
        (output("Submitted", answer(), said="done"), End.FINISHED, False, "done"),
        (output("Submitted", answer()), End.FINISHED, False, ""),
        (output("LimitsExceeded", answer(), said="LimitsExceeded"), End.OUT_OF_BUDGET, False, "LimitsExceeded"),
        (output("TimeExceeded", answer()), End.OUT_OF_BUDGET, False, ""),
        (output("RepeatedFormatError", answer(), said="RepeatedFormatError"), End.GAVE_UP, False, "RepeatedFormatError"),
        (output("AuthenticationError", said="no such key"), End.API_FAILURE, False, "no such key"),
        (output("RateLimitError", answer(), said="slow down"), End.API_FAILURE, True, "slow down"),
        (output("BadRequestError", answer()), End.GAVE_UP, False, "BadRequestError"),
        (output("RuntimeError", said="Error calculating cost"), End.PROGRAM_FAILURE, False, "RuntimeError: Error calculating cost"),
        (output("KeyError"), End.PROGRAM_FAILURE, False, "KeyError"),
        (output("", answer(), timed_out=True), End.UNKNOWN, False, ""),
        (output(7, 7, {"extra": 7}, {"extra": {"response": 7}}, said=7), End.PROGRAM_FAILURE, False,
         "exit status 0 without a record of its end"),
        (Output(returncode=2, stdout="", stderr="No such option: --x"), End.PROGRAM_FAILURE, False,
         "exit status 2 without a record of its end: No such option: --x"),
    ],
    ids=["done", "silent", "steps", "time limit", "format", "401", "429", "malformed", "cost", "mistake", "time", "made up", "no start"],
)  # fmt: skip
def test_its_status_tells_the_end(left: Output, end: End, retries: bool, reason: str) -> None:
    account = MiniSweAgent().read(left)
    assert (account.end, account.retry, account.reason) == (end, retries, reason)


@pytest.mark.parametrize(("cost", "usd"), [(0.25, 0.25), (0.0, None)])
def test_the_account_of_a_whole_run(cost: float, usd: float | None) -> None:
    left = output("Submitted", answer(), {"role": "tool"}, answer(), answer(model="gpt-y", usage=None), cost=cost)
    account = MiniSweAgent().read(left)
    assert (account.models, account.steps) == (("gpt-x", "gpt-y"), 3)
    assert account.usage == Usage(input_tokens=240, cached_tokens=40, output_tokens=20, reasoning_tokens=8, usd=usd)
    assert account.trajectory == {"trajectory.json": left.files["trajectory.json"]}
