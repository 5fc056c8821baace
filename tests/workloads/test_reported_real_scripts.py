"""The contract of ISO-Bench's scripts, against those that were really generated, and what they really printed."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_isobench.models.workload import ReportedWorkload
from pytest_isobench.workloads.fetched import Fetched
from pytest_isobench.workloads.formats.base import BadReportError
from pytest_isobench.workloads.formats.scripts import PREFIX, IsoBenchFormat

DATA = Path(__file__).parents[3] / "shared" / "iso_bench_data"
FUNCTIONS = {"setup", "experiment", "store_result", "load_result", "check_equivalence", "run_test"}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the folder iso_bench_data is not here")


@pytest.fixture
def made(tmp_path):
    def make(source: str) -> IsoBenchFormat:
        (tmp_path / "script.py").write_text(source)
        return IsoBenchFormat(ReportedWorkload(kind="reported", format="isobench", file="script.py"), tmp_path)

    return make


def entry_of(source: str) -> ast.Module:
    """Return what a script does when it is started, without its functions."""
    guards = [node for node in ast.parse(source).body if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)]
    return ast.Module([statement for guard in guards for statement in guard.body], [])


def scripts() -> list[dict[str, str]]:
    return list(map(json.loads, (DATA / "datasets" / "test_scripts.jsonl").read_text().splitlines()))


def recorder(called: list[tuple[object, ...]]) -> Callable[..., None]:
    """Return a function that keeps what it is called with."""
    return lambda *args, **named: called.append((*args, *named.values()))


def test_every_script_takes_what_it_is_started_with(made, monkeypatch):
    seen = []
    for script in scripts():
        called: list[tuple[object, ...]] = []
        form = made(script["source"])
        monkeypatch.setattr(sys, "argv", list(form.argv[1:]))
        names = {"argparse": argparse, "run_test": recorder(called)}
        exec(compile(entry_of(script["source"]), script["filename"], "exec"), names)
        defined = {node.name for node in ast.parse(script["source"]).body if isinstance(node, ast.FunctionDef)}
        seen.append((defined >= FUNCTIONS, called))
    assert len(seen) > 100
    assert all(complete for complete, _ in seen)
    assert {tuple(call) for _, calls in seen for call in calls} == {(False, True, f"{{scratch}}/{PREFIX}")}
    assert all(len(calls) == 1 for _, calls in seen)


def test_what_scripts_printed_is_read(made):
    form, read = made(""), 0
    for path in sorted(DATA.glob("results/testscripts_run*/**/*.json")):
        result = json.loads(path.read_text())["result"]
        if result.get("status") != "success" or not result.get("baseline_output") or not result.get("patched_output"):
            continue
        for name in ("baseline", "patched"):
            printed = b"loading\n" + json.dumps(result[f"{name}_output"]).encode() + b"\n"
            run = Fetched(returncode=0, wall=1e6, stdout=printed)
            if not result[f"{name}_ms"]:
                with pytest.raises(BadReportError, match="avg_ms is 0"):
                    form.read(run)
                continue
            report = form.read(run)
            assert report.primary == pytest.approx(result[f"{name}_ms"] / 1e3)
            assert 0 < report.primary <= report.total
            read += 1
    assert read > 20


def test_a_failed_import_is_no_report(made):
    line = b'{"target_resolved": false, "error": "No module named x", "attempted_module": "x", "attempted_symbol": "Y"}\n'
    with pytest.raises(BadReportError, match="no line of JSON"):
        made("").read(Fetched(returncode=1, wall=1.0, stdout=line))
