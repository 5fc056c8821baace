"""TRAE: `trae-cli run`, whose exit status is always 0; what it did is in its trajectory, a JSON file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import Field

from pytest_isobench.agents.drivers.base import HOME, TREE, Account, Call, End, Job, Output
from pytest_isobench.agents.drivers.calling import options_of, variables_of
from pytest_isobench.agents.drivers.reading import Line, count, dig, names, objects, record, spent, total, unfinished, words
from pytest_isobench.agents.drivers.services import BEDROCK, BEDROCK_KEYS, ENVIRONMENT, KEYS, OUTSPOKEN, failure, hosts_of
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Usage
from pytest_isobench.models.base import Record

PYTHON, CONFIG = "TRAE_PYTHON", "TRAE_CONFIG"
"""Variables that name the interpreter of TRAE's own environment, and a configuration file in the place of ours."""
_PROMPT, _CONFIGURATION, _TRAJECTORY = "prompt.md", "trae_config.yaml", "trajectory.json"
_TOOLS = ["bash", "str_replace_based_edit_tool", "sequentialthinking", "task_done"]
_STEPS = 200
_FROM_VARIABLE = "from-the-environment"
"""Stands for a key: TRAE prefers the variable PROVIDER_API_KEY to its file, so that no key need be written down."""
_APART = {"anthropic", "bedrock"}
"""Providers that do not count cached tokens among those that were read."""


class Options(Record):
    """What an agent's file may say of TRAE; all but `must_patch` is for the configuration that we write, not for one of the user's."""

    provider: str = Field("openai", pattern=r"^[a-z]+$", description="The model's service: openai, anthropic, openrouter, google.")
    max_tokens: int = Field(16384, gt=0, description="Tokens of one answer.")
    temperature: float = Field(1.0, ge=0, le=2, description="Of the model; TRAE always sends one.")
    top_p: float = Field(1.0, gt=0, le=1, description="Of the model; TRAE always sends one.")
    top_k: int = Field(0, ge=0, description="Of the model, for services that know it.")
    request_retries: int = Field(4, ge=0, le=100, description="Further tries of one request, each after 3 to 30 seconds.")
    must_patch: bool = Field(False, description="Whether TRAE takes no end for an answer while its diff is empty.")


class Trae:
    """The driver of TRAE."""

    command: ClassVar[tuple[str, ...]] = ("trae-cli",)
    options: ClassVar[type[Record]] = Options
    keys: ClassVar[tuple[str, ...]] = (*KEYS, *BEDROCK_KEYS)
    environment: ClassVar[tuple[str, ...]] = (PYTHON, CONFIG, *ENVIRONMENT, *BEDROCK)

    def call(self, job: Job) -> Call:
        """Describe the call. Raises `UsageError` for an agent without a model, and for a configuration that cannot be used."""
        options, variables = options_of(job.spec, Options), variables_of(job)
        own = variables.pop(CONFIG, "")
        python = variables.pop(PYTHON, "")
        written = _given(Path(own), variables) if own else _configuration(job.spec, options)
        return Call(
            argv=(*_program(job.spec, python), "run", *_arguments(job.spec, options), *job.spec.arguments),
            variables={**OUTSPOKEN, **variables},
            files={_PROMPT: job.prompt, _CONFIGURATION: yaml.safe_dump(written)},
            collect=(_TRAJECTORY,),
            hosts=hosts_of(variables),
        )

    def version(self, spec: AgentSpec) -> tuple[str, ...]:
        """Return the command that prints the program's version."""
        return (*_program(spec, os.environ.get(PYTHON, "")), "--version")

    def read(self, output: Output) -> Account:
        """Return what the trajectory says."""
        data = output.files.get(_TRAJECTORY, b"")
        found = record(data.decode("utf-8", "replace")) or {}
        answers = [answer for one in objects(found.get("llm_interactions")) if isinstance(answer := one.get("response"), dict)]
        apart = words(found.get("provider")) in _APART
        return replace(
            _judge(found, answers, output),
            models=names(answer.get("model") for answer in answers),
            usage=spent(_usage(answer.get("usage"), apart=apart) for answer in answers),
            steps=len(answers) if found else None,
            trajectory={"trajectory.json": data} if data else {"output.txt": output.stdout.encode("utf-8", "replace")},
        )


