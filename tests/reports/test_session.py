"""Writing a report: nothing that was added is lost, nothing half-written is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from report_samples import CONFIGURATION, LOST, every_outcome, measured, result

import pytest_isobench
from pytest_isobench.errors import JournalError, UsageError
from pytest_isobench.models.result import Gain, Outcome, Report
from pytest_isobench.reports.reading import read_report
from pytest_isobench.reports.session import ReportWriter
from pytest_isobench.reports.totals import totals_of


def test_a_whole_session(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    writer = ReportWriter(path, CONFIGURATION)
    for case in every_outcome():
        writer.add(case)
    report = writer.finish(["journal.jsonl:3: garbage"])
    assert report.complete
    assert report.finished is not None
    assert report.started <= report.finished
    assert report.tool_version == pytest_isobench.__version__
    assert report.results == tuple(every_outcome())
    assert report.totals == totals_of(every_outcome(), CONFIGURATION.confidence)
    assert report.refused == ("journal.jsonl:3: garbage",)
    assert Report.model_validate_json(path.read_bytes()) == report
    assert read_report(path) == read_report(path.with_suffix(".jsonl")) == report
    assert sorted(file.name for file in path.parent.iterdir()) == ["report.json", "report.jsonl"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("an older session's")
    path.with_suffix(".jsonl").write_text("an older session's")
    writer = ReportWriter(path, CONFIGURATION)
    empty = Report.model_validate_json(path.read_bytes())
    assert not empty.complete
    assert empty.results == ()
    for count, case in enumerate(every_outcome(), 1):
        writer.add(case)
        so_far = read_report(path)
        assert so_far.results == tuple(every_outcome()[:count])
        assert so_far.totals == totals_of(so_far.results, CONFIGURATION.confidence)
        assert (so_far.complete, so_far.finished) == (False, None)
    assert writer.report() == so_far


def test_an_interrupted_session_says_so(tmp_path: Path) -> None:
    writer = ReportWriter(tmp_path / "report.json", CONFIGURATION)
    writer.add(result())
    report = writer.finish(complete=False)
    assert not report.complete
    assert report.finished
    assert read_report(tmp_path / "report.json") == report


def test_an_update_has_the_last_word(tmp_path: Path) -> None:
    writer = ReportWriter(tmp_path / "report.json", CONFIGURATION)
    writer.add(result())
    report = writer.finish(update=lambda report: report.model_copy(update={"refused": ("updated",)}))
    assert report.refused == ("updated",)
    assert read_report(tmp_path / "report.json") == report


def test_of_a_case_that_comes_twice_the_last_counts_and_is_named(tmp_path: Path) -> None:
    writer = ReportWriter(tmp_path / "report.json", CONFIGURATION)
    good = measured("task", 2.0, 2.0, Outcome.MATCHES, Gain.FASTER)
    writer.add(result("task", failure=LOST))
    writer.add(good)
    writer.add(good)
    report = writer.finish()
    assert report.results == (good,)
    assert report.refused == ("task:claude_code:0: reported more than once in this session; the last result counts",)


def test_two_sessions_cannot_share_a_report(tmp_path: Path) -> None:
    writer = ReportWriter(tmp_path / "report.json", CONFIGURATION)
    writer.add(result())
    with pytest.raises(JournalError, match="another writer has it open"):
        ReportWriter(tmp_path / "report.json", CONFIGURATION)
    writer.add(result(attempt=1))
    assert len(read_report(tmp_path / "report.json").results) == 2


@pytest.mark.parametrize(("name", "reason"), [("report.jsonl", "name it report.json"), (".", "is a folder; name a file in it")])
def test_paths_that_cannot_be(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        ReportWriter(tmp_path / name, CONFIGURATION)
    assert list(tmp_path.iterdir()) == []


def test_a_report_without_a_suffix(tmp_path: Path) -> None:
    writer = ReportWriter(tmp_path / "report", CONFIGURATION)
    writer.finish()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report", "report.jsonl"]


FILL = """
import resource, sys
from pathlib import Path
sys.path.append(sys.argv[2])
from report_samples import CONFIGURATION, result
from pytest_isobench.errors import JournalError
from pytest_isobench.reports.session import ReportWriter

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

writer = ReportWriter(Path(sys.argv[1]), CONFIGURATION)
limit(20_000)
added = 0
try:
    while True:
        writer.add(result(attempt=added))
        added += 1
except JournalError as error:
    print(added, error)
limit(1000)
try:
    writer.finish()
except JournalError as error:
    print(error)
"""


def test_a_full_disk_keeps_what_was_added(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    done = subprocess.run([sys.executable, "-c", FILL, path, Path(__file__).parent], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    adding, finishing = done.stdout.splitlines()
    assert "report.jsonl: cannot be written: File too large" in adding
    assert "report.json: cannot be written: File too large" in finishing
    assert [case.attempt for case in read_report(path).results] == list(range(int(adding.split()[0])))
    assert json.loads(path.read_text())["complete"] is False, "the report at its place must stay whole"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.json", "report.jsonl"], "a temporary file was left"


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.append(sys.argv[2])
from report_samples import CONFIGURATION, every_outcome
from pytest_isobench.reports.session import ReportWriter

writer = ReportWriter(Path(sys.argv[1]), CONFIGURATION)
for case in every_outcome():
    writer.add(case)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_session_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    done = subprocess.run([sys.executable, "-c", KILLED, path, Path(__file__).parent], timeout=60)
    assert done.returncode == -signal.SIGKILL
    for file in (path, path.with_suffix(".jsonl")):
        report = read_report(file)
        assert report.results == tuple(every_outcome())
        assert not report.complete
    ReportWriter(path, CONFIGURATION).finish()
    assert read_report(path).results == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_closed_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(JournalError, match="Permission denied"):
        ReportWriter(tmp_path / "report.json", CONFIGURATION)
