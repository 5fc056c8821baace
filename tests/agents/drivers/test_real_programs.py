"""The real programs of agents against a scripted model: what each driver makes of how they end.

`ISOBENCH_TEST_AGENTS` names the folder into which they were installed with npm: `@anthropic-ai/claude-code` and `@openai/codex`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from llm_server.script import Fault, Script, refuse, say, shell
from llm_server.server import LlmServer, Request, llm_server

from pytest_isobench.agents.drivers import load_driver
from pytest_isobench.agents.drivers.base import HOME, TREE, Account, Call, Driver, End, Job, Output
from pytest_isobench.models.agent import AgentSpec, Budget, Usage

pytestmark = pytest.mark.agents

PATH = os.pathsep.join([f"{os.environ.get('ISOBENCH_TEST_AGENTS', '')}/node_modules/.bin", os.environ["PATH"]])
KEY = "key-of-the-tests-0123456789"
PROMPT = "-- Make `slow()` fast: \"quotes\", $HOME, {braces}, ünïcode\nand a second line."
EDIT = (shell("cat work.py; env"), shell("sed -i s/slow/fast/ work.py"), say("It is fast now."))
LOOK = (shell("cat work.py"), say("I found nothing to do."))
PATIENCE = 120
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


def play(driver: str, case: Case, folder: Path) -> Played:
    """Run a program with a driver's call, and read what it leaves."""
    if shutil.which(driver_of(driver).command[0], path=PATH) is None:
        pytest.skip(f"{driver_of(driver).command[0]} is not installed")
    (folder / "home").mkdir()
    (folder / "tree").mkdir()
    (folder / "tree" / "work.py").write_text("def slow():\n    return 1\n")
    with llm_server(Script(case.steps, case.faults)) as server:
        url = f"http://127.0.0.1:{unused_port()}" if case.unreachable else server.url
        output = run(driver_of(driver).call(job(driver, case, ACCESS[driver](url))), folder, server, case.stop_after)
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


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def run(call: Call, folder: Path, server: LlmServer, stop_after: int | None) -> Output:
    """Run a call; stop it when the server has been asked often enough."""
    home, tree = folder / "home", folder / "tree"

    def place(text: str) -> str:
        return text.replace(HOME, str(home)).replace(TREE, str(tree))

    for name, text in call.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(place(text))
    variables = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": str(home)} | {name: place(value) for name, value in call.variables.items()}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [place(text) for text in call.argv], cwd=tree, env=variables, text=True, encoding="utf-8", start_new_session=True, **pipes
    )
    if stop_after is not None:
        threading.Thread(target=stop, args=(process, server, stop_after), daemon=True).start()
    try:
        stdout, stderr = process.communicate(call.stdin, PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    files = {str(path.relative_to(home)): path.read_bytes() for pattern in call.collect for path in home.glob(pattern)}
    return Output(returncode=process.returncode, stdout=stdout, stderr=stderr, timed_out=stop_after is not None, files=files)


def stop(process: subprocess.Popen[str], server: LlmServer, after: int) -> None:
    """End a program's group once the server has been asked."""
    while len(server.requests) < after and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)


BOTH = [pytest.param("claude_code", id="claude"), pytest.param("codex", id="codex")]


@pytest.mark.parametrize("driver", BOTH)
def test_a_whole_run(driver: str, tmp_path: Path) -> None:
    played = play(driver, Case(), tmp_path)
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
def test_how_it_ends(driver: str, case: Case, end: End, retries: bool, edited: bool, tmp_path: Path) -> None:
    played = play(driver, case, tmp_path)
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
def test_the_options_of_claude_code(case: Case, end: End, edited: bool, tmp_path: Path) -> None:
    played = play("claude_code", case, tmp_path)
    assert (played.account.end, played.edited) == (end, edited), played.account.reason


def test_claude_code_tells_what_it_cost(tmp_path: Path) -> None:
    usage = play("claude_code", Case(), tmp_path).account.usage
    assert usage.usd
    assert usage.usd > 0


def test_codex_tells_what_it_used_when_it_is_stopped(tmp_path: Path) -> None:
    account = play("codex", Case(faults=[Fault("hang", None, after=2)], stop_after=3), tmp_path).account
    assert account.steps == 2
    assert account.usage == Usage(input_tokens=240, cached_tokens=40, output_tokens=20, reasoning_tokens=0)


def test_what_codex_runs_sees_no_key(tmp_path: Path) -> None:
    played = play("codex", Case(), tmp_path)
    assert "CODEX_THREAD_ID=" in played.stdout, "the model has looked at its variables"
    assert KEY not in played.stdout


@pytest.mark.parametrize("driver", BOTH)
@pytest.mark.parametrize("web", [False, True])
def test_the_web_is_searched_only_when_allowed(driver: str, web: bool, tmp_path: Path) -> None:
    offered = play(driver, Case(LOOK, options={"web": web}), tmp_path).requests[0].body["tools"]
    names = {str(tool.get("name") or tool["type"]).lower().replace("_", "") for tool in offered}
    assert ("websearch" in names) is web


@pytest.mark.parametrize("driver", BOTH)
def test_its_version_is_told(driver: str) -> None:
    command = driver_of(driver).version(AgentSpec(version=1, driver=driver))
    if shutil.which(command[0], path=PATH) is None:
        pytest.skip(f"{command[0]} is not installed")
    printed = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, timeout=PATIENCE).stdout
    assert any(character.isdigit() for character in printed)