def _program(spec: AgentSpec, python: str) -> tuple[str, ...]:
    return spec.command or ((python, "-m", "trae_agent.cli") if python else Trae.command)


def _arguments(spec: AgentSpec, options: Options) -> tuple[str, ...]:
    given = {"--file": f"{HOME}/{_PROMPT}", "--config-file": f"{HOME}/{_CONFIGURATION}", "--working-dir": TREE,
             "--trajectory-file": f"{HOME}/{_TRAJECTORY}", "--console-type": "simple", "--model": spec.model,
             "--max-steps": spec.budget.steps}  # fmt: skip
    named = [str(text) for name, value in given.items() if value for text in (name, value)]
    return (*named, *(["--must-patch"] if options.must_patch else []))


def _configuration(spec: AgentSpec, options: Options) -> dict[str, Any]:
    """Return a configuration of TRAE's current form."""
    if not spec.model:
        raise UsageError(f"TRAE has no model of its own: name one under 'model', or a configuration file in {CONFIG}")
    sampling = {"temperature": options.temperature, "top_p": options.top_p, "top_k": options.top_k}
    model = {"model_provider": "service", "model": spec.model, "max_tokens": options.max_tokens, **sampling,
             "max_retries": options.request_retries, "parallel_tool_calls": True}  # fmt: skip
    agent = {"enable_lakeview": False, "model": "model", "max_steps": spec.budget.steps or _STEPS, "tools": _TOOLS}
    return {
        "agents": {"trae_agent": agent},
        "model_providers": {"service": {"api_key": _FROM_VARIABLE, "provider": options.provider}},
        "models": {"model": model},
    }


def _given(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration of the user's without its keys, which come from variables."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{CONFIG}: {path} cannot be read: {error}") from None
    providers = list(objects(dig(found, "model_providers")))
    if not isinstance(found, dict) or not providers:
        raise UsageError(f"{CONFIG}: {path} is no configuration of TRAE: it has no 'model_providers'; see trae_config.yaml.example")
    wanted = {f"{words(provider.get('provider')).upper()}_API_KEY" for provider in providers if provider.get("api_key")}
    if wanted and not any(variables.get(name) for name in wanted):
        raise UsageError(f"{CONFIG}: keys of {path} are not handed on; set {' or '.join(sorted(wanted))}")
    for provider in providers:
        provider["api_key"] = _FROM_VARIABLE
    return found


def _judge(found: Line, answers: list[Line], output: Output) -> Account:
    """Judge by the last step; a trajectory without an end is that of a program that was stopped."""
    steps = list(objects(found.get("agent_steps")))
    result = words(found.get("final_result"))
    if not found.get("end_time"):
        return _waiting(answers, output) or unfinished(output, steps)
    if found.get("success") is True:
        return Account(end=End.FINISHED, reason=result)
    if error := words(dig(steps[-1], "error")) if steps else "":
        return failure(error, answered=bool(answers)) or _own_failure(steps[-1], error)
    if "exceeded maximum steps" in result:
        return Account(end=End.OUT_OF_BUDGET, reason=result)
    return Account(end=End.PROGRAM_FAILURE, reason=result or "ended without success, and says nothing of it")


def _own_failure(step: Line, error: str) -> Account:
    """Judge an error of unknown kind: before the model's answer it is about access, such as a login that has expired."""
    return Account(end=End.API_FAILURE if step.get("llm_response") is None else End.PROGRAM_FAILURE, reason=error)


def _waiting(answers: list[Line], output: Output) -> Account | None:
    """Judge a program that was still waiting for its first answer by what it says of its tries."""
    tries = [line for line in output.stdout.splitlines() if " API call failed: " in line]
    return failure(tries[-1], answered=False) if tries and not answers else None


def _usage(value: object, *, apart: bool) -> Usage:
    fresh, cached = count(dig(value, "input_tokens")), count(dig(value, "cache_read_input_tokens"))
    prompt = total([fresh, cached, count(dig(value, "cache_creation_input_tokens"))]) if apart else fresh
    reasoning = count(dig(value, "reasoning_tokens"))
    return Usage(input_tokens=prompt, cached_tokens=cached, output_tokens=count(dig(value, "output_tokens")), reasoning_tokens=reasoning)
