"""The real TRAE, OpenHands, mini-swe-agent and aider against a scripted model: what each driver makes of how they end.

`ISOBENCH_TEST_PYTHON_AGENTS` names a folder with an environment of Python for each: `mini` (`pip install mini-swe-agent mcp`), `aider`
(`aider-chat`), `openhands` (`openhands`) and `trae`. Those that are not there are left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from agent_process import run, unused_port
from llm_server.request import Request
from llm_server.script import Fault, Script, Step, call, say, shell
from llm_server.server import LlmServer

from pytest_isobench.agents.drivers import load_driver
from pytest_isobench.agents.drivers.base import Account, Driver, End, Job
from pytest_isobench.models.agent import AgentSpec, Budget, Usage

pytestmark = pytest.mark.agents

KEY = "key-of-the-tests-0123456789"
PROMPT = "-- Make `slow()` of work.py fast: \"quotes\", $HOME, {braces}, {{ braces }}, ünïcode 🦊\nand a second line."
PROGRAMS = {
    "trae": "trae/bin/trae-cli",
    "openhands": "openhands/bin/openhands",
    "mini_swe_agent": "mini/bin/mini",
    "aider": "aider/bin/aider",
}
LOOK, EDIT = shell("cat work.py"), shell("sed -i s/slow/fast/ work.py")
BLOCK = "work.py\n```python\n<<<<<<< SEARCH\ndef slow():\n=======\ndef fast():\n>>>>>>> REPLACE\n```\n"
ENDING: dict[str, Step] = {
    "trae": call("task_done", {}),
    "openhands": say("It is fast now."),
    "mini_swe_agent": shell("echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"),
    "aider": say(f"I change it.\n\n{BLOCK}"),
}
NO_KEY = Fault(401, None, message="Incorrect API key provided: none")
ONCE = {"request_retries": 0}
OPTIONS: dict[str, dict[str, Any]] = {"trae": ONCE, "mini_swe_agent": ONCE, "aider": {"edit_format": "diff"}}
ALL = tuple(PROGRAMS)
FAST = ("trae", "mini_swe_agent")
"""Those that can be told how often to repeat a request; the others do so for minutes."""


@dataclass(frozen=True)
class Case:
    """What a run is made of."""

    steps: Sequence[Step]
    faults: Sequence[Fault] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    unreachable: bool = False
    stop_after: int | None = None
    """The request at which the program is stopped, as at the end of its time."""


@dataclass(frozen=True)
class Played:
    """What came of it."""

    account: Account
    edited: bool
    left: set[str]
    requests: Sequence[Request]


Play = Callable[[str, Case], Played]


@pytest.fixture
def play(llm: Callable[[Script], LlmServer], tmp_path: Path) -> Play:
    """Run a program with a driver's call, and read what it leaves."""
    return lambda driver, case: _play(driver, case, tmp_path, llm(Script(case.steps, case.faults)))


def _play(name: str, case: Case, folder: Path, server: LlmServer) -> Played:
    (folder / "home").mkdir()
    (folder / "tree").mkdir()
    (folder / "tree" / "work.py").write_text("def slow():\n    return 1\n")
    os.system(f"cd {folder / 'tree'} && git init -q && git add . && git -c user.name=t -c user.email=t@t commit -q -m base")
    url = f"http://127.0.0.1:{unused_port()}" if case.unreachable else server.url
    prefix = "LLM" if name == "openhands" else "OPENAI"
    access = {f"{prefix}_API_KEY": KEY, f"{prefix}_BASE_URL": f"{url}/v1"}
    model = "fake-model" if name == "trae" else "openai/fake-model"
    options = {**OPTIONS.get(name, {}), **case.options}
    spec = AgentSpec(version=1, driver=name, command=(str(program(name)),), model=model, options=options, budget=case.budget)
    driver: Driver = load_driver(name)  # type: ignore[assignment]
    stop_when = (lambda: len(server.requests) >= (case.stop_after or 0)) if case.stop_after else None
    output = run(driver.call(Job(spec=spec, prompt=PROMPT, variables=access)), folder, "/usr/bin:/bin", stop_when)
    left = {str(path.relative_to(folder / "tree")) for path in (folder / "tree").iterdir()}
    return Played(driver.read(output), "fast" in (folder / "tree" / "work.py").read_text(), left, server.requests)


