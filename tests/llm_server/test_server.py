"""The scripted model over plain HTTP: each protocol, streamed and whole, what goes wrong, and many runs at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from llm_server.dialogues import DIALOGUES, Dialogue, Said
from llm_server.script import Fault, Script, Step, Usage, call, refuse, say, shell
from llm_server.server import LlmServer, llm_server

Serve = Callable[[Script], LlmServer]
TWO_STEPS = Script([shell("cat work.py", "Let me look."), say("It is fast.")], usage=Usage(fresh=50, cached=7, output=3))
KEY = {"x-api-key": "dummy"}


def send(server: LlmServer, path: str, body: Any = None, headers: dict[str, str] | None = None) -> HTTPResponse:
    """Ask over a connection that ends with the response."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    method, data = ("GET", None) if body is None else ("POST", json.dumps(body))
    connection.request(method, path, data, {"Connection": "close", **(headers or {})})
    return connection.getresponse()


def ask(server: LlmServer, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    with send(server, path, body, headers) as response:
        return response.status, json.loads(response.read())


def converse(server: LlmServer, dialogue: Dialogue, turns: int, *, streamed: bool, prompt: str = "Make it fast.") -> list[Said]:
    """Take part as an agent: ask, and bring the result of each tool that the model uses."""
    body, said = dialogue.opening(prompt) | {"stream": streamed}, []
    for _ in range(turns):
        with send(server, dialogue.path, body, KEY) as response:
            assert response.status == 200
            answer = dialogue.assemble(events_of(response)) if streamed else json.loads(response.read())
        said.append(dialogue.read(answer))
        body = dialogue.with_result(body, answer, "def work(): ...")
    return said


def events_of(response: HTTPResponse) -> list[dict[str, Any]]:
    assert response.headers["Content-Type"] == "text/event-stream"
    lines = [line.removeprefix("data: ") for line in response.read().decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.fixture(params=DIALOGUES, ids=lambda dialogue: dialogue.path)
def dialogue(request: pytest.FixtureRequest) -> Dialogue:
    chosen: Dialogue = request.param
    return chosen


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def streamed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


# what is said


def test_each_result_leads_to_the_next_step(llm: Serve, dialogue: Dialogue, streamed: bool) -> None:
    first, second, third = converse(llm(TWO_STEPS), dialogue, 3, streamed=streamed)
    assert first == Said("Let me look.", (dialogue.shell, dialogue.arguments("cat work.py")), dialogue.stops["call"], (57, 7, 3))
    assert second == Said("It is fast.", None, dialogue.stops["end"], (57, 7, 3))
    assert third == Said("It is fast.", None, dialogue.stops["end"], (57, 7, 3))


def test_after_the_last_step_it_is_done(llm: Serve, dialogue: Dialogue) -> None:
    assert [said.text for said in converse(llm(Script([shell("true")])), dialogue, 2, streamed=False)] == ["", "Done."]


def test_a_step_has_its_own_usage(llm: Serve, dialogue: Dialogue) -> None:
    script = Script([shell("true", usage=Usage(1, 2, 3)), say("Done.")], usage=Usage(4, 5, 6))
    assert [said.usage for said in converse(llm(script), dialogue, 2, streamed=False)] == [(3, 2, 3), (9, 5, 6)]


def test_refusal(llm: Serve, dialogue: Dialogue, streamed: bool) -> None:
    [said] = converse(llm(Script([refuse("No.")])), dialogue, 1, streamed=streamed)
    assert said == Said("No.", None, dialogue.stops["refusal"], (120, 20, 10))


def test_a_tool_by_its_name(llm: Serve, dialogue: Dialogue, streamed: bool) -> None:
    [said] = converse(llm(Script([call("edit", {"path": "work.py"})])), dialogue, 1, streamed=streamed)
    assert said.call == ("edit", {"path": "work.py"})


def test_text_for_a_tool_without_arguments(llm: Serve, streamed: bool) -> None:
    [responses] = [dialogue for dialogue in DIALOGUES if dialogue.path.endswith("responses")]
    [said] = converse(llm(Script([call("apply_patch", "*** Begin Patch")])), responses, 1, streamed=streamed)
    assert said.call == ("apply_patch", "*** Begin Patch")


def test_without_tools_there_is_only_text(llm: Serve, dialogue: Dialogue) -> None:
    body = dialogue.opening("What is this about?") | {"tools": []}
    status, answer = ask(llm(TWO_STEPS), dialogue.path, body)
    assert (status, dialogue.read(answer).call) == (200, None)


def test_a_step_that_the_agent_cannot_play(llm: Serve, dialogue: Dialogue) -> None:
    status, answer = ask(llm(Script([call("fly", {})])), dialogue.path, dialogue.opening("Go."))
    assert status == 400
    assert f"none of the tools fly is offered, only {dialogue.shell}" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("name", "properties", "arguments"),
    [
        ("exec_command", {"cmd": {"type": "string"}, "yield_time_ms": {"type": "number"}}, {"cmd": "ls", "yield_time_ms": 30_000}),
        ("shell", {"command": {"type": "array"}, "timeout_ms": {}}, {"command": ["bash", "-lc", "ls"], "timeout_ms": 300_000}),
        ("bash", {"command": {"type": "string"}, "restart": {"type": "boolean"}}, {"command": "ls"}),
        ("terminal", {"command": {"type": "string"}, "risk": {"enum": ["LOW", "HIGH"]}}, {"command": "ls", "risk": "LOW"}),
    ],
)
def test_shell_tools_of_agents(llm: Serve, name: str, properties: dict[str, Any], arguments: dict[str, Any]) -> None:
    required = [argument for argument in arguments if argument not in {"yield_time_ms", "timeout_ms"}]
    parameters = {"type": "object", "properties": properties, "required": required}
    tools = [{"type": "function", "function": {"name": name, "parameters": parameters}}]
    _, answer = ask(llm(Script([shell("ls")])), "/v1/chat/completions", {"messages": [{"role": "user", "content": "Go."}], "tools": tools})
    function = answer["choices"][0]["message"]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == (name, arguments)


def test_agents_that_want_to_be_told_the_end(llm: Serve) -> None:
    parameters = {"properties": {"message": {"type": "string"}}, "required": ["message"]}
    tools = [{"type": "function", "function": {"name": "finish", "parameters": parameters}}]
    _, answer = ask(llm(Script([say("Fast.")])), "/v1/chat/completions", {"messages": [], "tools": tools})
    function = answer["choices"][0]["message"]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("finish", {"message": "Fast."})


# what is recorded


def test_requests_are_recorded(llm: Serve, dialogue: Dialogue) -> None:
    server = llm(TWO_STEPS)
    converse(server, dialogue, 2, streamed=True)
    assert [(request.prompt, request.model, request.key, request.results) for request in server.requests] == [
        ("Make it fast.", "a-model", "dummy", 0),
        ("Make it fast.", "a-model", "dummy", 1),
    ]


def test_key_of_a_bearer(llm: Serve) -> None:
    server = llm(TWO_STEPS)
    ask(server, "/v1/responses", {"input": "Go.", "model": "m"}, {"Authorization": "Bearer secret"})
    [request] = server.requests
    assert (request.key, request.prompt, request.headers["authorization"]) == ("secret", "Go.", "Bearer secret")


def test_paths_beside_the_model(llm: Serve) -> None:
    server = llm(Script(faults=[Fault(500, count=None)]))
    assert ask(server, "/v1/messages/count_tokens", {"messages": []}) == (200, {"input_tokens": 120})
    status, models = ask(server, "/v1/models?limit=3")
    assert (status, [model["id"] for model in models["data"]]) == (200, ["scripted"])
    assert ask(server, "/v1/nothing", {})[0] == ask(server, "/elsewhere")[0] == 404
    assert ask(server, "/v1/responses", headers={"Upgrade": "websocket"})[0] == 426
    assert server.requests == []
    assert [request.path for request in server.all_requests][:2] == ["/v1/messages/count_tokens", "/v1/models?limit=3"]


def test_through_a_proxy(llm: Serve, dialogue: Dialogue) -> None:
    server = llm(TWO_STEPS)
    assert ask(server, server.url + dialogue.path, dialogue.opening("Go."))[0] == 200


# what goes wrong


def test_faults_befall_some_requests(llm: Serve, dialogue: Dialogue) -> None:
    script = Script(faults=[Fault(429, 2, after=1, headers={"Retry-After": "7"}, message="slowly"), Fault(500, None, after=4)])
    server = llm(script)
    answers = [ask(server, dialogue.path, dialogue.opening("Go.")) for _ in range(2)]
    with send(server, dialogue.path, dialogue.opening("Go.")) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
    answers += [ask(server, dialogue.path, dialogue.opening("Go.")) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 429, 200, 500, 500]
    assert answers[1][1]["error"]["message"] == "slowly"
    assert len(server.requests) == 6


def test_connection_ends_in_the_middle(llm: Serve, dialogue: Dialogue, streamed: bool) -> None:
    server = llm(Script(TWO_STEPS.steps, [Fault("drop")]))
    with send(server, dialogue.path, dialogue.opening("Go.") | {"stream": streamed}) as response, pytest.raises(IncompleteRead) as broken:
        response.read()
    assert broken.value.partial
    assert len(converse(server, dialogue, 1, streamed=streamed)) == 1


def test_no_answer_until_the_server_ends(dialogue: Dialogue) -> None:
    with llm_server(Script(faults=[Fault("hang")])) as server:
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=0.2)
        connection.request("POST", dialogue.path, json.dumps(dialogue.opening("Go.")), {"Connection": "close"})
        with pytest.raises(TimeoutError):
            connection.getresponse()
        assert len(converse(server, dialogue, 1, streamed=False)) == 1
    assert not [thread for thread in threading.enumerate() if "process_request" in thread.name]
    connection.close()


