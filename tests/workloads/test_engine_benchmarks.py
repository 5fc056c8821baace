"""From an engine's command line to a workload: the project's rules, what the machine must have, and every task that comes along."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving import repository

from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.errors import NotEvaluableError, TaskError
from pytest_isobench.models.task import Task
from pytest_isobench.models.workload import Serving
from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.workloads.base import BASELINE, HUMAN, ORACLE, Bench, RoundPlan
from pytest_isobench.workloads.engine import MODELS, SHAREGPT, equipped, make_engine
from pytest_isobench.workloads.reported import ReportedRounds
from pytest_isobench.workloads.serve import ServeRounds

TASKS = Path(__file__).parents[2] / "tasks"
SERVE = "python benchmarks/benchmark_serving.py --model facebook/opt-125m --num-prompts 100 --max-model-len 2048 --port 8000"
LATENCY = "python benchmarks/benchmark_latency.py --model facebook/opt-125m --batch-size 2"


def task(command: str = SERVE, kind: str = "vllm_serve", *, metric: str = "mean_ttft_ms", unit: str = "ms", **fields: object) -> Task:
    source = {"kind": "git", "repository": "https://vllm.example/vllm", "human": "22d33baca2c0c639cfd45c48e99803e56c3efa74"}
    record = {"id": "vllm-22d33bac", "source": source, "workload": {"kind": kind, "command": command, "engine": "0.8.1"}}
    return Task.model_validate({**record, "metric": {"name": metric, "unit": unit}, **fields})


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", SHAREGPT, MODELS):
        monkeypatch.delenv(name, raising=False)


def test_a_serving_benchmark_is_a_server_and_a_client(tmp_path: Path) -> None:
    made = make_engine(task(), tmp_path)
    assert isinstance(made, ServeRounds)
    server, _, client = made.command.partition(" & ")
    assert "--max-model-len 2048" in server
    assert "--num-prompts 100" in client
    assert "--seed '{seed}'" in client
    assert "8000" not in made.command
    assert any("--port 8000" in finding.message for finding in made._findings()), "what is left out is said"


def test_an_offline_benchmark_times_itself(tmp_path: Path) -> None:
    assert isinstance(make_engine(task(LATENCY, "vllm_latency", metric="avg_latency", unit="s"), tmp_path), ReportedRounds)


def test_the_command_is_the_same_for_all_and_part_of_the_identity(tmp_path: Path) -> None:
    one, other = make_engine(task(), tmp_path), make_engine(task(f"{SERVE} --dtype float16"), tmp_path)
    assert one.digest == make_engine(task(), tmp_path).digest != other.digest


def test_rules_of_the_project_count_for_all_arms(tmp_path: Path) -> None:
    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "overrides.yaml").write_text(
        "version: 1\nbenchmarks:\n  rules:\n"
        "  - {model: facebook/opt-125m, use: our/opt, reason: we have a copy}\n"
        "  - {model: our/opt, gpus: 2, reason: it is large}\n"
        "  - {engine: vllm, tasks: [22d33bac], requirements: ['numpy<2'], reason: it needs it}\n"
    )
    folder = tmp_path / "tasks" / "mine"
    folder.mkdir(parents=True)
    made = make_engine(task(), folder)
    assert "our/opt" in made.command
    ready = equipped(task(resources={"gpus": 1}, environment={"requirements": ["numpy<2", "torch"]}), folder)
    assert (ready.resources.gpus, ready.environment.requirements) == (2, ("numpy<2", "torch"))
    assert equipped(task(), folder).environment.requirements == ("numpy<2",)
    assert equipped(task(), folder).resources.gpus == 0, "a task that asks for no GPU is one for machines without"


def test_a_task_without_an_engine_is_as_it_was(tmp_path: Path) -> None:
    source = {"kind": "path", "base": "b", "human": "h"}
    plain = Task.model_validate({"id": "t", "source": source, "workload": {"kind": "python", "code": "x"}})
    assert equipped(plain, tmp_path) is plain


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("python benchmarks/benchmark_serving.py --model MODEL", "MODEL"),
        ("python benchmarks/benchmark_serving.py --model facebook/opt-125m --num-promts 3", "--num-prompts"),
        (LATENCY, "vllm_latency"),
    ],
)
def test_a_command_that_cannot_be_used(tmp_path: Path, command: str, reason: str) -> None:
    with pytest.raises(TaskError, match=r"workload\.command: vllm-22d33bac: ") as caught:
        make_engine(task(command), tmp_path)
    assert reason in str(caught.value)
    with pytest.raises(TaskError):
        equipped(task(command), tmp_path)


def test_a_metric_that_it_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="mean_ttft_ms"):
        make_engine(task(metric="mean_tfft_ms"), tmp_path)


def test_a_gated_model_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gated = task(SERVE.replace("facebook/opt-125m", "meta-llama/Llama-3.2-1B-Instruct"))
    with pytest.raises(NotEvaluableError, match=r"meta-llama/Llama-3.2-1B-Instruct is given only to .* set HF_TOKEN"):
        make_engine(gated, tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert "hf_x" not in make_engine(gated, tmp_path).command


def test_the_sharegpt_file_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = task(f"{SERVE} --dataset-name sharegpt")
    with pytest.raises(NotEvaluableError, match=f"--isobench-mount=FOLDER:/data.* set {SHAREGPT}"):
        make_engine(shared, tmp_path)
    monkeypatch.setenv(SHAREGPT, "/data/sharegpt.json")
    assert "/data/sharegpt.json" in make_engine(shared, tmp_path).command


def test_models_are_found_where_they_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "HF_HOME" not in make_engine(task(), tmp_path).command
    monkeypatch.setenv(MODELS, "/models")
    assert make_engine(task(), tmp_path).command.startswith("HF_HOME=/models HF_HUB_OFFLINE=1 ")
    offline = make_engine(task(LATENCY, "vllm_latency", metric="avg_latency", unit="s"), tmp_path)
    assert offline._format.variables["HF_HOME"] == "/models"  # type: ignore[attr-defined]


API_SERVER = """
import runpy, sys
assert sys.argv[sys.argv.index("--max-model-len") + 1] == "2048"
sys.argv = ["server.py", sys.argv[sys.argv.index("--port") + 1]]
runpy.run_path("server.py", run_name="__main__")
"""
BENCHMARK_SERVING = """
import argparse, os, runpy, sys
parser = argparse.ArgumentParser()
for option in ("--backend", "--model", "--host", "--port", "--dataset-name", "--num-prompts", "--seed", "--result-dir", "--result-filename",
               "--random-input-len", "--random-output-len", "--percentile-metrics", "--endpoint"):
    parser.add_argument(option)
