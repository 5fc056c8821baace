"""Agents that files describe."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pytest_isobench.agents import specs
from pytest_isobench.agents.drivers import DRIVERS, load_driver
from pytest_isobench.agents.drivers.base import Job, Model
from pytest_isobench.errors import TaskError
from pytest_isobench.models.agent import AgentSpec, Budget

PACKAGED = (
    "aider", "claude_code", "codex_cli", "codex_gpt5", "mini_swe_agent", "openhands", "trae_gpt5", "trae_sonnet45",
)  # fmt: skip
PAGE = Path(__file__).parents[2] / "docs/how-to/run-agents.md"
EXAMPLES = re.findall(r"^```yaml\n(# agents/.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def read(tmp_path: Path, text: str, **variables: str) -> AgentSpec:
    (tmp_path / "mine.yaml").write_text(text)
    return specs.read(tmp_path / "mine.yaml", variables)


def test_a_project_has_its_own_agents_and_the_packages(tmp_path: Path) -> None:
    for name in ("mine.yaml", "claude_code.yaml", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder.yaml").mkdir()
    known = specs.names(tmp_path)
    assert {"mine", *PACKAGED} <= set(known)
    assert not {"notes", "folder"} & set(known)
    assert list(known) == sorted(known)
    assert specs.find("claude_code", tmp_path) == tmp_path / "claude_code.yaml"
    assert specs.find("codex_cli", tmp_path) == specs.PACKAGED / "codex_cli.yaml"
    assert specs.find("folder", tmp_path) is None
    assert set(PACKAGED) <= set(specs.names(tmp_path / "missing"))


@pytest.mark.parametrize("name", PACKAGED)
def test_the_packages_agents_can_be_called(name: str, tmp_path: Path) -> None:
    path = specs.find(name, tmp_path)
    assert path
    spec = specs.read(path, {})
    driver = load_driver(spec.driver)
    assert spec.description
    assert driver.keys
    call: Any = driver.call(Job(spec=spec, prompt="Make it fast.", variables={driver.keys[0]: "k"}))  # type: ignore[union-attr]
    assert call.hosts
    assert not any("$" in text for text in call.argv)


def test_variables_name_another_program_and_model(tmp_path: Path) -> None:
    claude, codex = specs.PACKAGED / "claude_code.yaml", specs.PACKAGED / "codex_cli.yaml"
    mine = specs.read(claude, {"CLAUDE_CLI": "/opt/claude", "CLAUDE_MODEL": "m"})
    assert (mine.command, mine.model) == (("/opt/claude",), "m")
    mine = specs.read(codex, {"CODEX_CLI": "/opt/codex", "CODEX_MODEL": "m"})
    assert (mine.command, mine.model) == (("/opt/codex",), "m")
    assert specs.read(codex, {}).command == ("codex",)


def test_a_file_says_everything(tmp_path: Path) -> None:
    spec = read(tmp_path, (
        "version: 1\ndriver: claude_code\ndescription: Mine.\ncommand: [claude, --x]\nmodel: m\nbudget: {minutes: 5, steps: 3, usd: 1}\n"
        "environment: [MY_KEY]\nvariables: {A: b}\narguments: [-v]\noptions: {bare: true, effort: low}\nprograms: [/opt/p]\n"
        "hosts: ['a.example:8443', b.example]\nretries: 0\n"
    ))  # fmt: skip
    assert spec.budget == Budget(minutes=5, steps=3, usd=1)
    assert (spec.environment, spec.variables, spec.options) == (("MY_KEY",), {"A": "b"}, {"bare": True, "effort": "low"})
    assert (spec.hosts, spec.retries) == (("a.example:8443", "b.example"), 0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"),
        ("${A:-two}", "one"),
        ("${NONE:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${NONE:-}", ""),
        ("x${A}y${NONE:-z}", "xoneyz"),
        ("${NESTED}", "${A}"),
        ("$A ${1}", "$A ${1}"),
    ],
)
def test_references_stand_for_variables(tmp_path: Path, text: str, value: str) -> None:
    file = f"version: 1\ndriver: command\nmodel: '{text}'\narguments: ['{text}']\nvariables: {{X: '{text}'}}\n"
    spec = read(tmp_path, file, A="one", EMPTY="", NESTED="${A}")
    assert (spec.model, spec.arguments, spec.variables) == (value, (value,), {"X": value})


def test_references_need_not_stand_in_text_only(tmp_path: Path) -> None:
    assert read(tmp_path, "version: 1\ndriver: codex\nbudget: {minutes: '${M:-7}'}\n").budget.minutes == 7


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("version: 1\ndriver: claude_cod\n", 2, "driver", "there is no driver 'claude_cod' (did you mean 'claude_code'?); there are"),
        ("version: 1\n", 1, "driver", "is missing"),
        ("version: 2\ndriver: codex\n", 1, "version", "1, not 2"),
        ("version: 1\ndriver: codex\nmodle: x\n", 3, "modle", "did you mean 'model'?"),
        ("version: 1\ndriver: codex\nbudget: {minutes: 0}\n", 3, "budget.minutes", "greater than 0"),
        ("version: 1\ndriver: codex\nretries: -1\n", 3, "retries", "greater than or equal to 0"),
        ("version: 1\ndriver: codex\nmodel: x\narguments:\n  - a\n  - ${MISSING}\n", 6, "arguments[1]", "the variable MISSING is not set"),
        ("version: 1\ndriver: codex\nmodel: ${EMPTY}\n", 3, "model", "the variable EMPTY is not set"),
        ("version: 1\ndriver: codex\nvariables:\n  A: b\n  MY_API_KEY: x\n", 5, "variables.MY_API_KEY", "name it under 'environment'"),
        ("version: 1\ndriver: codex\nvariables: {'A B': x}\n", 3, "variables.A B", "pattern"),
        ("version: 1\ndriver: codex\nenvironment: ['A=B']\n", 3, "environment[0]", "pattern"),
        ("version: 1\ndriver: codex\nhosts: ['https://a.example']\n", 3, "hosts[0]", "pattern"),
        ("version: 1\ndriver: codex\noptions:\n  web: true\n  efort: high\n", 5, "options.efort",
         "did you mean 'effort'?); the driver codex has effort, web, request_retries"),
        ("version: 1\ndriver: command\noptions: {fast: true}\n", 3, "options.fast", "the driver command has none"),
        ("version: 1\ndriver: codex\noptions:\n  web: true\n  effort: enormous\n", 5, "options.effort", "'minimal'"),
        ("version: 1\ndriver: codex\ndriver: codex\n", 3, None, "given twice"),
        ("", None, None, "is empty"),
    ],
)  # fmt: skip
def test_errors_name_the_place(tmp_path: Path, text: str, line: int | None, field: str | None, message: str) -> None:
    with pytest.raises(TaskError) as error:
        read(tmp_path, text, EMPTY="")
    assert (error.value.line, error.value.field) == (line, field)
    assert message in str(error.value)


def test_no_secret_is_told_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError) as error:
        read(tmp_path, "version: 1\ndriver: codex\nvariables: {TOKEN: tok-12345}\n")
    assert "tok-12345" not in str(error.value)


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_pages_examples_can_be_called(text: str, tmp_path: Path) -> None:
    spec = read(tmp_path, text)
    driver = load_driver(spec.driver)
    if isinstance(driver, Model):
        return
    call = driver.call(Job(spec=spec, prompt="Make it fast.", variables=dict.fromkeys(driver.keys[:1], "k")))
    assert call.argv


@pytest.mark.parametrize("name", DRIVERS)
def test_drivers_keep_the_contract(name: str) -> None:
    try:
        driver = load_driver(name)
    except ModuleNotFoundError:
        pytest.skip("is not there")
    assert set(driver.keys) <= set(driver.environment)
    assert driver.options.model_validate({}) == driver.options(), "no option must be given"
    assert all(field.description for field in driver.options.model_fields.values())