# how it is used


def test_many_runs_at_once(llm: Serve) -> None:
    server = llm(Script([*(shell(f"echo {number}") for number in range(5)), say("All.")]))
    with ThreadPoolExecutor(12) as pool:
        runs = [pool.submit(converse, server, dialogue, 6, streamed=True, prompt=str(n)) for n in range(4) for dialogue in DIALOGUES]
        answers = [run.result() for run in runs]
    assert {said[-1].text for said in answers} == {"All."}
    assert {tuple(f"echo {n}" in str(step.call) for n, step in enumerate(said[:5])) for said in answers} == {(True,) * 5}
    assert sorted(request.prompt for request in server.requests) == sorted(str(n) for n in range(4) for _ in range(18))


def test_script_from_a_file(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    steps = [{"shell": "ls", "usage": {"output": 4}}, {"text": "Bye."}]
    script.write_text(json.dumps({"steps": steps, "faults": [{"status": 429}], "usage": {"fresh": 9}}))
    expected = Script([Step(shell="ls", usage=Usage(output=4)), say("Bye.")], [Fault(429)], Usage(fresh=9))
    assert Script.from_json(script.read_text()) == expected
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "llm_server", "--script", str(script)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        host, _, port = program.stdout.readline().strip().removeprefix("http://").partition(":")
        connection = HTTPConnection(host, int(port), timeout=20)
        connection.request("POST", "/v1/messages", json.dumps({"messages": []}))
        assert connection.getresponse().status == 429
        connection.close()
        program.terminate()


# the providers' own clients, where they are installed


def test_openai_client(llm: Serve) -> None:
    openai = pytest.importorskip("openai")
    server = llm(Script([say("Fast.")], [Fault(500)]))
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="dummy") as client:
        assert client.responses.create(model="m", input="Go.").output_text == "Fast."
        completion = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Go."}])
        assert (completion.choices[0].message.content, completion.usage.total_tokens) == ("Fast.", 130)
        with client.responses.stream(model="m", input="Go.") as stream:
            assert stream.get_final_response().output_text == "Fast."
        with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "Go."}]) as chat:
            assert chat.get_final_completion().choices[0].message.content == "Fast."


def test_anthropic_client(llm: Serve) -> None:
    anthropic = pytest.importorskip("anthropic")
    server = llm(Script([say("Fast.")], [Fault(529)]))
    question: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Go."}]}
    with anthropic.Anthropic(base_url=server.url, api_key="dummy") as client:
        assert client.messages.create(**question).content[0].text == "Fast."
        with client.messages.stream(**question) as stream:
            message = stream.get_final_message()
    assert (message.content[0].text, message.usage.output_tokens, message.stop_reason) == ("Fast.", 10, "end_turn")
