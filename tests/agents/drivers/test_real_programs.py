"""The real programs of agents against a scripted model: what each driver makes of how they end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from agent_process import PATIENCE, run, unused_port
from llm_server.fixture import AgentPrograms
from llm_server.request import Request
from llm_server.script import Fault, Script, refuse, say, shell
from llm_server.server import llm_server

from pytest_isobench.agents.drivers import load_driver
from pytest_isobench.agents.drivers.base import Account, Driver, End, Job
from pytest_isobench.models.agent import AgentSpec, Budget, Usage

pytestmark = pytest.mark.agents

KEY = "key-of-the-tests-0123456789"
PROMPT = "-- Make `slow()` fast: \"quotes\", $HOME, {braces}, ünïcode\nand a second line."
EDIT = (shell("cat work.py; env"), shell("sed -i s/slow/fast/ work.py"), say("It is fast now."))
LOOK = (shell("cat work.py"), say("I found nothing to do."))
ACCESS = {
    "claude_code": lambda url: {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url},
    "codex": lambda url: {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{url}/v1"},
}
MODELS = {"claude_code": "claude-sonnet-4-5", "codex": "gpt-5.5"}


@dataclass(frozen=True)
class Case:
    """What a run is made of."""

    steps: Sequence[Any] = EDIT
    faults: Sequence[Fault] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    arguments: tuple[str, ...] = ()
    unreachable: bool = False
    stop_after: int | None = None
    """The request at which the program is stopped, as at the end of its time."""


@dataclass(frozen=True)
class Played:
    """What came of it."""

    account: Account
    edited: bool
    requests: Sequence[Request]
    stdout: str


Play = Callable[[str, Case], Played]


@pytest.fixture
def play(agent_programs: AgentPrograms, tmp_path: Path) -> Play:
    """Run a program with a driver's call, and read what it leaves."""
    return lambda driver, case: _play(driver, case, tmp_path, agent_programs.path)


def _play(driver: str, case: Case, folder: Path, path: str) -> Played:
    (folder / "home").mkdir()
    (folder / "tree").mkdir()
    (folder / "tree" / "work.py").write_text("def slow():\n    return 1\n")
    with llm_server(Script(case.steps, case.faults)) as server:
        url = f"http://127.0.0.1:{unused_port()}" if case.unreachable else server.url
        stopping = (lambda: len(server.requests) >= case.stop_after) if case.stop_after else None
        output = run(driver_of(driver).call(job(driver, case, ACCESS[driver](url))), folder, path, stopping)
    edited = "fast" in (folder / "tree" / "work.py").read_text()
    return Played(driver_of(driver).read(output), edited, server.requests, output.stdout)


def driver_of(name: str) -> Driver:
    driver = load_driver(name)
    assert not hasattr(driver, "ask")
    return driver


def job(driver: str, case: Case, variables: Mapping[str, str]) -> Job:
    options = {"request_retries": 1, **case.options}
    spec = AgentSpec(version=1, driver=driver, model=MODELS[driver], options=options, budget=case.budget, arguments=case.arguments)
    return Job(spec=spec, prompt=PROMPT, variables=variables)


BOTH = [pytest.param("claude_code", id="claude"), pytest.param("codex", id="codex")]


@pytest.mark.parametrize("driver", BOTH)
def test_a_whole_run(driver: str, play: Play) -> None:
    played = play(driver, Case())
    assert (played.account.end, played.account.reason, played.edited) == (End.FINISHED, "It is fast now.", True)
    assert (played.account.models, played.account.steps) == ((MODELS[driver],), 3)
    usage = played.account.usage
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (360, 60, 30)
    assert played.account.session
    assert PROMPT in played.requests[0].prompt
    assert {request.key for request in played.requests} == {KEY}


