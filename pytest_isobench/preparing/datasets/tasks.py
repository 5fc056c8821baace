"""A joined record as tasks: facts only, none of its prose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pytest_isobench.benchmarks.overrides import Rules
from pytest_isobench.benchmarks.programs import Engine
from pytest_isobench.models.task import Task
from pytest_isobench.preparing.datasets.benchmarks import Benchmark, choose, metric_of
from pytest_isobench.preparing.datasets.joining import PROJECTS, Joined
from pytest_isobench.preparing.datasets.published import Suite, suites

ROOM = {"cpus": 8, "memory_mb": 131_072, "pids": 8192, "disk_mb": 65_536, "reserves": True}
"""What an engine may use besides its GPUs: weights pass through memory, and kernels are compiled into the temporary folder."""
WORDS = {
    "vllm_serve": "serving", "vllm_latency": "latency", "vllm_throughput": "throughput", "prefix_caching": "prefix_caching",
    "sglang_serve": "serving", "sglang_one_batch": "one_batch", "sglang_offline": "throughput",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How records become tasks."""

    engine: Engine | None = None
    """Whose commits they are, where they do not say it."""
    rules: Rules = field(default_factory=Rules)
    """What is known of models and engines."""
    default: str | None = None
    """Command of the commits for which no record has any."""
    gpu: str = "H100"
    """Model of the GPUs, where a task needs some."""


@dataclass(slots=True, kw_only=True)
class Made:
    """What became of one joined record."""

    tasks: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """Files beside the task file, by name."""
    remarks: list[str] = field(default_factory=list)
    reason: str = ""
    """Why there is no task."""


def make(joined: Joined, options: Options) -> Made:
    """Make the tasks of a record; one that cannot be measured has none, and says why.

    Raises:
        CommandError: the default cannot be run.
    """
    made = Made(remarks=list(_remarks(joined)))
    benchmark, reasons = choose(joined, joined.engine or options.engine, options.rules, options.default)
    measured = options.engine or (benchmark.command.engine if benchmark else None)
    project = joined.project or (PROJECTS[measured] if measured else "")
    if not project:
        made.reason = "; ".join(reasons) or "nothing says of which repository its commit is; name it with --engine, or add a mapping"
    elif benchmark:
        made.remarks += [*reasons, *benchmark.remarks]
        made.tasks.append(_checked(_of_engine(joined, project, benchmark, options.gpu)))
    else:
        _add_suites(made, joined, project, options.gpu)
        made.reason = "" if made.tasks else "; ".join(reasons) or "no record has a command, or a script that can be run by itself"
    return made


def _remarks(joined: Joined) -> Iterator[str]:
    yield from dict.fromkeys(ignored for facts in joined.facts for ignored in facts.ignored)
    if joined.other_bases:
        yield f"its base is {joined.base[:12]}, and other records say {', '.join(base[:12] for base in joined.other_bases)}"


def _checked(task: dict[str, Any]) -> dict[str, Any]:
    Task.model_validate(task, strict=False)
    return task


def _id(joined: Joined, project: str) -> str:
    return f"{project.rpartition('/')[2]}-{joined.label}" if joined.human else joined.label


def _source(joined: Joined, project: str) -> dict[str, Any]:
    if not joined.human:
        return {"kind": "git", "repository": f"https://github.com/{project}", "base": joined.base, "patch": f"{joined.label}.diff"}
    base = {"base": joined.base} if joined.base else {"parent": joined.parent} if joined.parent and joined.parent > 1 else {}
    return {"kind": "git", "repository": f"https://github.com/{project}", "human": joined.human, **base}


def _of_engine(joined: Joined, project: str, benchmark: Benchmark, gpu: str) -> dict[str, Any]:
    command, name = benchmark.command, project.rpartition("/")[2]
    metric = metric_of(command)
    environment: dict[str, Any] = {"image": joined.image} if joined.image else {}
    if command.engine == "sglang":
        environment["pythonpath"] = ["python"]
    workload = {key: value for key, value in benchmark.workload.model_dump(exclude_defaults=True).items() if value is not None}
    return {
        "id": _id(joined, project),
        "repo": project,
        "description": f"{command.program} with {benchmark.resolved.model}.",
        "source": _source(joined, project),
        **({"environment": environment} if environment else {}),
        "workload": {"kind": command.kind, **workload},
        "metric": metric.model_dump(),
        "resources": {**ROOM, "gpus": benchmark.resolved.gpus, "gpu": gpu},
        "marks": [name, WORDS[command.kind]],
    }


def _add_suites(made: Made, joined: Joined, project: str, gpu: str) -> None:
    having = [facts for facts in joined.facts if _has_suite(facts.value)]
    found = list(suites(having[0].value, _id(joined, project))) if having else []
    made.remarks += [f"the scripts of {facts.origin}: those of {having[0].origin} count" for facts in having[1:]]
    if found and not joined.human:
        made.files[f"{joined.label}.diff"] = joined.facts[0].patch
    for number, suite in enumerate(found, 1):
        made.tasks.append(_checked(_of_suite(joined, project, suite, number, gpu)))
        made.files |= suite.files


def _has_suite(value: Any) -> bool:
    return next(iter(suites(value, "any")), None) is not None


def _of_suite(joined: Joined, project: str, suite: Suite, number: int, gpu: str) -> dict[str, Any]:
    name, engine = project.rpartition("/")[2], joined.engine
    return {
        "id": _id(joined, project) + (f"-{number}" if number > 1 else ""),
        "repo": project,
        "source": _source(joined, project),
        **({"environment": {"image": joined.image}} if joined.image else {}),
        "workload": suite.workload,
        **({"checks": list(suite.checks)} if suite.checks else {}),
        **({"resources": {**ROOM, "gpus": 1, "gpu": gpu}} if engine else {}),
        "marks": [name.replace("-", "_").replace(".", "_")],
    }
