"""Offline benchmarks of engines, played with small programs that have their options and their output."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import NotEvaluableError, TaskError
from pytest_isobench.models.result import Outcome
from pytest_isobench.models.task import Environment, Task
from pytest_isobench.registry import default_registry
from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.workloads.base import Bench, RoundPlan

SLOW = "import time\n\ndef generate(tokens):\n    time.sleep(0.03)\n    return tokens\n"
FAST = SLOW.replace("0.03", "0.005")
LATENCY = """
import argparse, json, time
import package
parser = argparse.ArgumentParser()
for name in ("model", "seed", "output-json"):
    parser.add_argument(f"--{name}")
for name in ("input-len", "output-len", "batch-size", "num-iters"):
    parser.add_argument(f"--{name}", type=int)
args = parser.parse_args()
times = []
for _ in range(args.num_iters):
    begin = time.perf_counter()
    package.generate(args.output_len)
    times.append(time.perf_counter() - begin)
percentiles = {str(which): sorted(times)[len(times) * which // 100] for which in (10, 25, 50, 75, 90)}
percentiles["99"] = max(times)
with open(args.output_json, "w") as file:
    json.dump({"avg_latency": sum(times) / len(times), "latencies": times, "percentiles": percentiles}, file)
"""
THROUGHPUT = """
import argparse, json, time
import package
parser = argparse.ArgumentParser()
for name in ("model", "seed", "output-json"):
    parser.add_argument(f"--{name}")
for name in ("input-len", "output-len", "num-prompts"):
    parser.add_argument(f"--{name}", type=int)
args = parser.parse_args()
begin = time.perf_counter()
made = package.generate(args.output_len) * args.num_prompts
taken = time.perf_counter() - begin
tokens = args.input_len * args.num_prompts + made
with open(args.output_json, "w") as file:
    json.dump({"elapsed_time": taken, "num_requests": args.num_prompts, "total_num_tokens": tokens,
        "requests_per_second": args.num_prompts / taken, "tokens_per_second": tokens / taken}, file)
"""
CACHING = """
import argparse, time
import package
parser = argparse.ArgumentParser()
parser.add_argument("--model")
parser.add_argument("--seed")
args, _ = parser.parse_known_args()
for words in ("------warm up------", "------start generating------"):
    print(words)
    begin = time.time()
    package.generate(3)
    print(f"cost time {time.time() - begin}")
"""
SCRIPTS = {"benchmark_latency": LATENCY, "benchmark_throughput": THROUGHPUT, "benchmark_prefix_caching": CACHING}
LENGTHS = "--input-len 8 --output-len 4"
METRICS = {
    "vllm_latency": {"name": "avg_latency", "unit": "s", "better": "lower"},
    "vllm_throughput": {"name": "total_token_throughput", "unit": "tok/s", "better": "higher"},
    "prefix_caching": {"name": "cost_time", "unit": "s", "better": "lower"},
}
COMMANDS = {
    "vllm_latency": f"python benchmarks/benchmark_latency.py --model facebook/opt-125m {LENGTHS} --batch-size 2 --num-iters 3",
    "vllm_throughput": f"python benchmarks/benchmark_throughput.py --model facebook/opt-125m {LENGTHS} --num-prompts 5",
    "prefix_caching": "python benchmarks/benchmark_prefix_caching.py --model facebook/opt-125m --enable-prefix-caching",
}


def workload(kind: str, folder: Path = Path(), **fields: object):
    source = {"kind": "path", "base": "base", "human": "human"}
    given = {"kind": kind, "command": COMMANDS[kind], "engine": "0.6.4", **fields}
    task = Task.model_validate({"id": "t", "source": source, "workload": given, "metric": METRICS[kind]})
    return default_registry().workloads[kind](task, folder)


@pytest.fixture
def engines(tmp_path, environment):
    """Make a bench whose arms hold the benchmarks beside the package."""
    with LocalProvider().open() as sandbox:

        def place(**arms: str) -> Bench:
            for arm, text in {"oracle": arms["baseline"], **arms}.items():
                (tmp_path / arm / "benchmarks").mkdir(parents=True)
                (tmp_path / arm / "package.py").write_text(text)
                for name, script in SCRIPTS.items():
                    (tmp_path / arm / "benchmarks" / f"{name}.py").write_text("raise SystemError" if arm == "changes" else script)
                sandbox.add(arm, Version(label=arm, tree=tmp_path / arm, environment=environment, digest=arm), Environment())
            return Bench(sandbox=sandbox, campaign="campaign", cores=(0,), timeout=20)

        yield place


def play(bench, work, *arms):
    work.open(bench, arms, "seed")
    return work.play(bench, RoundPlan(index=0, seed="s", arms=arms))


@pytest.mark.soak
@pytest.mark.parametrize("kind", COMMANDS)
def test_a_benchmark_is_resolved_run_and_read(engines, kind):
    place = engines(baseline=SLOW, human=FAST, changes=FAST, broken="raise OSError('no such device')")
    work = workload(kind)
    trials = play(place, work, "baseline", "human", "changes", "broken")
    slow, fast = (trials[arm].samples[0] for arm in ("baseline", "human"))
    assert slow > 2 * fast if METRICS[kind]["better"] == "lower" else fast > 2 * slow
    assert METRICS[kind] in [metric.model_dump() for metric in work.metrics]
    assert trials["changes"].failure is None
    assert trials["broken"].failure.outcome is Outcome.CRASHED
    for arm in ("baseline", "human", "changes"):
        assert 0 < trials[arm].metrics["reported"][0] < trials[arm].metrics["wall"][0]
    assert "self_reported" in [finding.kind for finding in trials["human"].findings]


def test_who_puts_out_less_has_done_other_work(engines):
    place = engines(baseline=SLOW, agent=FAST.replace("return tokens", "return 1"))
    trials = play(place, workload("vllm_throughput"), "baseline", "agent")
    assert trials["agent"].failure.outcome is Outcome.INCORRECT
    assert "total_tokens" in trials["agent"].failure.message


def test_another_metric_than_the_benchmark_measures_is_the_tasks_fault(engines, tmp_path):
    task = Task.model_validate(
        {
            "id": "t",
            "source": {"kind": "path", "base": "base", "human": "human"},
            "workload": {"kind": "vllm_latency", "command": COMMANDS["vllm_latency"], "engine": "0.6.4"},
            "metric": {"name": "mean_ttft_ms", "unit": "ms", "better": "lower"},
        }
    )
    work = default_registry().workloads["vllm_latency"](task, tmp_path)
    with pytest.raises(NotEvaluableError, match="measures no mean_ttft_ms"):
        work.open(engines(baseline=SLOW), ["baseline"], "seed")


@pytest.mark.parametrize("command", ["python other.py", COMMANDS["vllm_throughput"]])
def test_a_command_that_cannot_be_resolved_is_the_tasks_fault(tmp_path, command):
    with pytest.raises(TaskError):
        workload("vllm_latency", tmp_path, command=command)