@pytest.mark.parametrize("driver", BOTH)
@pytest.mark.parametrize(
    ("case", "end", "retries", "edited"),
    [
        (Case(faults=[Fault(429, 1, after=1, headers={"retry-after": "1"})]), End.FINISHED, False, True),
        (Case(faults=[Fault("drop", 1, after=1)]), End.FINISHED, False, True),
        (Case(faults=[Fault(429, None)]), End.API_FAILURE, True, False),
        (Case(faults=[Fault(500, None)]), End.API_FAILURE, True, False),
        (Case(faults=[Fault(500, None, after=2)]), End.API_FAILURE, True, True),
        (Case(faults=[Fault(401, None)]), End.API_FAILURE, False, False),
        (Case(faults=[Fault(400, None)]), End.API_FAILURE, False, False),
        (Case(unreachable=True), End.API_FAILURE, True, False),
        (Case(LOOK), End.FINISHED, False, False),
        (Case([shell("cat work.py"), refuse()]), End.REFUSED, False, False),
        (Case(faults=[Fault("hang", None, after=2)], stop_after=3), End.UNKNOWN, False, True),
        (Case(arguments=("--no-such-argument",)), End.PROGRAM_FAILURE, False, False),
    ],
    ids=["429 passes", "drop passes", "429", "500", "500 late", "401", "400", "unreachable", "no edit", "refusal", "time", "argument"],
)
def test_how_it_ends(driver: str, case: Case, end: End, retries: bool, edited: bool, play: Play) -> None:
    played = play(driver, case)
    account = played.account
    assert (account.end, account.retry, played.edited) == (end, retries, edited), account.reason
    assert bool(account.reason) is (end != End.UNKNOWN)


@pytest.mark.parametrize(
    ("case", "end", "edited"),
    [
        (Case(budget=Budget(steps=1)), End.OUT_OF_BUDGET, False),
        (Case(budget=Budget(usd=0.0001)), End.OUT_OF_BUDGET, False),
        (Case(options={"permission_mode": "default"}), End.REFUSED, False),
        (Case(options={"permission_mode": "acceptEdits"}, arguments=("--allowedTools", "Bash")), End.FINISHED, True),
        (Case(options={"bare": True}), End.FINISHED, True),
        (Case(options={"effort": "high"}), End.FINISHED, True),
    ],
    ids=["turns", "money", "permission", "allowed", "bare", "effort"],
)
def test_the_options_of_claude_code(case: Case, end: End, edited: bool, play: Play) -> None:
    played = play("claude_code", case)
    assert (played.account.end, played.edited) == (end, edited), played.account.reason


def test_claude_code_tells_what_it_cost(play: Play) -> None:
    usage = play("claude_code", Case()).account.usage
    assert usage.usd
    assert usage.usd > 0


def test_codex_tells_what_it_used_when_it_is_stopped(play: Play) -> None:
    account = play("codex", Case(faults=[Fault("hang", None, after=2)], stop_after=3)).account
    assert account.steps == 2
    assert account.usage == Usage(input_tokens=240, cached_tokens=40, output_tokens=20, reasoning_tokens=0)


def test_what_codex_runs_sees_no_key(play: Play) -> None:
    played = play("codex", Case())
    assert "CODEX_THREAD_ID=" in played.stdout, "the model has looked at its variables"
    assert KEY not in played.stdout


@pytest.mark.parametrize("driver", BOTH)
@pytest.mark.parametrize("web", [False, True])
def test_the_web_is_searched_only_when_allowed(driver: str, web: bool, play: Play) -> None:
    offered = play(driver, Case(LOOK, options={"web": web})).requests[0].body["tools"]
    names = {str(tool.get("name") or tool["type"]).lower().replace("_", "") for tool in offered}
    assert ("websearch" in names) is web


@pytest.mark.parametrize("driver", BOTH)
def test_its_version_is_told(driver: str, agent_programs: AgentPrograms) -> None:
    command = driver_of(driver).version(AgentSpec(version=1, driver=driver))
    printed = subprocess.run(command, env={"PATH": agent_programs.path}, capture_output=True, text=True, timeout=PATIENCE).stdout
    assert any(character.isdigit() for character in printed)