parser.add_argument("--save-result", action="store_true")
args = parser.parse_args()
sys.argv = ["bench.py", args.port, args.seed, os.path.join(args.result_dir, args.result_filename)]
runpy.run_path("bench.py", run_name="__main__")
"""
"""It has fewer options than its version should have: what it lacks is left out, with the reason."""


@pytest.mark.soak
def test_an_engine_is_served_and_asked(tmp_path: Path) -> None:
    for name, edits in (("base", {}), ("human", repository.HUMAN)):
        tree = repository.write(tmp_path / name, edits)
        files = {"vllm/entrypoints/openai/api_server.py": API_SERVER, "benchmarks/benchmark_serving.py": BENCHMARK_SERVING}
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True)
            (tree / path).write_text(text)
    served = task(source={"kind": "path", "base": "base", "human": "human"})
    workload = served.workload.model_copy(update={"serving": Serving(flush="/flush_cache")})
    served = served.model_copy(update={"workload": workload})
    source = make_source(served, tmp_path, Cache(tmp_path / "cache"))
    with LocalProvider().open() as sandbox:
        for arm, version in ((ORACLE, source.baseline()), (BASELINE, source.baseline()), (HUMAN, source.human())):
            sandbox.add(arm, version, served.environment)
        bench = Bench(sandbox=sandbox, campaign="c", cores=(), timeout=60.0)
        work = make_engine(served, tmp_path)
        before = work.command
        work.open(bench, (BASELINE, HUMAN), "seed")
        trials = work.play(bench, RoundPlan(index=0, seed="s", arms=(BASELINE, HUMAN)))
    assert "--ignore-eos" in before
    assert "--ignore-eos" not in work.command
    assert trials[HUMAN].samples[0] < trials[BASELINE].samples[0]
    assert {"mean_tpot_ms", "request_throughput"} < trials[HUMAN].metrics.keys()
    assert [finding.kind for finding in trials[HUMAN].findings] == ["command_changed"]


@pytest.mark.parametrize("name", ["vllm.yaml", "sglang.yaml"])
def test_every_task_that_comes_along_can_be_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_TOKEN", SHAREGPT):
        monkeypatch.setenv(variable, "x")
    tasks = [stub.load() for stub in read_stubs(TASKS / name)]
    assert tasks
    for found in tasks:
        ready = equipped(found, TASKS)
        made = make_engine(ready, TASKS)
        assert found.workload.kind != "python"
        model = found.workload.model if hasattr(found.workload, "model") and found.workload.model else ""
        assert model in made.command
        assert ready.resources.gpus >= 1
