"""`isobench parse-log`: a table for each file, and what was refused."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_isobench.cli.main import main

Captured = pytest.CaptureFixture[str]

LATENCY = "Avg latency: 0.5 seconds\n10% percentile latency: 0.4 seconds\n99% percentile latency: 0.6 seconds\n"
THROUGHPUT = "Throughput: 9.20 requests/s, 11770.39 tokens/s\n"
SAVED = {"elapsed_time": 2.0, "num_requests": 10, "total_num_tokens": 1200, "requests_per_second": 5.0, "tokens_per_second": 600.0}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parse(*arguments: str) -> int:
    return main(["parse-log", *arguments])


def test_a_log_is_a_table(capsys: Captured) -> None:
    Path("run.log").write_text(f"noise\n{LATENCY}")
    assert parse("run.log") == 0
    assert capsys.readouterr().out.splitlines() == [
        "run.log: latency benchmark of vllm, lines 2-4",
        "  metric       value  unit  better",
        "  avg_latency  0.5    s     lower",
        "  p10_latency  0.4    s     lower",
        "  p99_latency  0.6    s     lower",
    ]


def test_a_result_file_is_a_table(capsys: Captured) -> None:
    Path("saved").write_text(json.dumps(SAVED))
    assert parse("saved") == 0
    assert capsys.readouterr().out.splitlines() == [
        "saved: throughput benchmark of vllm",
        "  metric                  value  unit   better",
        "  request_throughput      5      req/s  higher",
        "  total_token_throughput  600    tok/s  higher",
        "  10 requests completed, 2 s",
    ]


def test_a_file_that_cannot_be_read_leaves_its_neighbours(capsys: Captured) -> None:
    Path("good.log").write_text(THROUGHPUT)
    Path("bad.log").write_text("nothing\n")
    assert parse("none.log", ".", "bad.log", "good.log") == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[:4] == [
        "none.log: no metrics: cannot be read: No such file or directory",
        ".: no metrics: cannot be read: Is a directory",
        "bad.log: no metrics: no benchmark of vLLM or SGLang printed its summary here",
        "good.log: throughput benchmark of vllm, line 1",
    ]


def test_what_is_refused_is_said(capsys: Captured) -> None:
    Path("saved.jsonl").write_text(f"{json.dumps(SAVED)}\n{{\n{json.dumps({**SAVED, 'requests_per_second': 7.0})}\n")
    Path("cut.log").write_text(LATENCY.rpartition("99%")[0])
    assert parse("saved.jsonl", "cut.log") == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "saved.jsonl: throughput benchmark of vllm, result 1"
    assert printed[5].startswith("saved.jsonl: refused (not_json): line 2: is no JSON: ")
    contradiction = "result 3: request_throughput (7/s) times the duration (2 s) is 14, and not 10"
    assert printed[6] == f"saved.jsonl: refused (contradiction): {contradiction}"
    assert printed[7:] == [
        "cut.log: no metrics",
        "cut.log: refused (cut_block): lines 1-2: its end is missing: it has percentiles, and not the 99th",
    ]


def test_notes_say_what_does_not_count(capsys: Captured) -> None:
    Path("run.log").write_text(f"{THROUGHPUT}other\n{THROUGHPUT}")
    assert parse("run.log") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "run.log: line 3: says again what line 1 says"


def test_json(capsys: Captured) -> None:
    Path("run.log").write_text(THROUGHPUT)
    assert parse("--json", "run.log", "none.log") == 1
    good, bad = json.loads(capsys.readouterr().out)
    (result,) = good.pop("results")
    assert good == {"file": "run.log", "refused": [], "notes": [], "reason": ""}
    assert (result["kind"], result["program"], result["place"]) == ("throughput", "vllm", "line 1")
    assert result["metrics"]["request_throughput"] == {"value": 9.2, "unit": "req/s", "better": "higher"}
    assert (bad["results"], bad["reason"]) == ([], "cannot be read: No such file or directory")


@pytest.mark.parametrize(("data", "kind"), [(LATENCY, "latency"), (json.dumps(SAVED), "throughput")])
def test_standard_input(data: str, kind: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data.encode()))))  # type: ignore[arg-type]
    assert parse("-") == 0
    assert capsys.readouterr().out.startswith(f"-: {kind} benchmark of vllm")


def test_a_log_commands_no_terminal(capsys: Captured) -> None:
    Path("run\x1b[2J.log").write_text("\x1b[2J\n")
    assert parse("run\x1b[2J.log") == 1
    assert "\x1b" not in capsys.readouterr().out
