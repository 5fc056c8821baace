"""What an agent is told: one template for each family of tasks, the same for every agent."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_isobench.dataset import templates
from pytest_isobench.dataset.stubs import Stub
from pytest_isobench.errors import TaskError, UsageError
from pytest_isobench.models.task import Task

FOLDER = Path("fixtures/prompts")
"""Where a project keeps templates of its own."""
SUFFIX = ".md.j2"
_PACKAGED = Path(__file__).with_name("templates")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHORT = 12
"""Digits of a commit's hash that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What an agent is told."""

    text: str
    digest: str
    """SHA-256 of the text."""


def prompt_for(task: Task, base: str, *, workload_text: str | None = None, folder: Path = FOLDER) -> Prompt:
    """Write the prompt of a task whose base version has the label `base`.

    `workload_text`, from `workload_source`, is shown only where the task says so. Templates in `folder` come before the package's.

    Raises:
        UsageError: the task says nothing of what is to become faster, or a template cannot be used.
    """
    values = {**_told(task, base), "shown": workload_text if task.brief.workload == "shown" else None}
    file = f"{task.brief.family or task.workload.family}{SUFFIX}"
    text = templates.render(file, values, folder=folder, packaged=_PACKAGED, filters={"fenced": fenced})
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    return Prompt(text=text, digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def workload_source(task: Task, folder: Path) -> str | None:
    """Return the Python source of a task's workload; None for a command without one. Raises TaskError when its file cannot be read."""
    code: str | None = getattr(task.workload, "code", None)
    if not task.workload.files:
        return code
    path = folder / task.workload.files[0]
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"cannot be read: {error}", path=path) from error


def targets_of(task: Task) -> tuple[str, ...]:
    """Return the files that a task points its agents to."""
    return task.contract.files if task.contract else ()


def texts_of(task: Task) -> tuple[str, ...]:
    """Return what a prompt says of a task alone, and what another task's prompt must therefore not say."""
    return (_statement(task), *task.brief.hints, *targets_of(task))


def briefs_of(stubs: Iterable[Stub]) -> dict[str, tuple[str, ...]]:
    """Return `texts_of` each task, by id; of the records that can be read."""
    briefs = {}
    for stub in stubs:
        with suppress(TaskError):
            task = stub.load()
            briefs[task.id] = texts_of(task)
    return briefs


def own_texts(task: Task) -> tuple[str, ...]:
    """Return all that a task's prompt may say, whatever other tasks say: also what many tasks have in common, such as a command."""
    return (*texts_of(task), *task.brief.constraints, *commands(task).values())


def commands(task: Task) -> dict[str, str]:
    """Return the commands that a task's workload runs, as they are told."""
    workload = task.workload
    match workload.kind:
        case "python":
            return {}
        case "command":
            return {"command": _spelled(workload.command)}
        case "reported":
            return {}
        case "serve":
            return {"server": _spelled(workload.server), "command": _spelled(workload.client)}
        case _:
            return {"command": workload.command}


def fenced(text: str, language: str = "") -> str:
    """Return a block of code in a fence that is longer than any in the code."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _told(task: Task, base: str) -> dict[str, Any]:
    """Return all that a template knows of a task; nothing of the human's version is among it."""
    statement = _statement(task)
    if not statement:
        raise UsageError(f"task {task.id} does not say what is to become faster: give it brief.statement, or a description")
    workload = task.workload
    return {
        "statement": statement,
        "repository": task.repo,
        "base": _label(task, base),
        "importable": [_place(name) for name in task.environment.pythonpath],
        "install": task.environment.install,
        "command": None, "server": None, **commands(task),
        "asked": workload.kind.endswith("_serve"),
        "calls": workload.calls if workload.kind == "python" else None,
        "inputs": workload.kind == "command" and bool(workload.files),
        "suite": workload.paths if workload.kind == "reported" else (),
        "timeout": f"{workload.timeout:g}",
        "metric": task.metric,
        "resources": task.resources,
        "constraints": task.brief.constraints,
        "hints": task.brief.hints,
        "targets": targets_of(task),
        "strict": task.contract is not None and task.contract.strict,
    }


def _statement(task: Task) -> str:
    return task.brief.statement.strip() or task.description.strip()


def _label(task: Task, base: str) -> str:
    """Return what is told of the base version: a folder's name says nothing to an agent."""
    if task.source.kind == "path":
        return ""
    return base[:_SHORT] if _COMMIT.fullmatch(base) else base


def _place(name: str) -> str:
    return "this folder" if name == "." else f"`{name}`"


def _spelled(command: Sequence[str]) -> str:
    return shlex.join("python" if item == "{python}" else item.replace("{tree}", ".") for item in command)
