"""Command lines of benchmarks: every shape that people write down, and a reason for what cannot be run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.benchmarks.arguments import DTYPES, Setting
from pytest_isobench.benchmarks.commands import Command, parse, render
from pytest_isobench.benchmarks.options import Option
from pytest_isobench.benchmarks.programs import ENGINES, PROGRAMS
from pytest_isobench.errors import CommandError

DATA = Path(__file__).parents[2] / ".." / "shared" / "iso_bench_data"


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("python benchmarks/benchmark_serving.py", "benchmark_serving"),
        ("python3.10 /home/me/vllm/benchmarks/benchmark_latency.py", "benchmark_latency"),
        ("python benchmark/benchmark_latency.py", "benchmark_latency"),
        ("./benchmark_throughput.py", "benchmark_throughput"),
        ("VLLM_USE_V1=1 python -u benchmark_prefix_caching.py", "benchmark_prefix_caching"),
        ("vllm bench serve", "benchmark_serving"),
        ("vllm bench latency", "benchmark_latency"),
        ("python -m vllm.entrypoints.cli.main bench throughput", "benchmark_throughput"),
        ("python3 -m sglang.bench_serving", "bench_serving"),
        ("python3 bench_serving.py", "bench_serving"),
        ("python -m sglang.bench_one_batch", "bench_one_batch"),
        ("python -m sglang.bench_latency", "bench_one_batch"),
        ("python -m sglang.bench_one_batch_server", "bench_one_batch_server"),
        ("time python -m sglang.bench_offline_throughput", "bench_offline_throughput"),
    ],
)
def test_programs(line: str, program: str) -> None:
    command = parse(f"{line} --model org/name")
    assert (command.program, command.model, command.left_out) == (program, "org/name", ())


@pytest.mark.parametrize(
    ("program", "written", "meant"),
    [
        ("bench_serving", "--num-prompt 3", ("--num-prompts", "3")),
        ("bench_offline_throughput", "--num-p 3", ("--num-prompts", "3")),
        ("bench_serving", "--random-input 5", ("--random-input-len", "5")),
        ("bench_serving", "--random-range 1", ("--random-range-ratio", "1")),
        ("bench_serving", "--num_prompts=3", ("--num-prompts", "3")),
        ("bench_serving", "--disable-radix", ("--disable-radix-cache",)),
        ("bench_one_batch", "--tp 8", ("--tensor-parallel-size", "8")),
        ("bench_one_batch", "--batch-size 1 16 64", ("--batch-size", "1", "16", "64")),
        ("benchmark_latency", "-tp 4", ("--tensor-parallel-size", "4")),
        ("benchmark_latency", "-tp=4", ("--tensor-parallel-size", "4")),
        ("benchmark_latency", "-q fp8", ("--quantization", "fp8")),
        ("benchmark_latency", "-O3", ("--compilation-config", "3")),
        ("benchmark_latency", "--enable-chunked-prefill False --n 2", ("--enable-chunked-prefill", "false")),
        ("benchmark_latency", "--enable-chunked-prefill --n 2", ("--enable-chunked-prefill",)),
        ("benchmark_latency", "--speculative-model '[ngram]'", ("--speculative-model", "[ngram]")),
        ("benchmark_serving", "--request-rate inf", ("--request-rate", "inf")),
        ("benchmark_serving", "--batch-size 2", ("--batch-size", "2")),
    ],
)
def test_spellings(program: str, written: str, meant: tuple[str, ...]) -> None:
    command = parse(f"python {program}.py --model m {written}")
    assert Setting(meant[0], meant[1:]) in command.settings


def test_a_line_that_starts_the_server_as_well() -> None:
    command = parse(
        "cd vllm && VLLM_USE_V1=1 vllm serve org/name --max-model-len 2048 > server.log 2>&1 & sleep 60;\n"
        "export B=2 && python benchmarks/benchmark_serving.py \\\n  --num-prompts 10 | tee out.log"
    )
    assert (command.model, dict(command.variables)) == ("org/name", {"VLLM_USE_V1": "1", "B": "2"})
    assert [setting.name for setting in command.server] == ["--model", "--max-model-len"]
    assert [part.what for part in command.left_out] == ["cd vllm", "'>' server.log", "'2>&1'", "sleep 60", "tee out.log"]


def test_the_last_of_several_counts() -> None:
    command = parse("vllm bench serve --model m --num-prompts 1 --num-prompts 2")
    assert (command.value("--num-prompts"), [str(part) for part in command.left_out]) == ("2", ["--num-prompts 1: is given again later"])


@pytest.mark.parametrize(
    ("options", "gpus"),
    [("", 1), ("-tp 4", 4), ("--tensor-parallel-size 2 --pipeline-parallel-size 3", 6), ("--tensor-parallel-size 0", 1)],
)
def test_gpus(options: str, gpus: int) -> None:
    assert parse(f"python benchmark_latency.py --model m {options}").gpus == gpus


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "it is null"),
        (7, "a command is text, not int"),
        ("", "is empty"),
        ("N/A", "no known benchmark"),
        ("python moe_mem.py", "'moe_mem.py' is no known benchmark; known: benchmark_serving"),
        ("python benchmark_throughput_cache.py --model m", "did you mean 'benchmark_throughput'?"),
        ("python -m lmeval", "no known benchmark"),
        ("python", "starts no known benchmark"),
        ("vllm chat", "starts no known benchmark"),
        ("vllm serve m", "starts a server and no benchmark"),
        ("python benchmark_latency.py --batch-size 4", "no model is named: add --model MODEL"),
        ("python benchmark_latency.py --model MODEL", "placeholder 'MODEL'"),
        ("python benchmark_latency.py --model <model>", "--model lacks its value"),
        ("python benchmark_latency.py --model '<model>'", "placeholder"),
        ("python benchmark_latency.py --model m --batch-size BS", "--batch-size takes a whole number, not 'BS'"),
        ("python benchmark_latency.py --model m --input-len INPUT_LEN", "placeholder 'INPUT_LEN'"),
        ("python benchmark_latency.py --model m [--use-v2-block-manager]", "'[--use-v2-block-manager]' is a placeholder"),
        ("python benchmark_latency.py --model m extra", "'extra' belongs to no option"),
        ("python benchmark_latency.py --model m --inputlen 4", "unknown option '--inputlen' (did you mean '--input-len'?)"),
        ("python benchmark_latency.py --model m --num-iters", "--num-iters lacks its value: a whole number"),
        ("python benchmark_latency.py --model m --num 3", "may be any of"),
        ("python benchmark_latency.py --model m --n=", "--n takes a whole number, not ''"),
        ("python benchmark_serving.py --model m --request-rate nan", "--request-rate takes a number, not 'nan'"),
        ("python benchmark_latency.py --model m --use-beam-search=1", "stands alone"),
        ("python benchmark_latency.py --model m --dtype float8", "did you mean 'float'?"),
        ("python benchmark_serving.py --model m --backend tgi", "no way to ask vllm"),
        ("python benchmark_latency.py --model $MODEL", "filled in by a shell"),
        ("vllm bench serve --model m && vllm bench latency --model m", "starts two benchmarks"),
        ("python -m sglang.launch_server --model m & vllm bench serve --model m", "does not ask the sglang server"),
        ("vllm bench serve --model m || true", "needs a shell"),
    ],
)
def test_refused(text: object, said: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(text)
    assert said in str(caught.value)


def test_a_command_of_the_other_engine() -> None:
    with pytest.raises(CommandError, match="benchmark_serving measures vllm, and the record is of sglang"):
        parse("python benchmarks/benchmark_serving.py --model m", engine="sglang")


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(lambda text: f"w{text}")
VALUES = {
    "text": WORDS, "json": st.just('{"a": 1}'), "int": st.integers(-9, 9).map(str), "float": st.sampled_from(["1", "0.5", "inf", "-2"]),
    "bool": st.sampled_from(["true", "false"]),
}  # fmt: skip
LISTS = {"ints": "int", "floats": "float", "texts": "text"}
VARIABLES = st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), st.text("ab =$'&"), max_size=2)
CHOICES = {"--dtype": st.sampled_from(DTYPES), "--backend": st.sampled_from(["vllm", "openai"])}


def settings_of(option: Option) -> st.SearchStrategy[Setting]:
    if option.takes == "flag":
        return st.just(Setting(option.name))
    value = CHOICES.get(option.name, VALUES[LISTS.get(option.takes, option.takes)])
    least, most = 0 if option.takes == "bool" else 1, 3 if option.takes in LISTS else 1
    return st.lists(value, min_size=least, max_size=most).map(lambda values: Setting(option.name, tuple(values)))


@st.composite
def commands(draw: st.DrawFn) -> Command:
    program = draw(st.sampled_from([program for program in PROGRAMS.values() if program.engine == "vllm"]))
    names = {option.name: option for option in [*program.inner.values(), *program.own.values()]}
    chosen = draw(st.lists(st.sampled_from(sorted(names.keys() - {"--model"})), unique=True, max_size=6))
    server = draw(st.lists(st.sampled_from(sorted(ENGINES["vllm"])), unique_by=lambda name: ENGINES["vllm"][name].name, max_size=4))
    return Command(
        program=program.name,
        settings=(Setting("--model", ("org/name",)), *(draw(settings_of(names[name])) for name in chosen)),
        server=tuple(draw(settings_of(ENGINES["vllm"][name])) for name in server) if program.serves else (),
        variables=tuple(sorted(draw(VARIABLES).items())),
    )


@given(commands())
def test_it_reads_what_it_writes(command: Command) -> None:
    assert parse(render(command)) == command


PIECES = st.sampled_from(
    ["python", "-m", "vllm", "bench", "serve", "sglang.bench_serving", "benchmark_latency.py", "--model", "m", "--n", "-tp", "4", "--", "-",
     "&&", "&", ">", "|", ";", "$X", "[x]", "--num-prompts=2", "=", "A=1", "'", '"', "\\", "\n", "env", "#", "--=", "-O", "--no"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(), max_size=12), st.sampled_from([" ", ""]))
def test_nothing_else_is_ever_raised(pieces: list[str], between: str) -> None:
    with contextlib.suppress(CommandError):
        command = parse(between.join(pieces))
        assert command.model
        assert command.gpus > 0


def recorded() -> Iterator[str]:
    for path in sorted((DATA / "mappings").glob("*.json")):
        found = json.loads(path.read_text())
        records = found.values() if isinstance(found, dict) else found
        yield from (record["perf_command"] for record in records if isinstance(record, dict) and record.get("perf_command"))


@pytest.mark.skipif(not DATA.is_dir(), reason="needs iso_bench_data")
def test_recorded_commands_are_read_but_for_those_that_say_why_not() -> None:
    good, refused = 0, set[str]()
    for text in recorded():
        try:
            command = parse(text)
            assert parse(render(command)) == command
            good += 1
        except CommandError as error:
            refused.add(str(error))
    assert good > 10 * len(refused) > 0
    assert all(len(reason) > 20 for reason in refused)
