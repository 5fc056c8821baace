"""Which benchmark measures a commit: of all commands that records have for it, the first that can be run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_isobench.benchmarks.commands import Command, parse
from pytest_isobench.benchmarks.overrides import Rules
from pytest_isobench.benchmarks.programs import Engine
from pytest_isobench.benchmarks.resolving import Resolved, resolve
from pytest_isobench.errors import CommandError
from pytest_isobench.models.task import Metric
from pytest_isobench.models.workload import EngineWorkload
from pytest_isobench.preparing.datasets.facts import Facts
from pytest_isobench.preparing.datasets.joining import Joined
from pytest_isobench.preparing.datasets.releases import engine_at

DEFAULT = "no record has a command: --default-command"
MODES = {"serving": "vllm_serve", "latency": "vllm_latency", "throughput": "vllm_throughput"}
"""What tables call the kinds of benchmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A command that can be run."""

    workload: EngineWorkload
    command: Command
    resolved: Resolved
    remarks: tuple[str, ...]


def choose(joined: Joined, engine: Engine | None, rules: Rules, default: str | None = None) -> tuple[Benchmark | None, list[str]]:
    """Return the first benchmark that can be run, and why the commands before it cannot.

    `default` is the command of commits for which no record has any, not even one that cannot be run.
    """
    reasons: dict[str, list[str]] = {}
    for facts in joined.facts:
        for name, text in facts.commands:
            try:
                return _usable(joined, facts, name, text, engine, rules), _sentences(reasons)
            except CommandError as error:
                reasons.setdefault(str(error), []).append(name if facts.origin == joined.origin else f"{facts.origin} {name}")
    if default and not any(text and text.strip() for facts in joined.facts for _, text in facts.commands):
        return _usable(joined, joined.facts[0], DEFAULT, default, engine, rules), []
    return None, _sentences(reasons)


def _sentences(reasons: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{', '.join(dict.fromkeys(places))}: {error}" for error, places in reasons.items()]


def _usable(joined: Joined, facts: Facts, name: str, text: str | None, engine: Engine | None, rules: Rules) -> Benchmark:
    """Return the benchmark of one command. Raises CommandError."""
    model, remarks = None, list[str]()
    command = parse(text, engine=engine, model="of the record")
    if not command.model or command.model.startswith(("/", "~", ".")):
        model = next(iter((*facts.models, *joined.models)), None)
        if model is None:
            parse(text, engine=engine)
            raise CommandError(f"the model {command.model!r:.120} is a folder of another machine, and no record names the model")
        remarks.append(f"the model is {model}, which the record names beside the command")
    workload = EngineWorkload(
        kind=command.kind,
        command=" ".join((text or "").split("\n")).strip(),
        origin=name if name == DEFAULT else f"{facts.origin} {name}",
        model=model,
        engine=engine_at(command.engine, joined.day),
    )
    resolved = resolve(workload, rules=rules, names=(joined.human,))
    return Benchmark(workload=workload, command=command, resolved=resolved, remarks=(*remarks, *_contradictions(joined, command, text)))


def _contradictions(joined: Joined, command: Command, text: str | None) -> Iterator[str]:
    others = {each for facts in joined.facts for _, each in facts.commands if each} - {text}
    if others:
        yield f"{len(others)} other command{'s' if len(others) > 1 else ''} in other records"
    modes = {facts.mode for facts in joined.facts if MODES.get(facts.mode, command.kind) != command.kind}
    if modes:
        yield f"some records call it {', '.join(sorted(modes))}, and the command is of {command.program}"


def metric_of(command: Command) -> Metric:
    """Return what counts first.

    A load that comes all at once is done when it is done: the rate is the whole of it, and less noisy than any request's time. Where
    requests come at a rate of their own, that rate is the client's, and the time to the first token shows what the engine makes of it.
    """
    match command.kind:
        case "vllm_serve" | "sglang_serve" if command.value("--request-rate") in ("", "inf", "infinity"):
            return Metric(name="request_throughput", unit="req/s", better="higher")
        case "vllm_serve" | "sglang_serve":
            return Metric(name="mean_ttft_ms", unit="ms", better="lower")
        case "vllm_latency":
            return Metric(name="avg_latency", unit="s", better="lower")
        case "vllm_throughput" | "sglang_offline":
            return Metric(name="total_token_throughput", unit="tok/s", better="higher")
        case "prefix_caching":
            return Metric(name="cost_time", unit="s", better="lower")
        case "sglang_one_batch":
            return Metric(name="latency" if command.known.serves else "total_latency", unit="s", better="lower")
