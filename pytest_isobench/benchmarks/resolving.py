"""From a benchmark's command to what is run, the same for every arm: a server, a client, and nothing dropped without a word."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_isobench.benchmarks.command_words import BUILDERS, KEPT, Place
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
_OURS = {
    **dict.fromkeys(("--host", "--port", "--base-url"), _ADDRESS),
    **dict.fromkeys(("--save-result", "--save-detailed", "--append-result", "--result-dir", "--result-filename"), KEPT),
    **dict.fromkeys(("--output-json", "--output-file", "--output-details"), KEPT),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What is run. Its words may hold stand-ins, which `fill` replaces."""

    server: tuple[str, ...] | None
    """Program and arguments; None for a benchmark that starts the engine itself."""
    client: tuple[str, ...]
    """Program and arguments of the client, or of the whole benchmark."""
    variables: dict[str, str]
    """Environment variables of both."""
    flush: str | None
    results: Place
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
    server, client, results = BUILDERS[command.program](draft)
    variables = _variables(draft)
    flush = workload.serving.flush or _flush(draft, variables) if server else None
    return Resolved(
        server=tuple(server) if server else None,
        client=tuple(client),
        variables=variables,
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


def seed_number(seed: str) -> int:
    """Return what `{seed}` stands for: 31 bits, which every benchmark takes."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") // 2
