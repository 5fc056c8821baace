"""Results as JUnit properties."""

from __future__ import annotations

import pytest
from report_samples import GREW, LOST, estimate, every_outcome, measured, result

from pytest_isobench.models.result import Gain, Outcome, TaskState
from pytest_isobench.reports.junit import properties


def test_a_measured_case() -> None:
    found = dict(properties(measured("task", 2.0, 2.5, Outcome.BEATS, Gain.FASTER, findings=(GREW,))))
    assert (found["task"], found["agent"], found["attempt"]) == ("task", "claude_code", "0")
    assert (found["verdict"], found["gain"], found["hard_success"]) == ("beats", "faster", "true")
    assert found["rounds"] == "12"
    assert found["finding_alarm"] == f"setup_grew: {GREW.message}"
    assert float(found["speedup"]) == 2.5
    assert float(found["speedup_vs_human"]) == 1.25
    assert float(found["speedup_vs_human_low"]) == pytest.approx(estimate(1.25).low, rel=1e-5)
    assert float(found["speedup_vs_human_high"]) == pytest.approx(estimate(1.25).high, rel=1e-5)
    assert float(found["human_speedup"]) == 2.0


@pytest.mark.parametrize(("fields", "verdict"), [({"failure": LOST}, "error"), ({"task_state": TaskState.WEAK}, "weak")])
def test_what_has_no_verdict_says_what_stands_in_its_place(fields, verdict) -> None:
    found = dict(properties(result(**fields)))
    assert found["verdict"] == verdict
    assert "speedup" not in found


def test_names_and_values_are_plain_strings() -> None:
    for case in every_outcome():
        assert all(type(name) is str and type(value) is str for name, value in properties(case))
