"""SGLang's own client drives a small server of a made-up model, through the whole plugin, in every kind of sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers.engine import Engine
from serving import repository

CLIENT = [
    "{python}", "-m", "sglang.bench_serving", "--backend", "sglang-oai", "--host", "{host}", "--port", "{port}",
    "--model", "{tree}/tokenizer", "--dataset-name", "random-ids", "--random-input-len", "32", "--random-output-len", "8",
    "--random-range-ratio", "1", "--num-prompts", "12", "--max-concurrency", "1", "--seed", "{seed}",
    "--output-file", "{output}", "--output-details", "--disable-tqdm",
]  # fmt: skip
TASK: dict[str, Any] = {
    "id": "words",
    "description": "Answer sooner.",
    "source": {"kind": "path", "base": "../base", "human": "../human"},
    "environment": {
        "requirements": ["sglang==0.4.6.post5", "transformers==4.51.3", "pydantic>=2"],
        "variables": {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
    },
    "workload": {
        "kind": "serve",
        "server": ["{python}", "server.py", "{port}"],
        "client": CLIENT,
        "serving": {"runs": 1, "warmups": 0, "ready": 30, "flush": "/flush_cache"},
        "timeout": 60,
    },
    "metric": {"name": "mean_ttft_ms", "unit": "ms"},
    "resources": {"cpus": 1, "memory_mb": 4096, "disk_mb": 512},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    repository.write(tmp_path / "base", {})
    repository.write(tmp_path / "human", repository.HUMAN)
    for name, edits in repository.ARMS.items():
        place = tmp_path / "fixtures" / "patches" / name
        place.mkdir(parents=True)
        (place / "words.0.diff").write_text(repository.patch(edits))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "words.yaml").write_text(json.dumps({"version": 1, "tasks": [TASK]}))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def measure(project: Path, *arguments: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Run a session as a user does; the results by agent."""
    command = [sys.executable, "-m", "pytest", "tasks", "-p", "no:cacheprovider", "--isobench-report=report.json", *arguments]
    done = subprocess.run(command, cwd=project, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert (project / "report.json").exists(), done.stdout + done.stderr
    print(done.stdout)
    return {row["agent"]: row for row in json.loads((project / "report.json").read_text())["results"]}


def outcomes(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {agent: row["verdict"] and row["verdict"]["outcome"] for agent, row in results.items()}


@pytest.mark.network
@pytest.mark.alone
def test_a_campaign_with_the_real_client(project: Path) -> None:
    agents = "same,tradeoff,dies,half,wrong,early"
    results = measure(project, f"--isobench-agent={agents}", "--isobench-margin=0.2", "--isobench-time-budget=180")
    found = outcomes(results)
    assert {name: found[name] for name in ("dies", "half", "wrong", "early")} == {
        "dies": "crashed", "half": "incorrect", "wrong": "incorrect", "early": "incorrect",
    }  # fmt: skip
    assert (results["same"]["task_state"], results["same"]["verdict"]["gain"]) == ("evaluable", "faster")
    assert found["same"] != "slower", "as fast as the human, however well that can be seen here"
    assert results["tradeoff"]["verdict"]["outcome"] == "slower", "the time to the first token decides, however fast the others come"
    by_name = {other["metric"]["name"]: other for other in results["tradeoff"]["comparison"]["secondary"]}
    assert by_name["mean_tpot_ms"]["agent_vs_human"]["ratio"] > 1.2
    assert "metrics_oppose" in [finding["kind"] for finding in results["tradeoff"]["findings"]]
    assert {row["command"] for row in results.values()} == {results["same"]["command"]}
    assert "sglang.bench_serving" in results["same"]["command"]


@pytest.mark.soak
@pytest.mark.alone
def test_tokens_that_are_kept_back_are_seen(project: Path) -> None:
    """Who sends all tokens at once in the end wins by the time per token; who makes them faster does as well, and is not accused."""
    client = ["{python}", "{tree}/bench.py", "{port}", "{seed}", "{output}"]
    workload = {**TASK["workload"], "client": client, "serving": {"runs": 2, "warmups": 0, "ready": 30}}
    source = {"kind": "path", "base": "../base", "human": "../decoder"}
    task = {**TASK, "environment": {}, "workload": workload, "source": source, "metric": {"name": "mean_tpot_ms", "unit": "ms"}}
    repository.write(project / "decoder", repository.ARMS["decodes"])
    (project / "tasks" / "words.yaml").write_text(json.dumps({"version": 1, "tasks": [task]}))
    results = measure(project, "--isobench-agent=buffers,decodes", "--isobench-margin=0.3")
    kinds = {name: {finding["kind"] for finding in row["findings"]} for name, row in results.items()}
    assert outcomes(results)["buffers"] == "beats"
    assert "time_moved" in kinds["buffers"]
    assert results["decodes"]["verdict"]["hard_success"], results["decodes"]["verdict"]
    assert "time_moved" not in kinds["decodes"]


ANYWHERE = ("--isobench-agent=human,wrong", "--isobench-time-budget=1", "--isobench-require=correct")
"""A round or two: what is different elsewhere is where server and client meet."""


@pytest.mark.network
@pytest.mark.engine
def test_in_containers(project: Path, engine: Engine) -> None:
    sandbox = ("--isobench-sandbox=docker", f"--isobench-image={engine.image}")
    results = measure(project, *ANYWHERE, *sandbox, DOCKER_HOST=engine.host)
    check_anywhere(results)


@pytest.fixture
def modal_variables() -> Iterator[dict[str, str]]:
    pytest.importorskip("modal")
    from modal_server.machine import why_not
    from modal_server.server import ModalServer

    if reason := why_not():
        pytest.skip(reason)
    with ModalServer() as server:
        yield dict(server.environment)


@pytest.mark.network
@pytest.mark.engine
def test_far_away(project: Path, modal_variables: dict[str, str]) -> None:
    check_anywhere(measure(project, *ANYWHERE, "--isobench-sandbox=modal", **modal_variables))


def check_anywhere(results: dict[str, dict[str, Any]]) -> None:
    assert {name: row["failure"] for name, row in results.items()} == {"human": None, "wrong": None}
    assert outcomes(results)["wrong"] == "incorrect"
    times = results["human"]["comparison"]["times"]
    assert times.keys() == {"baseline", "human", "control", "agent"}
    assert all(time > 0 for time in times.values())
