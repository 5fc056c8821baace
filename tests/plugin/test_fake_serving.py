"""Servers in the fake sandbox: users try their tasks without starting any."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.benchmarks.results import read_results
from pytest_isobench.benchmarks.sanity import refusals
from pytest_isobench.sandboxes.fake_serving import read_job, serving_result

SERVE = {
    "workload": {"kind": "serve", "server": ["serve", "{port}"], "client": ["ask", "{port}", "{seed}", "{output}"]},
    "metric": {"name": "mean_ttft_ms", "unit": "ms"},
}


@given(st.floats(1e-6, 1e4), st.text())
def test_what_it_answers_is_a_sound_result(call: float, text: str) -> None:
    [result] = read_results(json.dumps(serving_result(call, text)).encode())
    assert refusals(result) == []
    assert result.metrics["mean_e2el_ms"] == pytest.approx(call * 1e3)


@pytest.mark.parametrize("stdin", [b"", b"\xff", b"1", b"[1]", b'{"a": 1}'])
def test_other_programs_are_not_taken_for_clients(stdin: bytes) -> None:
    assert read_job(stdin) is None


@pytest.mark.parametrize("metric", [SERVE["metric"], {"name": "output_throughput", "unit": "tok/s", "better": "higher"}])
def test_every_outcome_of_a_server(project, metric) -> None:
    project.tasks({**SERVE, "id": "sort", "metric": metric})
    for name, speed in (("base", 1.0), ("human", 2.0)):
        project.tree(name, speed=speed, noise=0.003)
    agents = {"fake:2.0": "matches", "fake:4.0": "beats", "fake:0.5": "slower", "fake:crash": "crashed", "fake:timeout": "timed_out"}
    project.run("tasks", f"--isobench-agent={','.join(agents)}", "--isobench-timeout=5")
    assert list(project.outcomes().values()) == list(agents.values())
    [first, *_] = project.report()["results"]
    others = [other["metric"]["name"] for other in first["comparison"]["secondary"]]
    assert {"mean_tpot_ms", "request_throughput"} < set(others)
    assert metric["name"] not in others


def test_another_answer_is_incorrect(project) -> None:
    project.tasks({**SERVE, "id": "sort"})
    project.tree("human", speed=2.0, answer="other")
    result = project.run("tasks", "--isobench-agent=fake:2.0", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*the human itself is incorrect: 10 of 10 answers differ*"])


def test_a_metric_that_no_client_measures_is_a_mistake_in_the_task_file(project) -> None:
    project.tasks({**SERVE, "id": "sort", "metric": {"name": "mean_tfft_ms", "unit": "ms"}})
    result = project.run("tasks", "--isobench-agent=fake:2.0")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*mean_tfft_ms*mean_ttft_ms*"])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("field", "items", "reason"),
    [
        ("server", ["serve"], "'server' needs {port} in an item: every start has a port of its own"),
        ("client", ["ask", "{port}", "{output}"], "'client' needs {seed} in an item: every run asks something else"),
        ("client", ["ask", "{port}", "{seed}"], "'client' needs {output} in an item: the client's results are read from that file"),
    ],
)
def test_server_and_client_must_meet(project, field: str, items: list[str], reason: str) -> None:
    project.tasks({**SERVE, "id": "sort", "workload": {**SERVE["workload"], field: items}})
    result = project.run("tasks", "--isobench-agent=fake:2.0")
    assert reason in result.stdout.str()
