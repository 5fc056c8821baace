"""Which of the tools that a request offers a step uses, and with which arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_server.script import Step

SHELLS = ("Bash", "exec_command", "shell_command", "shell", "bash", "terminal", "execute_bash", "run_shell_command")
"""The names of agents' shell tools, the preferred first."""
ENDINGS = ("task_done", "finish")
"""The tools by which some agents want to be told the end."""
PATIENCE = {"yield_time_ms": 30_000, "timeout_ms": 300_000}
"""Arguments that bound how long a shell tool waits for its command, 10 s by default, and what we ask for."""
FILLERS: dict[str, Any] = {"string": "scripted", "integer": 1, "number": 1, "boolean": False, "array": [], "object": {}}


class ScriptError(Exception):
    """A step that this agent cannot play."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a request offers."""

    name: str
    schema: dict[str, Any] = field(default_factory=dict)
    free: bool = False
    """It takes text, not arguments."""
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A use of a tool."""

    tool: Tool
    input: dict[str, Any] | str


def call_of(step: Step, tools: Sequence[Tool]) -> Call | None:
    """Return the step's use of a tool; None when it only says something, or when no tools are offered at all."""
    offered = {tool.name: tool for tool in tools}
    if not offered or step.refused:
        return None
    if step.tool is not None:
        return Call(pick(offered, [step.tool]), step.input)
    if step.shell is not None:
        tool = pick(offered, SHELLS)
        return Call(tool, shell_arguments(tool.schema, step.shell))
    ending = next((offered[name] for name in ENDINGS if name in offered), None)
    return Call(ending, required(ending.schema) | {"message": step.text}) if ending else None


def pick(offered: dict[str, Tool], names: Sequence[str]) -> Tool:
    """Return the first of these tools that is offered."""
    for name in names:
        if name in offered:
            return offered[name]
    raise ScriptError(f"none of the tools {', '.join(names)} is offered, only {', '.join(offered)}")


def shell_arguments(schema: dict[str, Any], command: str) -> dict[str, Any]:
    """Fill in a shell tool's arguments: the command where it belongs, as text or as words, and whatever else is required."""
    properties = schema.get("properties", {})
    name = "cmd" if "cmd" in properties else "command"
    words = properties.get(name, {}).get("type") == "array"
    patience = {key: value for key, value in PATIENCE.items() if key in properties}
    return required(schema) | patience | {name: ["bash", "-lc", command] if words else command}


def required(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a value for each argument that must be there."""
    properties = schema.get("properties", {})
    return {name: filler(properties.get(name, {})) for name in schema.get("required", ())}


def filler(schema: dict[str, Any]) -> Any:
    """Return a value that fits a schema, roughly."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    return FILLERS.get(kind if isinstance(kind, str) else kind[0])
