"""Compares a report with what is known beforehand: `check_report.py PYTEST REPORT [TASKS.yaml...]`; ends with status 1 if it is otherwise.

The agent `human` must succeed on every task, `nop` on none, and each recorded patch of `example` must come to its expected outcome.
A verdict that rests on times is left open by noise now and then, and by design wrong in one case of twenty: tasks with such a verdict are
measured once more, alone, with the given pytest, and only what is wrong in both is wrong.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
FILES = sys.argv[3:] or [ROOT / name for name in SETTINGS["isobench_tasks"]]
TASKS = {task["id"] for file in FILES for task in yaml.safe_load(Path(file).read_text())["tasks"]}
CASES = yaml.safe_load((ROOT / "tests/tasks/expected_outcomes.yaml").read_text())
EXPECTED = {(case["task"], case["attempt"]): case for case in CASES if case["task"] in TASKS}
LOTS = {"non_inferior": {"non_inferior", "matches", "beats"}}
"""The patch that draws lots is expected to be non-inferior, and in a few campaigns of a hundred it is shown to be more."""


def faults(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not as expected."""
    if not report["complete"]:
        yield "the report is not complete"
    agents = {result["agent"] for result in report["results"]}
    for agent in agents:
        seen = {result["task"] for result in report["results"] if result["agent"] == agent}
        if seen != TASKS:
            yield f"{agent}: has no result for {', '.join(sorted(TASKS - seen))}"
    if "example" in agents:
        seen_cases = {(result["task"], result["attempt"]) for result in report["results"] if result["agent"] == "example"}
        yield from (f"example: no result for {case}" for case in sorted(EXPECTED.keys() - seen_cases))
    for result in report["results"]:
        if fault := fault_of(result):
            yield f"{result['case']}: {fault} ({result['task_state']}, {json.dumps(result['verdict'])})"


def fault_of(result: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a result."""
    verdict = result["verdict"] or {"outcome": None, "gain": None, "hard_success": False}
    if result["failure"]:
        return f"the machine failed: {result['failure']['kind']}: {result['failure']['message']}"
    if result["agent"] == "human" and not verdict["hard_success"]:
        return "the human does not succeed"
    if result["agent"] == "nop" and (verdict["hard_success"] or not result["verdict"]):
        return "no change is not judged a failure"
    expected = EXPECTED.get((result["task"], result["attempt"])) if result["agent"] == "example" else None
    if expected is None:
        return None
    if verdict["outcome"] not in LOTS.get(expected["outcome"], {expected["outcome"]}) or verdict["gain"] != expected["gain"]:
        return f"expected {expected['outcome']}, {expected['gain']}"
    return None


def rests_on_times(result: Mapping[str, Any]) -> bool:
    """Tell whether noise can have made a result, or kept it from a verdict."""
    verdict = result["verdict"]
    return verdict["gain"] is not None if verdict else result["task_state"] is not None


def measured_again(pytest: str, report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the report with the tasks measured once more of which a verdict by times is not as expected."""
    tasks = sorted({result["task"] for result in report["results"] if rests_on_times(result) and fault_of(result)})
    if not tasks:
        return report
    print(f"not as expected by their times, and measured once more: {', '.join(tasks)}", flush=True)
    agents = sorted({result["agent"] for result in report["results"]} & {"human", "nop", "example"})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "again.json"
        command = [pytest, "-q", f"--isobench-agent={','.join(agents)}", "-k", " or ".join(tasks), f"--isobench-report={file}"]
        subprocess.run(command, check=False, cwd=ROOT)
        again = {result["case"]: result for result in json.loads(file.read_text())["results"]}
    return {**report, "results": [again.get(result["case"], result) for result in report["results"]]}


def main(pytest: str, path: str, *_: str) -> int:
    """Check a report."""
    report = json.loads(Path(path).read_text())
    wrong = list(faults(measured_again(pytest, report)))
    print(f"{path}: {len(report['results'])} results, {len(wrong)} of them not as expected")
    print(*wrong, sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
