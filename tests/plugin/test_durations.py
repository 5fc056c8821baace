"""How long tasks took, as earlier reports tell."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_isobench.models.result import Configuration, Report, Result
from pytest_isobench.plugin import durations as module
from pytest_isobench.plugin.durations import durations


def write(folder: Path, name: str, age: int, **seconds: float) -> Path:
    """Write a report of two cases a task, of which the second is as long as is said."""
    known = {"agent": "a", "configuration": Configuration()}
    results = [
        Result(case=f"{task}:a:{attempt}", task=task, attempt=attempt, seconds=time * attempt, **known)
        for task, time in seconds.items()
        for attempt in (0, 1)
    ]
    path = folder / f"{name}.json"
    path.write_text(Report(tool_version="1", started="", configuration=Configuration(), results=tuple(results)).model_dump_json())
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_the_newest_report_that_tells_counts(tmp_path):
    write(tmp_path, "old", 9, sort=1.0, scan=2.0)
    write(tmp_path, "new", 1, sort=5.0, scan=0.0, more=3.0)
    assert durations(tmp_path) == {"sort": 5.0, "scan": 2.0, "more": 3.0}


def test_what_is_no_report_tells_nothing(tmp_path):
    write(tmp_path, "good", 9, sort=1.0)
    for name, content in {"text": "no JSON", "list": "[]", "empty": "", "other": '{"name": "package"}', "binary": "\0"}.items():
        (tmp_path / f"{name}.json").write_text(content)
    (tmp_path / "folder.json").mkdir()
    assert durations(tmp_path) == {}, "the newest five are asked"
    for path in tmp_path.glob("*t*.json"):
        path.unlink()
    assert durations(tmp_path) == {"sort": 1.0}


def test_no_folder_tells_nothing(tmp_path):
    assert durations(tmp_path / "none") == {}
    (tmp_path / "file").write_text("")
    assert durations(tmp_path / "file") == {}


def test_huge_files_are_left_alone(tmp_path, monkeypatch):
    path = write(tmp_path, "huge", 1, sort=1.0)
    monkeypatch.setattr(module, "LARGEST", path.stat().st_size - 1)
    assert durations(tmp_path) == {}
