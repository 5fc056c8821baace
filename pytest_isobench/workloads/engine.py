"""The benchmarks of inference engines: from a task's command line to what is run."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_isobench.benchmarks.overrides import OVERRIDES, Rules, lacking_token, read_rules
from pytest_isobench.benchmarks.resolving import Resolved, fill, resolve
from pytest_isobench.benchmarks.spellings import options_in
from pytest_isobench.errors import CommandError, NotEvaluableError, TaskError
from pytest_isobench.models.task import Task
from pytest_isobench.models.workload import EngineWorkload
from pytest_isobench.workloads.base import ORACLE, Bench, Workload
from pytest_isobench.workloads.formats.engines import EngineFormat, Resolver
from pytest_isobench.workloads.reported import ReportedRounds
from pytest_isobench.workloads.serve import ServeRounds, Setup, demand_metric

IN_TREE = "{tree}/"
SHAREGPT, MODELS = "ISOBENCH_SHAREGPT", "ISOBENCH_MODELS"
"""Name the file of the ShareGPT data set, and the folder of models as Hugging Face's programs keep them, where candidates find them."""


def make_engine(task: Task, folder: Path) -> Workload:
    """Make the workload of an engine's benchmark: one that asks a server, or one that starts the engine itself and tells its own times.

    Raises:
        TaskError: the command or the metric cannot be used.
        NotEvaluableError: something that the benchmark needs is not here.
    """
    demand_metric(task, folder)

    def resolved(known: Collection[str] | None = None) -> Resolved:
        return _ready(resolve_command(task, folder, known), _rules(folder))

    if resolved().server is None:
        return ReportedRounds(task, EngineFormat(task, resolved))
    return EngineRounds(task, resolved)


class EngineRounds(ServeRounds):
    """Asks an engine's server; the options that the client's script in the baseline's tree has count more than its version."""

    def __init__(self, task: Task, resolved: Resolver) -> None:
        self._resolved = resolved
        super().__init__(task, _setup(task, resolved()))

    def open(self, bench: Bench, arms: Sequence[str], seed: str, sizing: int = 0) -> None:
        in_tree = (word.removeprefix(IN_TREE) for word in self._setup.client if word.startswith(IN_TREE))
        script = next((word for word in in_tree if word.endswith(".py")), None)
        if script and bench.sandbox.runs and (text := _read(bench, self._task, script)):
            self._setup = _setup(self._task, self._resolved(options_in(text)))
            self.command = self._setup.command
        super().open(bench, arms, seed, sizing)


def _setup(task: Task, resolved: Resolved) -> Setup:
    workload = _engine_workload(task)
    return Setup(
        server=resolved.server or (),
        client=resolved.client,
        serving=workload.serving,
        reference=workload.reference,
        variables=resolved.variables,
        flush=resolved.flush,
        notes=(*resolved.applied, *map(str, resolved.left_out)),
    )


def _ready(resolved: Resolved, rules: Rules) -> Resolved:
    """Fill in what this machine must have. Raises `NotEvaluableError` when it does not."""
    if missing := lacking_token(resolved.model, rules):
        raise NotEvaluableError(missing)
    if resolved.needs_sharegpt:
        resolved = replace(resolved, client=tuple(fill(resolved.client, {"sharegpt": _sharegpt()})))
    if models := os.environ.get(MODELS):
        resolved = replace(resolved, variables={"HF_HOME": models, "HF_HUB_OFFLINE": "1", **resolved.variables})
    return resolved


def _read(bench: Bench, task: Task, name: str) -> str:
    """Return a file of the baseline's tree; nothing of one that is not there."""
    code = "import sys; sys.stdout.write(open(sys.argv[1], encoding='utf-8').read())"
    process = bench.sandbox.process(ORACLE, ["{python}", "-I", "-S", "-c", code, name], resources=task.resources)
    return bench.sandbox.supervisor.run(process, timeout=bench.timeout).stdout.decode(errors="replace")


def equipped(task: Task, folder: Path) -> Task:
    """Return a task with all that its benchmark needs besides, for every arm alike: packages, and GPUs that a model is shared over.

    Raises TaskError when the command cannot be used.
    """
    if not isinstance(task.workload, EngineWorkload):
        return task
    resolved = resolve_command(task, folder)
    requirements = tuple(dict.fromkeys((*task.environment.requirements, *resolved.requirements)))
    environment = task.environment.model_copy(update={"requirements": requirements})
    resources = task.resources.model_copy(update={"gpus": max(task.resources.gpus, resolved.gpus) if task.resources.gpus else 0})
    return task.model_copy(update={"environment": environment, "resources": resources})


def resolve_command(task: Task, folder: Path, known: Collection[str] | None = None) -> Resolved:
    """Return what is run for a task, by the rules of its project; `known` are the options that its script has. Raises TaskError."""
    source = task.source
    commits = (source.human, source.base) if source.kind == "git" else ()
    try:
        names = (task.id, *(commit for commit in commits if commit))
        return resolve(_engine_workload(task), rules=_rules(folder), names=names, known=known)
    except CommandError as error:
        raise TaskError(f"{task.id}: {error}", path=folder, field="workload.command") from error


def _rules(folder: Path) -> Rules:
    """Return the rules of the project that a task file belongs to: the nearest overrides at or above it."""
    places = (place / OVERRIDES for place in (folder.absolute(), *folder.absolute().parents))
    return read_rules(next((path for path in places if path.exists()), None))


def _engine_workload(task: Task) -> EngineWorkload:
    if not isinstance(task.workload, EngineWorkload):
        raise TypeError(f"not a benchmark of an engine: {task.workload.kind}")
    return task.workload


def _sharegpt(variables: Mapping[str, str] = os.environ) -> str:
    if found := variables.get(SHAREGPT):
        return found
    told = f"show it to the sandbox (--isobench-mount=FOLDER:/data) and set {SHAREGPT} to its place there"
    raise NotEvaluableError(f"the benchmark needs the file of the ShareGPT data set: {told}")
