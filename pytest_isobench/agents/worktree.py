"""The work tree that an agent gets: the base version in a sandbox, with a repository of one commit."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_isobench.agents import repository
from pytest_isobench.dataset.cache import walk
from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import NotEvaluableError, SandboxError
from pytest_isobench.models.task import Resources, Task
from pytest_isobench.sandboxes import building
from pytest_isobench.sandboxes.base import ExecResult, Needs, Sandbox, SandboxProvider, Stream

ARM = "agent"
REPOSITORY = Path(repository.__file__)
"""The program that makes the repository; `WorkTree.program` runs it and its like."""
TIMEOUT = 600.0
"""Seconds that one of our own programs may take."""
OUTPUT_LIMIT = 2**20
OnOutput = Callable[[Stream, bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTree:
    """An open work tree. What runs in it may write to it, and finds there what earlier ones left."""

    sandbox: Sandbox
    resources: Resources
    commit: str = ""
    """Git's hash of its only commit."""
    tree: str = ""
    """Git's hash of that commit's tree."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        variables: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        network: bool = False,
        output_limit: int = OUTPUT_LIMIT,
        on_output: OnOutput | None = None,
    ) -> ExecResult:
        """Run a command in the tree; `{python}` and `{tree}` are the arm's. Raises `SandboxError` when the machine fails."""
        process = self.sandbox.process(ARM, argv, resources=self.resources, variables=variables, writable=True, network=network)
        return self.sandbox.supervisor.run(process, stdin=stdin, timeout=timeout, output_limit=output_limit, on_output=on_output)

    def program(self, file: Path, job: Mapping[str, Any], **options: Any) -> ExecResult:
        """Run a program of ours that uses the standard library only; the job is its standard input. Options are those of `run`."""
        return self.run(["{python}", "-I", "-c", file.read_text("utf-8")], stdin=json.dumps(job).encode(), **options)


@contextmanager
def open_worktree(
    provider: SandboxProvider, task: Task, version: Version, *, seconds: float = 3600.0, folders: tuple[Path, ...] = ()
) -> Iterator[WorkTree]:
    """Give the work tree of a version of a task in a sandbox of its own, which is closed at the end.

    `seconds` is how long it is needed, `folders` are those of this machine that are shown in it. The install commands run after the
    commit: what they make is in the tree, and not in the repository.

    Raises:
        SandboxError: the machine failed.
        NotEvaluableError: the sandbox cannot give what the task needs, or runs nothing.
        DoesNotBuildError: an install command fails.
    """
    resources = agent_resources(task.resources)
    needs = Needs(
        resources=resources,
        environment=task.environment,
        arms=1,
        seconds=seconds,
        gpu=task.resources.gpu,
        folders=folders,
        label=task.id,
    )
    with provider.open(needs) as sandbox:
        if not sandbox.runs:
            raise NotEvaluableError(f"the sandbox {provider.name!r} runs nothing, and an agent must run; use another --isobench-sandbox")
        sandbox.add(ARM, version, task.environment.model_copy(update={"install": ()}))
        bare = WorkTree(sandbox=sandbox, resources=resources)
        hashes = json.loads(_repository(bare, paths(version.tree)))
        _install(bare, task.environment.install)
        yield WorkTree(sandbox=sandbox, resources=resources, **hashes)


def agent_resources(resources: Resources) -> Resources:
    """Return what an agent may use: what the task's candidates may, and as much as builds and the agent's own program need."""
    room = {name: max(getattr(resources, name), getattr(building.RESOURCES, name)) for name in ("memory_mb", "pids", "disk_mb")}
    return resources.model_copy(update={**room, "reserves": True})


def paths(tree: Path) -> list[str]:
    """Return the paths of all files and links below a folder; bytes that are not UTF-8 are surrogates."""
    return [os.fspath(path.relative_to(tree)) for path in walk(tree) if path.is_symlink() or not path.is_dir()]


def _install(worktree: WorkTree, commands: Sequence[str]) -> None:
    for command in commands:
        building.install(worktree.run, command)
    if commands:
        _repository(worktree, None)


def _repository(worktree: WorkTree, files: list[str] | None) -> bytes:
    done = worktree.program(REPOSITORY, {"files": files})
    if done.returncode:
        raise SandboxError(f"no repository could be made in the work tree:\n{building.last_lines(done)}")
    return done.stdout
