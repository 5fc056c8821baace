"""Results as JUnit properties."""

from __future__ import annotations

from report_samples import GREW, LOST, estimate, every_outcome, measured, result

from pytest_isobench.models.result import Gain, Outcome, TaskState
from pytest_isobench.reports.junit import properties


def test_a_measured_case() -> None:
    case = measured("task", 2.0, 2.5, Outcome.BEATS, Gain.FASTER, findings=(GREW,))
    found = dict(properties(case))
    assert found["isobench_case"] == "task:claude_code:0"
    assert found["isobench_outcome"] == "beats"
    assert found["isobench_gain"] == "faster"
    assert found["isobench_hard_success"] == "true"
    assert found["isobench_task_state"] == "evaluable"
    assert found["isobench_rounds"] == "12"
    assert found["isobench_finding_alarm"] == f"setup_grew: {GREW.message}"
    assert float(found["isobench_agent_vs_human"]) == 1.25
    assert float(found["isobench_agent_vs_human_low"]) == estimate(1.25).low
    assert float(found["isobench_agent_vs_human_high"]) == estimate(1.25).high


def test_a_failure_of_the_machine_and_an_unevaluable_task() -> None:
    assert properties(result(failure=LOST)) == [("isobench_case", "task:claude_code:0"), ("isobench_failure", "SandboxError")]
    assert dict(properties(result(task_state=TaskState.WEAK)))["isobench_task_state"] == "weak"


def test_names_and_values_are_plain_strings() -> None:
    for case in every_outcome():
        assert all(type(name) is str and type(value) is str for name, value in properties(case))
