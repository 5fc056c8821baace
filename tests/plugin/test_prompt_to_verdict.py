"""From a prompt to a verdict with the real programs: their model is a script, everything else is as a user has it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from llm_server.fixture import AgentPrograms
from llm_server.script import Script, say, shell
from llm_server.server import LlmServer

pytestmark = pytest.mark.agents
TASKS = Path(__file__).parents[2] / "tasks"
KEY = "key-of-the-tests-0123456789"


@pytest.fixture
def project(pytester: pytest.Pytester, agent_programs: AgentPrograms, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    pytester.makeini("[pytest]\n")
    (pytester.path / "tasks").mkdir()
    shutil.copy(TASKS / "example.yaml", pytester.path / "tasks")
    shutil.copytree(TASKS / "example", pytester.path / "tasks/example")
    monkeypatch.setenv("PATH", agent_programs.path)
    return pytester


def script() -> Script:
    """Return what a model does that knows the human's version."""
    solution = (TASKS / "example/life/human/life.py").read_text()
    edit = f"cat > life.py <<'END'\n{solution}END\n"
    look = "cat life.py; git log --oneline --all; env | cut -d= -f1 | sort; curl -sS -m 5 https://upstream.example 2>&1; touch .aider.note"
    return Script((shell(look), shell(edit), say("It is faster now.")))


def test_from_prompt_to_verdict(
    project: pytest.Pytester, llm: Callable[[Script], LlmServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = llm(script())
    for name, value in {
        "ANTHROPIC_BASE_URL": server.url,
        "ANTHROPIC_API_KEY": KEY,
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "OPENAI_API_KEY": KEY,
        "CODEX_MODEL": "gpt-5.5",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOME_SECRET", "of whoever runs this")
    agents = ("claude_code", "codex_cli")
    wide = ("--isobench-time-budget=60", "--isobench-margin=0.25")
    options = ("--isobench-run-agents", "--isobench-report=report.json", *wide, "-k", "life")
    result = project.runpytest_subprocess(f"--isobench-agent={','.join(agents)}", *options)
    report = json.loads((project.path / "report.json").read_text())
    assert result.ret == 0, result.stdout.str()
    for agent, found in zip(agents, report["results"], strict=True):
        assert (found["agent"], found["verdict"]["hard_success"]) == (agent, True)
        check_record(project.path, agent, found["made"])
    prompts = {request.model: request.prompt for request in server.requests}
    assert all("Let a world of 48 by 48 cells live" in prompt for prompt in prompts.values())
    again = project.runpytest_subprocess(f"--isobench-agent={','.join(agents)}", "--isobench-dry-run", "-k", "life")
    assert again.ret == 0
    asked = len(server.requests)
    again = project.runpytest_subprocess("--isobench-agent=codex_cli", *options)
    assert (again.ret, len(server.requests)) == (0, asked), "what is recorded is not made again"


def check_record(folder: Path, agent: str, made: dict[str, object]) -> None:
    """See that an attempt is recorded with all that is known of it, and without the key."""
    place = folder / "fixtures/patches" / agent
    assert made == json.loads((place / "example-life.0.json").read_text())
    assert (made["status"], made["files"]) == ("made_patch", ["life.py"])
    assert [excluded["path"] for excluded in made["excluded"]] == [".aider.note"]  # type: ignore[attr-defined]
    assert made["usage"]["output_tokens"] == 30  # type: ignore[index]
    assert made["first_edit"] is not None
    assert made["program"]
    assert "+++ b/life.py" in (place / "example-life.0.diff").read_text()
    everything = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert KEY.encode() not in everything
    assert b"SOME_SECRET" not in everything
    assert b"Base version" in everything
