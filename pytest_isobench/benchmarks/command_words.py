"""The words of each program: how it is started, in which order its options stand, and where its results go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pytest_isobench.benchmarks.draft import Draft

_AT = ("--host", "{host}", "--port", "{port}")
_CLI = "vllm.entrypoints.cli.main"
KEPT = "results are always kept, in a file of their own"
_SHARED = ("--tokenizer", "--tokenizer-mode", "--trust-remote-code", "--served-model-name")
"""What both the server and its client are told."""
Place = Literal["file", "printed"]
Built = tuple[list[str] | None, list[str], Place]
"""Server, client, and where the results are."""


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


def _saved(draft: Draft) -> tuple[list[str], Place]:
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
    draft.drop({"--result-filename": KEPT})
    client = ["{python}", "-m", "sglang.bench_one_batch_server", "--model", "None", "--base-url", "http://{host}:{port}", *draft.own()]
    return _sglang_server(draft), [*client, "--result-filename", "{output}"], "file"


def _sglang_offline(draft: Draft) -> Built:
    client = ["{python}", "-m", "sglang.bench_offline_throughput", "--model-path", draft.model, *_results(draft), "--seed", "{seed}"]
    return None, client, "file"


def _results(draft: Draft) -> list[str]:
    draft.drop({"--result-filename": KEPT})
    return [*draft.own(), *draft.inner(), "--result-filename", "{output}"]


BUILDERS: dict[str, Callable[[Draft], Built]] = {
    "benchmark_serving": _vllm_serving,
    "benchmark_latency": _vllm_offline,
    "benchmark_throughput": _vllm_offline,
    "benchmark_prefix_caching": _vllm_offline,
    "bench_serving": _sglang_serving,
    "bench_one_batch": _sglang_one_batch,
    "bench_one_batch_server": _sglang_one_batch_server,
    "bench_offline_throughput": _sglang_offline,
}
