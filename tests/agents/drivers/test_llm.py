"""A model without a program, asked through the real client."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_process import unused_port
from llm_server.script import Fault, Script, refuse, say
from llm_server.server import LlmServer

from pytest_isobench.agents.drivers.base import Account, End, Job, Model
from pytest_isobench.agents.drivers.llm import Llm, _judge
from pytest_isobench.errors import MissingExtraError, UsageError
from pytest_isobench.models.agent import AgentSpec, Budget, Usage

EDIT = "It was slow.\n\nwork.py\n```python\n<<<<<<< SEARCH\ndef slow():\n=======\ndef fast():\n>>>>>>> REPLACE\n```\n"
KEY = "key-of-the-tests-0123456789"
Server = Callable[[Script], LlmServer]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text("def slow():\n    return 1\n")
    (tmp_path / "other.py").write_text("import work\n")
    return tmp_path


def ask(tree: Path, url: str, targets: tuple[str, ...] = (), **fields: Any) -> tuple[str, Account]:
    pytest.importorskip("openai")
    driver: Model = Llm()
    spec = AgentSpec(version=1, driver="llm", **{"model": "gpt-x", **fields})
    variables = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url}
    return driver.ask(Job(spec=spec, prompt="Make it fast.", variables=variables, targets=targets), tree)


def test_its_edits_are_a_diff(llm: Server, tree: Path) -> None:
    server = llm(Script([say(EDIT)]))
    patch, account = ask(tree, f"{server.url}/v1", options={"max_tokens": 99, "temperature": 0.5, "reasoning_effort": "low"})
    assert patch == (
        "diff --git a/work.py b/work.py\n--- a/work.py\n+++ b/work.py\n@@ -1,2 +1,2 @@\n-def slow():\n+def fast():\n     return 1\n"
    )
    assert (account.end, account.retry, account.reason, account.steps) == (End.FINISHED, False, "", 1)
    assert account.models == ("gpt-x",)
    assert account.session
    assert account.usage == Usage(input_tokens=120, cached_tokens=20, output_tokens=10)
    request = server.requests[0]
    assert (request.body["max_tokens"], request.body["temperature"], request.body["reasoning_effort"]) == (99, 0.5, "low")
    assert request.key == KEY


def test_what_was_said_is_kept_without_the_key(llm: Server, tree: Path) -> None:
    _, account = ask(tree, f"{llm(Script([say(EDIT)])).url}/v1")
    question, answer = (json.loads(account.trajectory[name]) for name in ("question.json", "answer.json"))
    assert question[1]["content"].startswith("Make it fast.\n\n<file path=")
    assert answer["choices"][0]["message"]["content"] == EDIT
    assert KEY.encode() not in b"".join(account.trajectory.values())


@pytest.mark.parametrize(("targets", "names"), [((), {"work.py", "other.py"}), (("work.py",), {"work.py"})])
def test_it_is_shown_the_code(llm: Server, tree: Path, targets: tuple[str, ...], names: set[str]) -> None:
    server = llm(Script([say(EDIT)]))
    ask(tree, f"{server.url}/v1", targets)
    assert {name for name in ("work.py", "other.py") if f'<file path="{name}">' in server.requests[0].prompt} == names


@pytest.mark.parametrize(
    ("script", "end", "retries", "reason"),
    [
        (Script([say("I would leave it.")]), End.FINISHED, False, "the answer holds no edit"),
        (Script([say(EDIT.replace("fast", "slow"))]), End.FINISHED, False, "the edits change nothing"),
        (Script([say(EDIT.replace("slow", "other"))]), End.FINISHED, False, "of 'work.py': its lines do not stand in the file"),
        (Script([say(EDIT[:60])]), End.FINISHED, False, "has no end"),
        (Script([refuse()]), End.REFUSED, False, "the service withheld the answer"),
        (Script(faults=[Fault(401, None, message="no such key")]), End.API_FAILURE, False, "no such key"),
        (Script(faults=[Fault(404, None, message="no such model")]), End.API_FAILURE, False, "no such model"),
        (Script(faults=[Fault(400, None, message="no such option")]), End.API_FAILURE, False, "no such option"),
        (Script(faults=[Fault(429, None, message="slow down")]), End.API_FAILURE, True, "slow down"),
        (Script(faults=[Fault(429, None, message="You exceeded your current quota")]), End.API_FAILURE, False, "quota"),
        (Script(faults=[Fault(503, None, message="busy")]), End.API_FAILURE, True, "busy"),
        (Script(faults=[Fault(400, None, message="maximum context length is 8192 tokens")]), End.GAVE_UP, False, "context length"),
    ],
    ids=["words", "no change", "no such lines", "broken off", "refusal", "401", "404", "400", "429", "quota", "503", "context"],
)
def test_without_edits_it_says_why(llm: Server, tree: Path, script: Script, end: End, retries: bool, reason: str) -> None:
    server = llm(script)
    patch, account = ask(tree, f"{server.url}/v1")
    assert (patch, account.end, account.retry) == ("", end, retries), account.reason
    assert reason in account.reason
    assert len(server.requests) == 1, "who asks again is whoever counts the tries"


def test_a_service_that_is_not_there_may_be_later(tree: Path) -> None:
    _, account = ask(tree, f"http://127.0.0.1:{unused_port()}/v1")
    assert (account.end, account.retry) == (End.API_FAILURE, True)


def test_it_is_waited_for_as_long_as_the_budget_says(llm: Server, tree: Path) -> None:
    server = llm(Script(faults=[Fault("hang", None)]))
    _, account = ask(tree, f"{server.url}/v1", budget=Budget(minutes=0.01))
    assert (account.end, account.retry, account.reason) == (End.OUT_OF_BUDGET, False, "no answer within 0.01 minutes")


@pytest.mark.parametrize(
    ("answer", "end", "retries", "reason"),
    [
        ({}, End.API_FAILURE, True, "the service's answer holds none of the model"),
        ({"choices": None, "error": {"message": "no provider"}}, End.API_FAILURE, True, "no provider"),
        ({"choices": [7]}, End.API_FAILURE, True, "the service's answer holds none of the model"),
        ({"choices": [{"message": {"refusal": "I cannot help."}}]}, End.REFUSED, False, "I cannot help."),
        ({"choices": [{"finish_reason": "length", "message": {"content": EDIT}}]}, End.OUT_OF_BUDGET, False, "option 'max_tokens'"),
        ({"choices": [{"message": {"content": None}}]}, End.FINISHED, False, "the answer holds no edit"),
        ({"choices": [{"message": {"content": [1]}}]}, End.FINISHED, False, "the answer holds no edit"),
        ({"choices": [{"message": "x"}]}, End.FINISHED, False, "the answer holds no edit"),
    ],
)
def test_odd_answers(tree: Path, answer: dict[str, Any], end: End, retries: bool, reason: str) -> None:
    patch, account = _judge(answer, tree)
    assert (patch, account.end, account.retry) == ("", end, retries)
    assert reason in account.reason


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": None}, "name it under 'model'"),
        ({"options": {"base_url": "gateway"}}, "base_url is 'gateway', which is no URL of a service"),
        ({"options": {"context_kb": 0}}, "context_kb"),
    ],
)
def test_what_cannot_be_asked_is_said(tree: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask(tree, "http://127.0.0.1:9/v1", **fields)


def test_too_much_code_is_not_sent(llm: Server, tree: Path) -> None:
    server = llm(Script([say(EDIT)]))
    (tree / "long.py").write_text("x = 1\n" * 1000)
    with pytest.raises(UsageError, match="its code has more than 1 kB: name the files"):
        ask(tree, f"{server.url}/v1", options={"context_kb": 1})
    assert not server.requests


def test_without_its_client_the_extra_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse_openai(name: str, *rest: Any, **more: Any) -> Any:
        if name == "openai":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse_openai)
    spec = AgentSpec(version=1, driver="llm", model="gpt-x")
    with pytest.raises(MissingExtraError, match=r"the driver llm needs more packages: pip install 'pytest-isobench\[llm\]'"):
        Llm().ask(Job(spec=spec, prompt="", variables={}), tree)
