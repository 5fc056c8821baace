"""The benchmark programs of vLLM and SGLang, and how a command line shows which one it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_isobench.benchmarks import options
from pytest_isobench.benchmarks.options import Option
from pytest_isobench.errors import CommandError, nearest
from pytest_isobench.models.workload import EngineKind

Engine = Literal["vllm", "sglang"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One benchmark program."""

    name: str
    engine: Engine
    kind: EngineKind
    own: Mapping[str, Option]
    """Options of its own; all others are the engine's."""
    serves: bool = False
    """Whether it asks a server, which takes the engine's options."""

    @property
    def inner(self) -> Mapping[str, Option]:
        """The engine's options."""
        return ENGINES[self.engine]

    @property
    def model_option(self) -> str:
        """The name under which it takes the model."""
        return (self.own.get("--model") or self.inner["--model"]).name


ENGINES: dict[Engine, Mapping[str, Option]] = {"vllm": options.VLLM_ENGINE, "sglang": options.SGLANG_ENGINE}
_ALL = (
    Program(name="benchmark_serving", engine="vllm", kind="vllm_serve", own=options.VLLM_SERVING, serves=True),
    Program(name="benchmark_latency", engine="vllm", kind="vllm_latency", own=options.VLLM_LATENCY),
    Program(name="benchmark_throughput", engine="vllm", kind="vllm_throughput", own=options.VLLM_THROUGHPUT),
    Program(name="benchmark_prefix_caching", engine="vllm", kind="prefix_caching", own=options.VLLM_PREFIX_CACHING),
    Program(name="bench_serving", engine="sglang", kind="sglang_serve", own=options.SGLANG_SERVING, serves=True),
    Program(name="bench_one_batch", engine="sglang", kind="sglang_one_batch", own=options.SGLANG_ONE_BATCH),
    Program(name="bench_one_batch_server", engine="sglang", kind="sglang_one_batch", own=options.SGLANG_ONE_BATCH_SERVER, serves=True),
    Program(name="bench_offline_throughput", engine="sglang", kind="sglang_offline", own=options.SGLANG_OFFLINE),
)
PROGRAMS = {program.name: program for program in _ALL}
_FORMER = {"bench_latency": "bench_one_batch"}
"""Earlier names of programs."""
_BENCH = {"serve": "benchmark_serving", "latency": "benchmark_latency", "throughput": "benchmark_throughput"}
"""What `vllm bench` starts."""
_SERVERS: dict[str, Engine] = {
    "vllm.entrypoints.openai.api_server": "vllm", "vllm.entrypoints.api_server": "vllm", "sglang.launch_server": "sglang",
}  # fmt: skip
_PYTHON = re.compile(r"(?:.*/)?python[\d.]*")
_WRAPPERS = frozenset({"time", "nohup", "exec", "env"})
_CLI = "vllm.entrypoints.cli.main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What one command of a line starts."""

    program: Program | None = None
    """The benchmark; None for a server."""
    engine: Engine
    arguments: tuple[str, ...]


def started(words: Sequence[str]) -> Started:
    """Return what a command, without its variables, starts. Raises CommandError when it is no known benchmark and no server."""
    match list(words):
        case [word, *rest] if word in _WRAPPERS:
            return started(rest)
        case [python, *rest] if _PYTHON.fullmatch(python):
            return _by_python(rest)
        case ["vllm", *rest]:
            return _by_cli(rest)
        case [script, *rest] if script.endswith(".py"):
            return _by_name(script, rest)
        case [name, *_]:
            raise CommandError(f"{name!r:.80} is no known benchmark; {allowed()}")
    raise CommandError(f"the command is empty; {allowed()}")


def allowed() -> str:
    """Return which programs are known, in words."""
    return f"known: {', '.join(PROGRAMS)}, and vllm bench {'|'.join(_BENCH)}"


def _by_python(words: Sequence[str]) -> Started:
    match list(words):
        case ["-u" | "-O" | "-B" | "-I", *rest]:
            return _by_python(rest)
        case ["-m", module, *rest] if module == _CLI:
            return _by_cli(rest)
        case ["-m", module, *rest] if module in _SERVERS:
            return Started(engine=_SERVERS[module], arguments=tuple(rest))
        case ["-m", module, *rest]:
            return _by_name(module.rpartition(".")[2], rest, shown=module)
        case [script, *rest] if not script.startswith("-"):
            return _by_name(script, rest)
    raise CommandError(f"python {' '.join(words[:2])!r:.80} starts no known benchmark; {allowed()}")


def _by_cli(words: Sequence[str]) -> Started:
    match list(words):
        case ["serve", *rest]:
            model = ("--model", rest[0]) if rest and not rest[0].startswith("-") else ()
            return Started(engine="vllm", arguments=(*model, *rest[len(model) // 2 :]))
        case ["bench", name, *rest] if name in _BENCH:
            return Started(program=PROGRAMS[_BENCH[name]], engine="vllm", arguments=tuple(rest))
    raise CommandError(f"vllm {' '.join(words[:2])!r:.80} starts no known benchmark; {allowed()}")


def _by_name(script: str, rest: Sequence[str], shown: str = "") -> Started:
    name = script.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    name = _FORMER.get(name, name)
    if name not in PROGRAMS:
        raise CommandError(f"{shown or script!r:.120} is no known benchmark{nearest(name, PROGRAMS)}; {allowed()}")
    return Started(program=PROGRAMS[name], engine=PROGRAMS[name].engine, arguments=tuple(rest))