def program(name: str) -> Path:
    """Return where a program is; without it the test is left out."""
    found = Path(os.environ.get("ISOBENCH_TEST_PYTHON_AGENTS", ""), PROGRAMS[name])
    if not found.is_file():
        pytest.skip(f"ISOBENCH_TEST_PYTHON_AGENTS names no folder with {PROGRAMS[name]}")
    return found.absolute()


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in a request, which may begin with examples that are none of the prompt."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(inner)


def whole(name: str) -> list[Step]:
    return [ENDING[name]] if name == "aider" else [LOOK, EDIT, ENDING[name]]


@pytest.mark.parametrize("name", ALL)
def test_a_whole_run(name: str, play: Play) -> None:
    played = play(name, Case(whole(name)))
    asked = len(whole(name))
    assert (played.account.end, played.account.retry, played.edited) == (End.FINISHED, False, True), played.account.reason
    assert played.account.models in (("fake-model",), ("openai/fake-model",))
    # OpenHands, whose model says something without a tool, and aider have turns of their own
    assert played.account.steps is not None
    assert played.account.steps >= asked
    usage = played.account.usage
    assert usage.input_tokens == 120 * played.account.steps
    assert usage.output_tokens == 10 * played.account.steps
    assert usage.cached_tokens == (None if name == "aider" else 20 * played.account.steps)
    assert any(PROMPT in text for text in texts(played.requests[0].body))
    assert {request.key for request in played.requests} == {KEY}
    assert played.left <= {"work.py", ".git", ".aider.tags.cache.v4"}, "nothing else is left in the work tree"
    assert played.account.trajectory


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_changed(name: str, play: Play) -> None:
    steps = [say("I found nothing to do.")] if name == "aider" else [LOOK, ENDING[name]]
    played = play(name, Case(steps))
    assert (played.account.end, played.edited) == (End.FINISHED, False), played.account.reason


@pytest.mark.parametrize("name", ALL)
def test_no_access(name: str, play: Play) -> None:
    account = play(name, Case((), [NO_KEY])).account
    assert (account.end, account.retry) == (End.API_FAILURE, False), account.reason
    assert "Incorrect API key" in account.reason


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("case", [Case((), [Fault(429, None)]), Case((), [Fault(500, None)]), Case((), unreachable=True)])
def test_a_service_that_fails_may_be_asked_again(name: str, case: Case, play: Play) -> None:
    account = play(name, case).account
    assert (account.end, account.retry) == (End.API_FAILURE, True), account.reason


@pytest.mark.parametrize("name", FAST)
def test_a_request_that_is_malformed_after_others_is_its_own_doing(name: str, play: Play) -> None:
    played = play(name, Case([LOOK, EDIT], [Fault(400, None, after=2)]))
    assert (played.account.end, played.edited) == (End.GAVE_UP, True), played.account.reason


@pytest.mark.parametrize("name", FAST)
def test_a_limit_of_steps(name: str, play: Play) -> None:
    played = play(name, Case([LOOK, EDIT, LOOK], budget=Budget(steps=2)))
    assert (played.account.end, played.account.steps, played.edited) == (End.OUT_OF_BUDGET, 2, True), played.account.reason


@pytest.mark.parametrize("name", ["trae", "openhands", "mini_swe_agent"])
def test_its_time_is_over(name: str, play: Play) -> None:
    played = play(name, Case([LOOK, EDIT], [Fault("hang", None, after=2)], stop_after=3))
    assert (played.account.end, played.account.retry, played.edited) == (End.UNKNOWN, False, True), played.account.reason
    assert (played.account.steps or 0) >= 1
    assert played.account.usage != Usage() or name == "openhands", "which counts at its end"


def test_trae_insists_on_a_patch(play: Play) -> None:
    played = play("trae", Case([LOOK, ENDING["trae"], ENDING["trae"]], budget=Budget(steps=3), options={"must_patch": True}))
    assert (played.account.end, played.edited) == (End.OUT_OF_BUDGET, False), played.account.reason


def test_aider_stops_when_its_edits_do_not_fit(play: Play) -> None:
    played = play("aider", Case([say(BLOCK.replace("slow", "other"))] * 9))
    assert (played.account.end, played.edited) == (End.GAVE_UP, False), played.account.reason


@pytest.mark.parametrize("name", ALL)
def test_its_version_is_told(name: str, tmp_path: Path) -> None:
    import subprocess

    driver: Driver = load_driver(name)  # type: ignore[assignment]
    command = driver.version(AgentSpec(version=1, driver=name, command=(str(program(name)),)))
    done = subprocess.run(command, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=120)
    assert any(character.isdigit() for character in done.stdout.split("\n")[0]), done.stdout[:500]
