"""The real programs in a sandbox, with a scripted model: how each of their ends becomes a status, and that nothing is lost."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from llm_server.fixture import AgentPrograms
from llm_server.script import Fault, Script, Step, refuse, say, shell
from llm_server.server import LlmServer
from test_live import EDIT, RECORD, SLOW

from pytest_isobench.agents import live
from pytest_isobench.agents.base import AgentContext, Assignment
from pytest_isobench.agents.live import LiveAgent
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.models.agent import AgentSpec, AgentStatus
from pytest_isobench.models.task import Task
from pytest_isobench.sandboxes.local import LocalProvider

pytestmark = pytest.mark.agents
STEPS = (shell("ls"), shell(EDIT), say("It is done."))


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the model does, and what the agent's file says."""

    steps: Sequence[Step] = STEPS
    faults: Sequence[Fault] = ()
    fields: dict[str, object] = field(default_factory=dict)
    unreachable: bool = False


@pytest.fixture
def assignment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Assignment:
    cache = tmp_path / "cache"
    monkeypatch.setenv("ISOBENCH_CACHE", str(cache))
    monkeypatch.setattr(live, "FIRST_WAIT", 0.1)
    for name, text in (("base", SLOW), ("human", "def total(numbers):\n    return sum(value for value in iter(numbers))\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sums.py").write_text(text)
    task = Task.model_validate(RECORD)
    return Assignment(task=task, attempt=0, source=make_source(task, tmp_path, Cache(cache)), folder=tmp_path)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


QUICK: dict[str, object] = {"options": {"request_retries": 1}}
NO_RETRY: dict[str, object] = {"options": {"request_retries": 0}}
ENDS = {
    "done": (Case(), AgentStatus.MADE_PATCH, 1),
    "429 passes": (Case(faults=[Fault(429, 2, after=1, headers={"retry-after": "0"})]), AgentStatus.MADE_PATCH, 1),
    "401": (Case(faults=[Fault(401, None)], fields=QUICK), AgentStatus.API_FAILURE, 1),
    "500": (Case(faults=[Fault(500, None)], fields={**QUICK, "retries": 1}), AgentStatus.API_FAILURE, 2),
    "500 passes later": (Case(faults=[Fault(500, 2)], fields={**NO_RETRY, "retries": 2}), AgentStatus.MADE_PATCH, None),
    "unreachable": (Case(unreachable=True, fields={**QUICK, "retries": 0}), AgentStatus.API_FAILURE, 1),
    "time": (Case(faults=[Fault("hang", None, after=2)], fields={"budget": {"minutes": 0.25}}), AgentStatus.OUT_OF_TIME, 1),
    "no edit": (Case(steps=[shell("ls"), say("I could not.")]), AgentStatus.MADE_NONE, 1),
    "refusal": (Case(steps=[refuse()], fields={**QUICK, "retries": 0}), AgentStatus.REFUSED, 1),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("name", "driver"), [("claude", "claude_code"), ("codex", "codex")])
def test_how_it_ends(
    name: str,
    driver: str,
    end: str,
    assignment: Assignment,
    agent_programs: AgentPrograms,
    llm: Callable[[Script], LlmServer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    case, status, tries = ENDS[end]
    server = llm(Script(case.steps, case.faults))
    url = f"http://127.0.0.1:{unused_port()}" if case.unreachable else server.url
    for variable, value in access(url).items():
        monkeypatch.setenv(variable, value)
    model = {"claude": "claude-sonnet-4-5", "codex": "gpt-5.5"}[name]
    given = {"version": 1, "driver": driver, "command": (str(agent_programs.programs / name),), "model": model, **case.fields}
    context = AgentContext(directory=tmp_path, patches=tmp_path / "patches", provider=LocalProvider)
    record = LiveAgent(name, AgentSpec.model_validate(given), context).make(assignment)
    assert record.status is status, record.reasons
    assert tries is None or record.tries == tries
    assert (record.patch_digest is not None) == (status in (AgentStatus.MADE_PATCH, AgentStatus.OUT_OF_TIME))
    assert record.program
    kept = tmp_path / f"patches/{name}/sums.0"
    assert (kept / "prompt.md").is_file()
    assert status is AgentStatus.MADE_PATCH or record.reasons or status is AgentStatus.OUT_OF_TIME


def access(url: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "key-of-the-tests-0123456789",
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": "key-of-the-tests-0123456789",
    }


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"budget": {"steps": 1}}, AgentStatus.OUT_OF_BUDGET),
        ({"options": {"permission_mode": "default"}}, AgentStatus.REFUSED),
    ],
)
def test_limits_of_claude_code(
    fields: dict[str, object],
    status: AgentStatus,
    assignment: Assignment,
    agent_programs: AgentPrograms,
    llm: Callable[[Script], LlmServer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for variable, value in access(llm(Script(STEPS)).url).items():
        monkeypatch.setenv(variable, value)
    given = {"version": 1, "driver": "claude_code", "command": (str(agent_programs.claude),), **fields}
    context = AgentContext(directory=tmp_path, patches=tmp_path / "patches", provider=LocalProvider)
    record = LiveAgent("claude", AgentSpec.model_validate(given), context).make(assignment)
    assert record.status is status, record.reasons
