"""Servers as candidates: what a round finds of each, with a real server and a real client in the local sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import repository

from pytest_isobench import gpus
from pytest_isobench.benchmarks.results import BenchmarkResult
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.errors import NotEvaluableError, TaskError
from pytest_isobench.gpus import Gpu
from pytest_isobench.models.result import GpuState, Outcome
from pytest_isobench.models.task import Task
from pytest_isobench.models.trial import Trial
from pytest_isobench.models.workload import Serving
from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.testing.gpus import ScriptedInventory
from pytest_isobench.workloads.base import BASELINE, CONTROL, HUMAN, ORACLE, Bench, RoundPlan
from pytest_isobench.workloads.serve import ServeRounds, make_serve
from pytest_isobench.workloads.served import agreement, fault
from pytest_isobench.workloads.server import client_cores, server_cores

RECORD = {
    "id": "words",
    "source": {"kind": "path", "base": "base", "human": "human"},
    "workload": {
        "kind": "serve",
        "server": ["{python}", "server.py", "{port}"],
        "client": ["{python}", "{tree}/bench.py", "{port}", "{seed}", "{output}"],
        "serving": {"runs": 2, "warmups": 1, "ready": 3, "flush": "/flush_cache"},
        "timeout": 30,
    },
    "metric": {"name": "mean_ttft_ms", "unit": "ms"},
}


def task(**workload: object) -> Task:
    return Task.model_validate({**RECORD, "workload": {**RECORD["workload"], **workload}})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("serving")
    repository.write(folder / "base", {})
    repository.write(folder / "human", repository.HUMAN)
    source = make_source(task(), folder, Cache(tmp_path_factory.mktemp("cache")))
    with LocalProvider().open() as sandbox:
        for arm in (ORACLE, BASELINE, CONTROL):
            sandbox.add(arm, source.baseline(), task().environment)
        sandbox.add(HUMAN, source.human(), task().environment)
        for arm, edits in repository.ARMS.items():
            sandbox.add(arm, source.baseline(), task().environment, patch=repository.patch(edits))
        yield Bench(sandbox=sandbox, campaign="c", cores=(), timeout=30.0, logs=folder / "logs")


def play(bench: Bench, *arms: str, rounds: ServeRounds | None = None) -> Mapping[str, Trial]:
    rounds = rounds or make_serve(task(), Path())
    rounds.open(bench, arms, "seed")
    return rounds.play(bench, RoundPlan(index=0, seed="seed", arms=arms))


@pytest.mark.soak
def test_a_round_of_servers(bench: Bench) -> None:
    rounds = make_serve(task(), Path())
    trials = play(bench, "half", HUMAN, "dies", BASELINE, "wrong", "early", "same", "mute", "client", rounds=rounds)
    failures = {arm: (trial.failure.outcome, trial.failure.message) for arm, trial in trials.items() if trial.failure}
    assert {arm: outcome for arm, (outcome, _) in failures.items()} == {
        "half": Outcome.INCORRECT,
        "dies": Outcome.CRASHED,
        "wrong": Outcome.INCORRECT,
        "early": Outcome.INCORRECT,
        "mute": Outcome.TIMED_OUT,
    }
    for arm, words in {
        "half": "3 of 6 requests failed",
        "dies": "the server has ended with status 3",
        "wrong": "6 of 6 answers differ (they agree in",
        "early": "output tokens differ: reference 48, this arm 24",
        "mute": "does not answer /health with status 200 within 3 s",
    }.items():
        assert words in failures[arm][1]
    assert "SystemExit: 3" in failures["dies"][1], "the end of its log"
    human = trials[HUMAN]
    assert (len(human.samples), human.samples) == (2, human.metrics["mean_ttft_ms"])
    assert human.setup is not None
    assert {metric.name: metric.better for metric in rounds.metrics}["output_throughput"] == "higher"
    assert trials["client"].samples[0] > 1e-3, "the client is the baseline's, whatever a patch makes of its own"
    assert bench.logs is not None
    openings = [f"opening-{start}.baseline.log" for start in (1, 2)]
    assert sorted(path.name for path in bench.logs.iterdir()) == sorted([*openings, *(f"0.{arm}.log" for arm in trials)])


def test_a_servers_gpu_memory_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu(index=0, uuid="GPU-0", name="NVIDIA H100", memory_mb=80_000, driver="1")
    states = [GpuState(memory_used_mb=used) for used in (10, 9000, 20, 30)]
    inventory = ScriptedInventory([gpu], {gpu.uuid: states})
    monkeypatch.setattr(gpus, "local_inventory", lambda: inventory)
    monkeypatch.setattr(bench.sandbox, "gpus", (gpu,))
    assert play(bench, BASELINE)[BASELINE].failure is None
    assert inventory.memory_used_mb(gpu) == 30, "it was looked at once before, and until it was back"


MEETING = ("{port}", "{seed}", "{output}")
SEED_AS_TIME = """
import json, sys
times = {f"{statistic}_{span}_ms": int(sys.argv[2]) + 1 for statistic in ("mean", "median") for span in ("ttft", "tpot")}
json.dump({"duration": 1.0, "completed": 1, "request_throughput": 1.0, **times}, open(sys.argv[3], "w"))
"""


def test_every_run_asks_something_else_and_all_arms_the_same(bench: Bench) -> None:
    serving = {"runs": 3, "warmups": 0, "texts": None}
    rounds = make_serve(task(client=["{python}", "-c", SEED_AS_TIME, *MEETING], serving=serving), Path())
    trials = play(bench, BASELINE, HUMAN, rounds=rounds)
    assert trials[BASELINE].samples == trials[HUMAN].samples
    assert len(set(trials[BASELINE].samples)) == 3


@pytest.mark.soak
@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (["{python}", "-c", "raise SystemExit('no tokenizer')"], "the client ended with status 1 and without a result\nno tokenizer"),
        (["{python}", "-c", "import sys; open(sys.argv[3], 'w').write('[')"], "the client's result cannot be used: line 1: is no JSON"),
        (["{python}", "-c", "import sys; open(sys.argv[3], 'w').write('{\"a\": 1}')"], "holds an object with a"),
        (["no-such-client"], "the client ended with status 127 and without a result"),
    ],
)
def test_a_client_that_does_not_work_is_not_the_patch_s_fault(bench: Bench, client: list[str], reason: str) -> None:
    with pytest.raises(NotEvaluableError, match="the baseline itself is crashed") as caught:
        play(bench, BASELINE, rounds=make_serve(task(client=[*client, *MEETING]), Path()))
    assert reason in str(caught.value)


def test_a_metric_that_the_client_does_not_measure(bench: Bench) -> None:
    other = task().model_copy(update={"metric": task().metric.model_copy(update={"name": "p90_e2el_ms"})})
    with pytest.raises(NotEvaluableError, match="the client measures no p90_e2el_ms; it measures: request_throughput, "):
        play(bench, BASELINE, rounds=make_serve(other, Path()))


PICKY = """
import json, sys, urllib.request
name = json.load(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/v1/models"))["data"][0]["id"]
spans = ("ttft", "tpot") if name == "made-up" else ("tpot", "itl")
times = {f"{statistic}_{span}_ms": 1.5 for statistic in ("mean", "median") for span in spans}
json.dump({"duration": 1.0, "completed": 1, "request_throughput": 1.0, **times}, open(sys.argv[3], "w"))
"""


@pytest.mark.soak
def test_who_makes_the_metric_vanish_does_not_take_the_others_with_it(bench: Bench) -> None:
    trials = play(bench, BASELINE, "same", "nameless", rounds=make_serve(task(client=["{python}", "-c", PICKY, *MEETING]), Path()))
    failure = trials["nameless"].failure
    assert failure is not None
    assert (failure.outcome, failure.message.splitlines()[0][:39]) == (Outcome.INCORRECT, "the client measures no mean_ttft_ms; it")
    assert trials["same"].failure is None


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ({"name": "mean_tfft_ms", "unit": "ms"}, "mean_ttft_ms"),
        ({"name": "mean_ttft_ms", "unit": "s"}, "words: mean_ttft_ms is measured in ms, lower is better; the task says s, lower is better"),
        ({"name": "output_throughput", "unit": "tok/s"}, "tok/s, higher is better; the task says tok/s, lower is better"),
    ],
)
def test_a_metric_is_told_rightly(metric: dict[str, str], reason: str) -> None:
    with pytest.raises(TaskError) as caught:
        make_serve(Task.model_validate({**RECORD, "metric": metric}), Path("tasks"))
    assert reason in str(caught.value)


def result(*texts: str, tokens: int = 10) -> BenchmarkResult:
    return BenchmarkResult(
        program="vllm", kind="serving", metrics={"mean_ttft_ms": 1.0}, completed=len(texts), output_tokens=tokens, generated_texts=texts
    )


@pytest.mark.parametrize(
    ("serving", "found", "fine"),
    [
        (Serving(), result("a", "b"), True),
        (Serving(), result("a", "c"), False),
        (Serving(texts=0.5), result("a", "c"), True),
        (Serving(texts=0.5), result("d", "c"), False),
        (Serving(texts=None), result("d", "c"), True),
        (Serving(texts=0.5), result("a"), False),
        (Serving(), result("a", "b", tokens=9), False),
        (Serving(tokens=0.1), result("a", "b", tokens=9), True),
    ],
)
def test_answers_and_work_are_compared(serving: Serving, found: BenchmarkResult, fine: bool) -> None:
    assert (fault([found], [result("a", "b")], serving) is None) is fine


def test_texts_that_nobody_saved_are_not_compared() -> None:
    silent = result("a").model_copy(update={"generated_texts": None})
    assert fault([silent], [silent], Serving()) is None
    assert agreement([silent], [silent]) is None
    assert fault([silent], [result("a")], Serving()) is not None


@pytest.mark.parametrize(
    ("texts", "expected", "fine"), [(1.0, 1.0, False), (1.0, 0.7, True), (0.8, 1.0, False), (0.8, 0.9, True), (0.8, 0.96, False)]
)
def test_nobody_must_agree_more_than_the_baseline_with_itself(texts: float, expected: float, fine: bool) -> None:
    found, wanted = result("abcdefgh--", "abcdefg---"), result("abcdefghij", "abcdefghij")
    assert agreement([found], [wanted]) == pytest.approx(0.75)
    assert (fault([found], [wanted], Serving(texts=texts), expected=expected) is None) is fine


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_agreement_is_a_share_and_has_no_direction(pairs: list[tuple[str, str]]) -> None:
    one, other = (result(*texts) for texts in zip(*pairs, strict=True))
    share = agreement([one], [other])
    assert share is not None
    assert 0 <= share <= 1
    assert share == agreement([other], [one])
    assert (share == 1) is all(left == right for left, right in pairs)


NOISE = """
import json, random, sys
times = {f"{statistic}_{span}_ms": 1.5 for statistic in ("mean", "median") for span in ("ttft", "tpot")}
text = "word " * 20 if len(sys.argv) > 4 else "".join(random.SystemRandom().choices("abcdefgh", k=100))
json.dump({"duration": 1.0, "completed": 1, "request_throughput": 1.0, **times, "generated_texts": [text]}, open(sys.argv[3], "w"))
"""


@pytest.mark.soak
def test_a_baseline_that_never_answers_alike_shows_nothing(bench: Bench) -> None:
    argv = ["{python}", "-c", NOISE, *MEETING]
    with pytest.raises(NotEvaluableError, match=r"two starts of the baseline agree in \d+% of their answers only; make the client ask"):
        play(bench, BASELINE, rounds=make_serve(task(client=argv), Path()))
    trials = play(bench, BASELINE, rounds=make_serve(task(client=[*argv, "steady"]), Path()))
    assert trials[BASELINE].findings == ()
    trials = play(bench, BASELINE, rounds=make_serve(task(client=argv, serving={"texts": None, "warmups": 0}), Path()))
    assert [finding.kind for finding in trials[BASELINE].findings] == ["answers_not_compared"]


@pytest.mark.parametrize(("cores", "server", "client"), [((), (), ()), ((3,), (3,), (3,)), ((0, 1, 2), (0, 1), (2,))])
def test_cores_are_shared_out(cores: tuple[int, ...], server: tuple[int, ...], client: tuple[int, ...]) -> None:
    assert (server_cores(cores), client_cores(cores)) == (server, client)


def test_patches_change_what_they_mean_to() -> None:
    assert json.dumps(repository.patch(repository.HUMAN)).count("+PREFILL_WASTE, DECODE_WASTE = 0, 6") == 1
