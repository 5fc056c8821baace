"""From a benchmark's command to what is run, the same for every arm: a server, a client, and nothing dropped without a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_isobench.benchmarks.commands import LeftOut, parse
from pytest_isobench.benchmarks.datasets import name_data
from pytest_isobench.benchmarks.draft import Draft
from pytest_isobench.benchmarks.overrides import Case, Ruled, Rules, read_rules
from pytest_isobench.benchmarks.speculating import speculate
from pytest_isobench.benchmarks.spellings import version_of
from pytest_isobench.errors import CommandError
from pytest_isobench.models.workload import EngineWorkload
from pytest_isobench.redaction import is_secret_name

_ADDRESS = "each run has an address of its own"
_KEPT = "results are always kept, in a file of their own"
_OURS = {
    **dict.fromkeys(("--host", "--port", "--base-url"), _ADDRESS),
    **dict.fromkeys(("--save-result", "--save-detailed", "--append-result", "--result-dir", "--result-filename"), _KEPT),
    **dict.fromkeys(("--output-json", "--output-file", "--output-details"), _KEPT),
    **dict.fromkeys(("--seed", "--random-seed"), "every round has a seed of its own"),
    **dict.fromkeys(("--profile", "--profile-result-dir", "--profile-filename-prefix", "--profile-steps"), "profiling changes the times"),
    "--api-key": "the server and its client are alone",
    "--do-not-exit": "the benchmark must end",
    "--flush-cache": "caches are emptied between runs anyway",
}
STAND_INS = ("python", "host", "port", "seed", "output", "output_folder", "output_name", "tree", "sharegpt")
"""`output` is the result file, with its folder and its name; `tree` is the baseline's; `sharegpt` is the file of the ShareGPT data set."""
_STAND_IN = re.compile(rf"\{{({'|'.join(STAND_INS)})\}}")
_DEVICES = frozenset({"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"})
_SHARED = ("--tokenizer", "--tokenizer-mode", "--trust-remote-code", "--served-model-name")
"""What both the server and its client are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What is run. Its words may hold stand-ins, which `fill` replaces."""

    server: tuple[str, ...] | None
    """Program and arguments; None for a benchmark that starts the engine itself."""
    client: tuple[str, ...]
    """Program and arguments of the client, or of the whole benchmark."""
    variables: dict[str, str]
    """Environment variables of both."""
    health: str
    flush: str | None
    results: Literal["file", "printed"]
    """Where the results are: in `{output}`, or in what is printed."""
    model: str
    gpus: int
    requirements: tuple[str, ...]
    """Packages that this version of the engine needs besides."""
    applied: tuple[str, ...]
    """What is run otherwise than the command says, and why."""
    left_out: tuple[LeftOut, ...]
    """Parts of the command that are not run, and why."""

    @property
    def needs_sharegpt(self) -> bool:
        """Whether the file of the ShareGPT data set must be there."""
        return any("{sharegpt}" in word for word in self.client)


def resolve(
    workload: EngineWorkload, *, rules: Rules | None = None, names: tuple[str, ...] = (), known: Collection[str] | None = None
) -> Resolved:
    """Make what is run.

    `rules` are the overrides, by default the packaged ones; `names` the task's id and commits, for those that mean it; `known` the options
    that the script of the baseline's tree has (`spellings.options_in` finds them), which count more than what is known of its version.

    Raises:
        CommandError: the command cannot be run; says which part, and what is allowed.
    """
    version = version_of(workload.engine)
    command = parse(workload.command, engine=_engine(workload), model=workload.model)
    if command.kind != workload.kind:
        raise CommandError(f"{command.program} is a benchmark of the kind {command.kind!r}, and the workload says {workload.kind!r}")
    case = Case(engine=command.engine, version=version, model=workload.model or command.model, names=names)
    ruled = (rules if rules is not None else read_rules()).of(case)
    if ruled.model.startswith(("/", "~", "./", "../")):
        raise CommandError(f"the model {ruled.model!r:.120} is a folder of another machine; name the model beside the command")
    draft = Draft(command, version, ruled.model, known)
    if command.model and command.model != ruled.model and not ruled.applied:
        draft.say(f"the model is {ruled.model}, as the task says, instead of {command.model}")
    gpus = _share(draft, ruled)
    _clean(draft)
    server, client, results = _BUILDERS[command.program](draft)
    variables = _variables(draft)
    flush = workload.serving.flush or _flush(draft, variables) if server else None
    return Resolved(
        server=tuple(server) if server else None,
        client=tuple(client),
        variables=variables,
        health=workload.serving.health,
        flush=flush,
        results=results,
        model=ruled.model,
        gpus=gpus,
        requirements=ruled.requirements,
        applied=(*ruled.applied, *draft.applied),
        left_out=tuple(draft.left_out),
    )


