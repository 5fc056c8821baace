"""What `isobench doctor` says of agents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_isobench.agents import specs
from pytest_isobench.cli.doctor_agents import check_agents, check_project_agents
from pytest_isobench.cli.machine_checks import Check

SECRET = "very-secret-value"


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of agents' files, the only ones that there are."""
    monkeypatch.setattr(specs, "PACKAGED", tmp_path / "none")
    (tmp_path / "agents").mkdir()
    return tmp_path / "agents"


def describe(folder: Path, name: str, **fields: Any) -> None:
    (folder / f"{name}.yaml").write_text(json.dumps({"version": 1, **fields}))


def look(folder: Path, **variables: str) -> dict[str, Check]:
    found = {check.subject: check for check in check_agents(folder, variables)}
    assert SECRET not in repr(found)
    return found


def program(folder: Path, text: str) -> str:
    path = folder.parent / "bin" / "tool"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_an_agent_that_has_all(agents: Path) -> None:
    tool = program(agents, "echo 2.0.1 of the tool; echo more")
    describe(agents, "good", driver="claude_code", command=[tool])
    check = look(agents, ANTHROPIC_API_KEY=SECRET)["agent good"]
    assert check.grade == "ok"
    assert check.text == f"{tool} (2.0.1 of the tool); ANTHROPIC_API_KEY is set; reaches api.anthropic.com:443"


def test_what_an_agent_lacks_is_said_with_what_to_do(agents: Path) -> None:
    describe(agents, "keyless", driver="claude_code", command=[program(agents, "exit 1")])
    describe(agents, "gone", driver="codex", command=["no-such-program"])
    describe(agents, "odd", driver="codx")
    describe(agents, "quick", driver="command", command=["/bin/sh"])
    found = look(agents, OPENAI_API_KEY=SECRET)
    assert {name: check.grade for name, check in found.items()} == {
        "agent gone": "note",
        "agent keyless": "note",
        "agent odd": "note",
        "agent quick": "ok",
    }
    assert "no key: set ANTHROPIC_API_KEY or " in found["agent keyless"].text
    assert "the program 'no-such-program' is not installed, or not on PATH: install it" in found["agent gone"].text
    assert "there is no driver 'codx' (did you mean 'codex'?)" in found["agent odd"].text
    assert found["agent quick"].text.endswith("; needs no key")


def test_a_driver_that_breaks_takes_no_other_with_it(agents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_isobench.agents.specs.load_driver", lambda name: __import__(f"no_such_{name}"))
    describe(agents, "one", driver="codex")
    describe(agents, "two", driver="command")
    found = look(agents)
    assert [check.text for check in found.values()] == ["No module named 'no_such_codex'", "No module named 'no_such_command'"]


def test_the_packages_own_agents_are_looked_at(tmp_path: Path) -> None:
    subjects = {check.subject for check in check_project_agents(tmp_path)}
    assert {f"agent {name}" for name in specs.names(tmp_path / "agents")} == subjects != set()


def test_a_broken_configuration_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool")
    (check,) = check_project_agents(tmp_path)
    assert check.grade == "note"
    assert "pyproject.toml" in check.text
