"""What is run for a benchmark: nothing dropped without a word, and every version in its own spelling."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_command_lines import DATA, commands, recorded

from pytest_isobench.benchmarks.commands import Command, parse, render
from pytest_isobench.benchmarks.overrides import Rule, Rules
from pytest_isobench.benchmarks.resolving import STAND_INS, Resolved, fill, resolve
from pytest_isobench.benchmarks.spellings import options_in, version_of
from pytest_isobench.benchmarks.words import split
from pytest_isobench.errors import CommandError
from pytest_isobench.models.workload import EngineWorkload

NONE = Rules()


def resolved(command: str, engine: str | None = None, rules: Rules = NONE, **more: Any) -> Resolved:
    kind = parse(command, model="any").kind
    return resolve(EngineWorkload(kind=kind, command=command, engine=engine, **more), rules=rules)


def test_a_server_and_its_client() -> None:
    options = "--dtype float16 --max-model-len 2048 --num-prompts 10 --port 80"
    found = resolved(f"VLLM_USE_V1=1 python benchmarks/benchmark_serving.py --model org/m {options}", "0.6.6")
    assert " ".join(found.server or ()) == (
        "{python} -m vllm.entrypoints.openai.api_server --model org/m --host {host} --port {port} --dtype float16 --max-model-len 2048"
    )
    assert " ".join(found.client) == (
        "{python} {tree}/benchmarks/benchmark_serving.py --backend vllm --host {host} --port {port} --model org/m --num-prompts 10 "
        "--random-input-len 1024 --random-output-len 128 --dataset-name random --ignore-eos --seed {seed} "
        "--save-result --result-dir {output_folder} --result-filename {output_name}"
    )
    assert (found.variables, found.flush, found.results, found.gpus) == ({"VLLM_USE_V1": "1"}, None, "file", 1)
    assert [str(part) for part in found.left_out] == ["--port 80: each run has an address of its own"]


@pytest.mark.parametrize(
    ("engine", "server", "client"),
    [
        ("0.2.0", "vllm.entrypoints.api_server --model m", "benchmark_serving.py --backend vllm --host"),
        ("0.4.2", "vllm.entrypoints.openai.api_server --model m", "benchmark_serving.py --backend openai --host"),
        ("0.8.5.post1", "vllm.entrypoints.openai.api_server --model m", "benchmark_serving.py --backend vllm --host"),
        ("0.10.2", "vllm.entrypoints.cli.main serve m", "bench serve --endpoint-type openai --host"),
        (None, "vllm.entrypoints.cli.main serve m", "bench serve --backend vllm --host"),
    ],
)
def test_versions_of_the_server_and_its_client(engine: str | None, server: str, client: str) -> None:
    found = resolved("vllm bench serve --model m", engine)
    assert server in " ".join(found.server or ())
    assert client in " ".join(found.client)


@pytest.mark.parametrize(
    ("command", "engine", "words"),
    [
        ("vllm bench serve --input-len 5 --output-len 6", "0.9", "--random-input-len 5 --random-output-len 6 --dataset-name random"),
        ("vllm bench serve --dataset ShareGPT_V3.json", "0.9", "--dataset-name sharegpt --dataset-path {sharegpt}"),
        ("vllm bench serve --dataset-name sharegpt", "0.4.0", "--dataset {sharegpt}"),
        ("vllm bench serve --dataset-name sharegpt --output-len 7", "0.9", "--sharegpt-output-len 7"),
        ("vllm bench serve --dataset-path benchmarks/sonnet.txt", "0.9", "--dataset-name sonnet --dataset-path {tree}/benchmarks/"),
        ("vllm bench serve", "0.8.4", "--ignore-eos --temperature 0 --seed {seed} --save-result --save-detailed"),
        ("vllm bench throughput --dataset-name sharegpt", "0.6.0", "--dataset {sharegpt}"),
        ("vllm bench throughput --dataset x/ShareGPT.json", "0.8.0", "--dataset-name sharegpt --dataset-path {sharegpt}"),
        ("vllm bench throughput --random-input-len 3 --random-output-len 4", "0.6.0", "--input-len 3 --output-len 4"),
        ("vllm bench throughput", "0.5.1", "--input-len 1024 --output-len 128 --seed {seed} --output-json {output}"),
        ("vllm bench latency --enable-chunked-prefill False", "0.6.6", "--enable-chunked-prefill False"),
        ("vllm bench latency --enable-chunked-prefill False", "0.9.0", "--no-enable-chunked-prefill"),
        ("vllm bench latency --no-enable-prefix-caching", "0.6.5", "--no-enable-prefix-caching"),
        ("vllm bench latency --no-enforce-eager", "0.9.0", "--no-enforce-eager"),
        ("vllm bench latency --enable-chunked-prefill true", "0.6.0", "--enable-chunked-prefill"),
        ("vllm bench latency --speculative-model '[ngram]' --num-speculative-tokens 5", "0.8.2", "--speculative-model [ngram]"),
        ("python benchmark_prefix_caching.py --output-len 2", "0.6.4", "--input-length-range 128:256 --num-prompts 1"),
        ("python -m sglang.bench_serving --dataset-name random", "0.4.6", "--dataset-name random --dataset-path {sharegpt}"),
        ("python -m sglang.bench_one_batch --tp 2 --batch-size 1 8", "0.3.0", "sglang.bench_latency --model-path m --batch-size 1 8"),
        ("python -m sglang.bench_one_batch_server --batch-size 1 8", None, "--model None --base-url http://{host}:{port} --batch-size 1 8"),
        ("python -m sglang.bench_offline_throughput --num-p 1", None, "--result-filename {output} --seed {seed}"),
    ],
)
def test_spellings(command: str, engine: str | None, words: str) -> None:
    assert words in " ".join(resolved(f"{command} --model m", engine).client)


def test_speculative_decoding_as_one_option() -> None:
    options = "--speculative-model '[ngram]' --num-speculative-tokens 5 --ngram-prompt-lookup-max 4"
    found = resolved(f"vllm bench serve --model m {options}", "0.9")
    assert found.server is not None
    assert json.loads(found.server[-1]) == {"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 4}
    assert fill(found.server[-1:], {"num": 1}) == [found.server[-1]]


@pytest.mark.parametrize(
    ("options", "engine", "said"),
    [
        ("--batch-size 2", "0.9", "--batch-size 2: is no option of benchmark_serving"),
        ("--use-v2-block-manager", "0.9", "--use-v2-block-manager: this version of the engine has one block manager"),
        ("--max-concurrency 4", "0.6.0", "--max-concurrency 4: this version of the program has no such option"),
        ("--no-enforce-eager", "0.8.0", "--enforce-eager false: is off unless it is set"),
        ("--profile", "0.9", "--profile: profiling changes the times"),
        ("--tokenizer /mnt/llama", "0.9", "--tokenizer /mnt/llama: it is the one that comes with the model"),
        ("--random-input-len 3", "0.4.2", "--random-input-len 3: this version of the program has no random requests"),
    ],
)
def test_what_is_left_out_says_why(options: str, engine: str, said: str) -> None:
    assert said in map(str, resolved(f"vllm bench serve --model m {options}", engine).left_out)


def test_variables() -> None:
    found = resolved("CUDA_VISIBLE_DEVICES=0 HF_TOKEN=abc A=1 vllm bench serve --model m", "0.9")
    assert (found.variables, found.flush) == ({"A": "1", "VLLM_SERVER_DEV_MODE": "1"}, "/reset_prefix_cache")
    assert [part.what for part in found.left_out] == ["CUDA_VISIBLE_DEVICES=0", "HF_TOKEN"]


def test_the_scripts_own_options_count_more_than_its_version() -> None:
    known = options_in('parser.add_argument("--num-prompts")\nparser.add_argument(\n    "--ignore-eos", action="store_true")')
    workload = EngineWorkload(kind="vllm_serve", command="vllm bench serve --model m --max-concurrency 4", engine="0.6.4")
    found = resolve(workload, rules=NONE, known=known)
    assert "--ignore-eos" in found.client
    assert found.results == "printed"
    assert "--max-concurrency 4: this version of the program has no such option" in map(str, found.left_out)


def test_rules_are_applied_and_said() -> None:
    rules = Rules(
        rules=(
            Rule(model="m", engine="vllm", before="0.5", use="other", reason="it is newer"),
            Rule(model="other", gpus=4, reason="it is large"),
            Rule(tasks=("a" * 8,), requirements=("numpy<2",), reason="it is old"),
        )
    )
    workload = EngineWorkload(kind="vllm_latency", command="vllm bench latency --model m", engine="0.4.2")
    found = resolve(workload, rules=rules, names=("a" * 40,))
    assert (found.model, found.gpus, found.requirements) == ("other", 4, ("numpy<2",))
    assert "--model other" in " ".join(found.client)
    assert "--tensor-parallel-size 4" in " ".join(found.client)
    assert found.applied == (
        "the model is other: it is newer", "with numpy<2: it is old", "the model is shared over 4 GPUs: it is large",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ({"kind": "vllm_latency", "command": "vllm bench serve --model m"}, "a benchmark of the kind 'vllm_serve'"),
        ({"kind": "sglang_serve", "command": "vllm bench serve --model m"}, "measures vllm, and the record is of sglang"),
        ({"kind": "vllm_serve", "command": "vllm bench serve --model /data/m"}, "a folder of another machine"),
        ({"kind": "vllm_serve", "command": "vllm bench serve --model m", "engine": "new"}, "'new' is no version of an engine"),
        ({"kind": "vllm_serve", "command": "vllm bench serve --model m --dataset-path /x/y.json"}, "a file of another machine"),
        ({"kind": "vllm_throughput", "command": "vllm bench throughput --model m --dataset-name hf", "engine": "0.6"}, "unknown to this"),
    ],
)
def test_refused(workload: dict[str, str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        resolve(EngineWorkload.model_validate(workload), rules=NONE)


def test_a_model_beside_the_command() -> None:
    found = resolved("python -m sglang.bench_serving --model /dev/shm/m", model="org/m")
    assert (found.model, found.applied[0]) == ("org/m", "the model is org/m, as the task says, instead of /dev/shm/m")


@given(commands(), st.sampled_from(["0.1.0", "0.4.2", "0.6.6", "0.8.5", "0.10.2", None]))
def test_every_setting_is_run_or_left_out_with_a_reason(command: Command, engine: str | None) -> None:
    try:
        found = resolve(EngineWorkload(kind=command.kind, command=render(command), engine=engine), rules=NONE)
    except CommandError:
        return
    assert all(part.reason for part in found.left_out)
    left_out = [word for part in found.left_out for word in split(part.what)]
    used = [*(found.server or ()), *found.client, *found.variables.values(), *left_out]
    for setting in (*command.settings, *command.server):
        if setting.name not in ("--model", "--backend"):
            values = [value for value in setting.values if value not in ("true", "false")]
            sought = values or [setting.name.removeprefix("--").removeprefix("no-")]
            for value in sought:
                assert any(value in word or json.dumps(value)[1:-1] in word for word in used), setting


def test_stand_ins_are_filled_in() -> None:
    assert fill(["{python}", "http://{host}:{port}", '{"a": {"seed": 1}}', "{other}"], dict.fromkeys(STAND_INS, "x")) == [
        "x", "http://x:x", '{"a": {"seed": 1}}', "{other}",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "version"), [("0.6.3", (0, 6, 3)), ("v0.6.3.post1", (0, 6, 3)), ("0.8.3rc1", (0, 8, 3))])
def test_versions(text: str, version: tuple[int, ...]) -> None:
    assert version_of(text) == version


@pytest.mark.skipif(not DATA.is_dir(), reason="needs iso_bench_data")
def test_recorded_commands_are_resolved() -> None:
    good = 0
    for text in set(recorded()):
        try:
            command = parse(text)
        except CommandError:
            continue
        for engine in ("0.2.7", "0.5.3", "0.7.3", None):
            with contextlib.suppress(CommandError):
                resolve(EngineWorkload(kind=command.kind, command=text, engine=engine))
                good += 1
    assert good > 200