def _engine(workload: EngineWorkload) -> Literal["vllm", "sglang"]:
    return "sglang" if workload.kind.startswith("sglang") else "vllm"


def _share(draft: Draft, ruled: Ruled) -> int:
    """Share the model over as many GPUs as it needs at least, and return how many it is shared over."""
    if draft.command.gpus < ruled.gpus:
        draft.put("--tensor-parallel-size", str(ruled.gpus))
        draft.say(f"the model is shared over {ruled.gpus} GPUs: {ruled.crowded}")
    return max(draft.command.gpus, ruled.gpus)


def _clean(draft: Draft) -> None:
    """Take out what is decided here, and spell the rest as this version does."""
    draft.drop(_OURS)
    for name in ("--model", "--model-path"):
        draft.pop(name)
    for name in ("--tokenizer", "--tokenizer-path"):
        if (value := draft.value(name)) and (value.startswith(("/", "~", ".")) or value == draft.command.model != draft.model):
            draft.drop({name: "it is the one that comes with the model"})
    if draft.command.engine == "vllm":
        speculate(draft)
    name_data(draft)


def _variables(draft: Draft) -> dict[str, str]:
    found = {}
    for name, value in draft.command.variables:
        if name in _DEVICES:
            draft.left_out.append(LeftOut(f"{name}={value}", "which GPUs it gets is decided when it runs"))
        elif is_secret_name(name):
            draft.left_out.append(LeftOut(name, "a secret comes from the environment, never from a task file"))
        else:
            found[name] = value
    return found


def _flush(draft: Draft, variables: dict[str, str]) -> str | None:
    """Return where caches are emptied, and set what makes the server listen there."""
    if not draft.has("flush"):
        return None
    if draft.command.engine == "sglang":
        return "/flush_cache"
    variables.setdefault("VLLM_SERVER_DEV_MODE", "1")
    return "/reset_prefix_cache"


