"""Which version of an engine's programs has what: options come, change their names, and go."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from pytest_isobench.benchmarks.programs import PROGRAMS, Engine
from pytest_isobench.errors import CommandError

Version = tuple[int, ...]
NEWEST: Version = (1_000_000,)

_VERSION = re.compile(r"v?(\d{1,6}(?:\.\d{1,6}){0,3})(?:[.+-]?(?:post|dev|rc|a|b|cu|g)[\w.+-]*)?")


def version_of(text: str | None) -> Version:
    """Return a version as numbers; None is the newest. Raises CommandError."""
    if text is None:
        return NEWEST
    found = _VERSION.fullmatch(text)
    if found is None:
        raise CommandError(f"{text!r:.80} is no version of an engine; write it as 0.6.3")
    return tuple(map(int, found[1].split(".")))


FROM: dict[Engine, Mapping[str, str]] = {
    "vllm": {
        "OpenAI client": "0.3.1",  # the client can ask the server that speaks OpenAI's protocol
        "vllm is OpenAI": "0.4.3",  # `--backend vllm` means that server
        "data sets by name": "0.4.1",  # of benchmark_serving: --dataset-name and --dataset-path
        "random data": "0.5.1",  # of benchmark_serving: --dataset-name random
        "data sets of throughput": "0.8.0",  # --dataset-name of benchmark_throughput
        "engine's options": "0.6.5",  # the offline benchmarks take all options of the engine
        "--no-": "0.8.5",  # switches are turned off by --no-NAME
        "--speculative-config": "0.8.3",
        "flush": "0.7.1",  # POST /reset_prefix_cache, where VLLM_SERVER_DEV_MODE=1
        "vllm serve": "0.9.0",  # the module vllm.entrypoints.cli.main
        "vllm bench": "0.10.2",  # it took the place of the scripts
        "one backend": "0.11.0",  # `vllm bench serve` knows --backend only, and no --endpoint-type
    },
    "sglang": {
        "bench_one_batch": "0.4.0",  # bench_latency before
        "flush": "0.4.1",  # POST /flush_cache
    },
}
"""The first version that has something."""

OPTIONS: dict[str, Mapping[str, tuple[str, str | None]]] = {
    "benchmark_serving": {
        "--save-result": ("0.3.1", None),
        "--result-dir": ("0.4.1", None),
        "--result-filename": ("0.5.1", None),
        "--ignore-eos": ("0.6.2", None),
        "--max-concurrency": ("0.6.4", None),
        "--goodput": ("0.6.4", None),
        "--burstiness": ("0.6.5", None),
        "--temperature": ("0.8.2", None),
        "--save-detailed": ("0.8.2", None),
        "--best-of": ("0.1.0", "0.7.0"),
        "--dataset": ("0.1.0", "0.7.4"),
        "--use-beam-search": ("0.1.0", None),
    },
    "benchmark_latency": {"--output-json": ("0.5.1", None), "--seed": ("0.6.5", None), "--use-beam-search": ("0.1.0", None)},
    "benchmark_throughput": {"--output-json": ("0.5.1", None), "--async-engine": ("0.6.0", None)},
    "benchmark_prefix_caching": {"--seed": ("0.5.5", None), "--dataset-path": ("0.5.5", None), "--num-prompts": ("0.5.5", None)},
    "bench_serving": {"--flush-cache": ("0.4.5", None), "--warmup-requests": ("0.4.4", None)},
}
"""Options of programs: the first version that has one, and the first that has it no more. All others are taken to be always there."""

ENGINE_OPTIONS: dict[Engine, Mapping[str, tuple[str, str | None, str]]] = {
    "vllm": {
        "--use-v2-block-manager": ("0.4.0", "0.6.5", "this version of the engine has one block manager"),
        "--num-scheduler-steps": ("0.6.0", "0.10.0", "this version of the engine has no multi-step scheduling"),
        "--multi-step-stream-outputs": ("0.6.2", "0.10.0", "this version of the engine has no multi-step scheduling"),
        "--worker-use-ray": ("0.1.0", "0.6.0", "the distributed executor is chosen by --distributed-executor-backend"),
        "--device": ("0.3.0", "0.10.0", "the engine finds its device itself"),
        "--max-paddings": ("0.1.0", "0.3.0", "the engine pads nothing"),
    },
    "sglang": {
        "--enable-overlap-schedule": ("0.3.3", "0.4.0", "this version of the engine need not be told to overlap"),
        "--disable-flashinfer": ("0.2.0", "0.4.3", "the attention is chosen by --attention-backend"),
        "--disable-overlap-schedule": ("0.4.0", None, "this version of the engine overlaps nothing unless it is told to"),
    },
}
"""Options of engines, likewise, and why one is not needed where it is absent."""


def has(engine: Engine, version: Version, feature: str) -> bool:
    """Tell whether a version of an engine has what the table names."""
    return version >= version_of(FROM[engine][feature])


def takes(program: str, option: str, version: Version, known: Collection[str] | None = None) -> bool:
    """Tell whether a program of this version has an option of its own; what is known of its very source counts more than the table."""
    if known:
        return option in known
    since, until = OPTIONS.get(program, {}).get(option, (None, None))
    if option not in PROGRAMS[program].own and since is None:
        return False
    return (since is None or version >= version_of(since)) and (until is None or version < version_of(until))


def needless(engine: Engine, option: str, version: Version) -> str:
    """Return why a version of an engine does not need an option that it does not have; empty when it may have it."""
    since, until, reason = ENGINE_OPTIONS[engine].get(option, ("0", None, ""))
    return "" if version_of(since) <= version and (until is None or version < version_of(until)) else reason


def options_in(source: str) -> frozenset[str]:
    """Return the options that a benchmark's script adds to its parser, by what stands in its source."""
    return frozenset(re.findall(r"""["'](--[A-Za-z][\w-]*)["']""", source))
