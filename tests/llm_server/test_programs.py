"""The real programs of agents against the scripted model: that they understand it, and what their ends look like."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llm_server.fixture import AgentPrograms
from llm_server.script import Fault, Script, Usage, refuse, say, shell
from llm_server.server import LlmServer

pytestmark = pytest.mark.agents

Serve = Callable[[Script], LlmServer]
PROMPT = "Make work.py fast."
EDIT = [shell("cat work.py", "Let me look."), shell("sed -i s/slow/fast/ work.py"), say("It is fast now.")]
CODEX = ["exec", "--json", "--dangerously-bypass-approvals-and-sandbox", "--disable=unbounded_connection_retries", "--disable=plugins"]


@dataclass(frozen=True)
class Program:
    """How one program is called, and where its end record has what."""

    name: str
    ending: tuple[str, str]
    """Key and value by which the last line of an orderly end is known."""

    def start(self, programs: AgentPrograms, server: LlmServer, place: Path) -> subprocess.Popen[str]:
        """Begin a run in a new work tree."""
        for folder in ("repo", "home"):
            (place / folder).mkdir(parents=True)
        (place / "repo/work.py").write_text("def slow(): ...\n")
        arguments, variables = claude(server) if self.name == "claude" else codex(server)
        environment = {"PATH": programs.path, "HOME": str(place / "home"), **variables}
        return subprocess.Popen(
            [str(programs.programs / self.name), *arguments, PROMPT],
            cwd=place / "repo", env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


def claude(server: LlmServer) -> tuple[list[str], dict[str, str]]:
    arguments = ["--output-format=stream-json", "--verbose", "--model=claude-sonnet-4-5", "--dangerously-skip-permissions", "-p"]
    variables = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": "dummy", "CLAUDE_CODE_MAX_RETRIES": "2"}
    return arguments, variables | {"IS_SANDBOX": "1", "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


def codex(server: LlmServer) -> tuple[list[str], dict[str, str]]:
    provider = f'name="scripted", base_url="{server.url}/v1", env_key="KEY", request_max_retries=1, stream_max_retries=2'
    options = ['model="gpt-5.5"', 'model_provider="scripted"', f"model_providers.scripted={{{provider}}}", "analytics.enabled=false"]
    return [*CODEX, *(f"--config={option}" for option in options)], {"KEY": "dummy"}


PROGRAMS = [Program("claude", ("type", "result")), Program("codex", ("type", "turn.completed"))]


@dataclass(frozen=True)
class Run:
    """What a program left."""

    status: int
    lines: list[dict[str, Any]]
    work: str

    @property
    def last(self) -> dict[str, Any]:
        """The end record, if it came to that."""
        return self.lines[-1]


def finish(process: subprocess.Popen[str], place: Path) -> Run:
    with process:
        output, _ = process.communicate(timeout=120)
    return Run(process.returncode, [json.loads(line) for line in output.splitlines()], (place / "repo/work.py").read_text())


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.name)
def program(request: pytest.FixtureRequest) -> Program:
    chosen: Program = request.param
    return chosen


@pytest.fixture
def run(program: Program, agent_programs: AgentPrograms, tmp_path: Path) -> Callable[[LlmServer], Run]:
    """Run the program to its end."""
    return lambda server: finish(program.start(agent_programs, server, tmp_path), tmp_path)


def test_it_edits_and_says_what_it_used(llm: Serve, program: Program, run: Callable[[LlmServer], Run]) -> None:
    server = llm(Script(EDIT, usage=Usage(fresh=1000, cached=200, output=30)))
    ended = run(server)
    assert (ended.status, ended.work) == (0, "def fast(): ...\n")
    assert ended.last[program.ending[0]] == program.ending[1]
    usage = ended.last["usage"]
    prompt = usage["input_tokens"] + usage.get("cache_read_input_tokens", 0)
    assert (prompt, usage["output_tokens"]) == (3 * 1200, 3 * 30)
    assert [(request.key, request.results) for request in server.requests] == [("dummy", 0), ("dummy", 1), ("dummy", 2)]
    assert server.requests[0].prompt.endswith(PROMPT)
    assert server.requests[0].model in {"claude-sonnet-4-5", "gpt-5.5"}


def test_a_limit_of_requests_passes(llm: Serve, run: Callable[[LlmServer], Run]) -> None:
    server = llm(Script(EDIT, [Fault(429, 2, after=1, headers={"Retry-After": "1"})]))
    ended = run(server)
    assert (ended.status, ended.work, len(server.requests)) == (0, "def fast(): ...\n", 5)


def test_a_broken_answer_is_asked_for_again(llm: Serve, run: Callable[[LlmServer], Run]) -> None:
    server = llm(Script(EDIT, [Fault("drop", after=1)]))
    ended = run(server)
    assert (ended.status, ended.work, len(server.requests)) == (0, "def fast(): ...\n", 4)


@pytest.mark.parametrize("status", [400, 401, 500])
def test_an_error_for_good(llm: Serve, run: Callable[[LlmServer], Run], status: int) -> None:
    ended = run(llm(Script(EDIT, [Fault(status, count=None)])))
    assert (ended.status, ended.work) == (1, "def slow(): ...\n")
    assert ended.last["type"] == "turn.failed" or (ended.last["is_error"], ended.last["api_error_status"]) == (True, status)


def test_a_refusal(llm: Serve, run: Callable[[LlmServer], Run]) -> None:
    ended = run(llm(Script([EDIT[0], refuse()])))
    assert ended.status == 1
    assert ended.last.get("stop_reason") == "refusal" or "content_filter" in ended.last["error"]["message"]


def test_no_edit_is_an_orderly_end(llm: Serve, program: Program, run: Callable[[LlmServer], Run]) -> None:
    ended = run(llm(Script([say("There is nothing to do.")])))
    assert (ended.status, ended.last["type"], ended.work) == (0, program.ending[1], "def slow(): ...\n")


def test_terminated_while_the_model_thinks(llm: Serve, program: Program, agent_programs: AgentPrograms, tmp_path: Path) -> None:
    process = program.start(agent_programs, llm(Script(EDIT, [Fault("hang", after=1)])), tmp_path)
    lines = [read(process) for _ in range(3)]
    process.send_signal(signal.SIGTERM)
    ended = finish(process, tmp_path)
    assert ended.status in {143, -signal.SIGTERM}
    assert program.ending[1] not in {line["type"] for line in [*lines, *ended.lines]}


def read(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def test_several_runs_share_a_server(llm: Serve, agent_programs: AgentPrograms, tmp_path: Path) -> None:
    server = llm(Script(EDIT))
    places = [(program, tmp_path / f"{program.name}{number}") for program in PROGRAMS for number in range(2)]
    with ThreadPoolExecutor(len(places)) as pool:
        runs = list(pool.map(lambda each: finish(each[0].start(agent_programs, server, each[1]), each[1]), places))
    assert [(ended.status, ended.work) for ended in runs] == [(0, "def fast(): ...\n")] * 4
    assert sorted(request.results for request in server.requests) == sorted([0, 1, 2] * 4)