def fill(words: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """Return words with their stand-ins replaced; braces around other names, as in JSON, stay as they are."""
    return [_STAND_IN.sub(lambda found: str(values.get(found[1], found[0])), word) for word in words]


_AT = ("--host", "{host}", "--port", "{port}")
_CLI = "vllm.entrypoints.cli.main"
Built = tuple[list[str] | None, list[str], Literal["file", "printed"]]


def _both(draft: Draft) -> list[str]:
    """Return what the client is told as well as the server, without taking it out."""
    words: list[str] = []
    for name in _SHARED:
        value = draft.value(name)
        if value not in (None, "false") and name in draft.command.known.own:
            words += [name, *([value] if value not in ("", "true") else [])]
    return words


def _vllm_serving(draft: Draft) -> Built:
    backend, old = draft.pop("--backend") or "vllm", not draft.has("OpenAI client")
    if not draft.has("vllm is OpenAI") and backend == "vllm" and not old:
        backend = "openai"
        draft.say("the client is told --backend openai, since vllm means another server to it")
    shared, script = _both(draft), not draft.has("vllm bench")
    client = ["{python}", *(["{tree}/benchmarks/benchmark_serving.py"] if script else ["-m", _CLI, "bench", "serve"])]
    how = "--backend" if script or draft.has("one backend") else "--endpoint-type"
    draft.drop({"--endpoint-type": "the backend says it"})
    client += [how, backend if how == "--backend" else backend.replace("vllm", "openai"), *_AT]
    if not old:
        client += ["--model", draft.model]
    elif "--tokenizer" not in shared:
        shared += ["--tokenizer", draft.model]
    if draft.takes("--ignore-eos") and draft.value("--ignore-eos") is None:
        draft.put("--ignore-eos")
        draft.say("--ignore-eos, so that every arm answers with the same number of tokens")
    if draft.takes("--temperature") and draft.value("--temperature") is None:
        draft.put("--temperature", "0")
        draft.say("--temperature 0, so that answers can be compared")
    client += [*shared, *draft.own(), "--seed", "{seed}"]
    saved, results = _saved(draft)
    return _vllm_server(draft, old=old), client + saved, results


def _saved(draft: Draft) -> tuple[list[str], Literal["file", "printed"]]:
    """Return how benchmark_serving keeps its results; before it could name the file, what it prints is read."""
    if not (draft.takes("--result-dir") and draft.takes("--result-filename")):
        return [], "printed"
    detailed = ["--save-detailed"] if draft.takes("--save-detailed") else []
    return ["--save-result", *detailed, "--result-dir", "{output_folder}", "--result-filename", "{output_name}"], "file"


def _vllm_server(draft: Draft, *, old: bool) -> list[str]:
    if draft.has("vllm serve"):
        server = ["{python}", "-m", _CLI, "serve", draft.model]
    else:
        server = ["{python}", "-m", f"vllm.entrypoints.{'' if old else 'openai.'}api_server", "--model", draft.model]
    return [*server, *_AT, *draft.inner()]


def _vllm_offline(draft: Draft) -> Built:
    program = draft.command.program
    name = program.removeprefix("benchmark_")
    script = not draft.has("vllm bench") or name == "prefix_caching"
    client = ["{python}", f"{{tree}}/benchmarks/{program}.py"] if script else ["{python}", "-m", _CLI, "bench", name]
    client += ["--model", draft.model, *draft.own(), *draft.inner()]
    if draft.takes("--seed"):
        client += ["--seed", "{seed}"]
    if not draft.takes("--output-json"):
        return None, client, "printed"
    return None, [*client, "--output-json", "{output}"], "file"


def _sglang_serving(draft: Draft) -> Built:
    client = ["{python}", "-m", "sglang.bench_serving", "--backend", draft.pop("--backend") or "sglang", *_AT]
    client += ["--model", draft.model, *_both(draft), *draft.own(), "--seed", "{seed}", "--output-file", "{output}"]
    return _sglang_server(draft), client, "file"


def _sglang_server(draft: Draft) -> list[str]:
    return ["{python}", "-m", "sglang.launch_server", "--model-path", draft.model, *_AT, *draft.inner()]


def _sglang_one_batch(draft: Draft) -> Built:
    module = "bench_one_batch" if draft.has("bench_one_batch") else "bench_latency"
    return None, ["{python}", "-m", f"sglang.{module}", "--model-path", draft.model, *_results(draft)], "file"


def _sglang_one_batch_server(draft: Draft) -> Built:
    """Ask a server of ours: the program would start one itself, and measure it from inside."""
    draft.drop({"--result-filename": _KEPT})
    client = ["{python}", "-m", "sglang.bench_one_batch_server", "--model", "None", "--base-url", "http://{host}:{port}", *draft.own()]
    return _sglang_server(draft), [*client, "--result-filename", "{output}"], "file"


def _sglang_offline(draft: Draft) -> Built:
    client = ["{python}", "-m", "sglang.bench_offline_throughput", "--model-path", draft.model, *_results(draft), "--seed", "{seed}"]
    return None, client, "file"


def _results(draft: Draft) -> list[str]:
    draft.drop({"--result-filename": _KEPT})
    return [*draft.own(), *draft.inner(), "--result-filename", "{output}"]


_BUILDERS: dict[str, Callable[[Draft], Built]] = {
    "benchmark_serving": _vllm_serving,
    "benchmark_latency": _vllm_offline,
    "benchmark_throughput": _vllm_offline,
    "benchmark_prefix_caching": _vllm_offline,
    "bench_serving": _sglang_serving,
    "bench_one_batch": _sglang_one_batch,
    "bench_one_batch_server": _sglang_one_batch_server,
    "bench_offline_throughput": _sglang_offline,
}

