"""Reading reports that were damaged, forged or are none."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import CONFIGURATION, LOST, every_outcome, report

from pytest_isobench import jsonl
from pytest_isobench.errors import UsageError
from pytest_isobench.reports import reading
from pytest_isobench.reports.reading import read_report
from pytest_isobench.reports.session import ReportWriter, write_report
from pytest_isobench.reports.totals import totals_of

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.json"


def written(path: Path, edit: Edit | None = None) -> Path:
    write_report(path, report(every_outcome()))
    data = json.loads(path.read_text())
    if edit:
        edit(data)
    path.write_text(json.dumps(data))
    return path


def stream(path: Path) -> list[bytes]:
    writer = ReportWriter(path, CONFIGURATION)
    for case in every_outcome():
        writer.add(case)
    writer.finish()
    path.unlink()
    return path.with_suffix(".jsonl").read_bytes().splitlines(keepends=True)


def test_a_report_comes_back_as_it_was(path: Path) -> None:
    assert read_report(written(path)) == report(every_outcome())


def change(number: int, **fields: Any) -> Edit:
    return lambda data: data["results"][number].update(fields)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        pytest.param(change(3, seconds=-1), "seconds: Input should be greater than or equal to 0", id="value"),
        pytest.param(change(3, seconds="1"), "seconds: Input should be a valid number", id="type"),
        pytest.param(change(3, verdict={"outcome": "wins"}), "verdict.outcome: Input should be 'beats'", id="outcome"),
        pytest.param(change(3, version=2), "version: Input should be 1", id="version"),
        pytest.param(change(3, extra=1), "extra: Extra inputs", id="unknown field"),
        pytest.param(change(3, comparison={}), "comparison.campaign: Field required (and 3 more)", id="missing fields"),
        pytest.param(change(3, repo="\ud800"), "", id="lone surrogate"),
        pytest.param(change(3, failure=LOST.model_dump()), "has both a verdict and a failure of the machine", id="contradiction"),
        pytest.param(change(3, verdict={"outcome": "crashed", "hard_success": True}), "is called a success, and", id="lie"),
    ],
)
def test_a_broken_result_is_named_and_the_others_kept(path: Path, edit: Edit, reason: str) -> None:
    found = read_report(written(path, edit))
    expected = every_outcome()
    del expected[3]
    assert found.results == tuple(expected)
    assert found.totals == totals_of(expected, 0.95)
    place = f"{path}: results[3]: 'networkx-square-clustering:claude_code:0': "
    assert found.refused[0].startswith(place)
    assert reason in found.refused[0]


@pytest.mark.parametrize("value", [None, 7, "x", [], {"case": "\x1b[2J"}, {"case": ["deep"]}])
def test_things_that_are_no_results(path: Path, value: object) -> None:
    found = read_report(written(path, lambda data: data["results"].insert(0, value)))
    assert found.results == tuple(every_outcome())
    assert len(found.refused) == 1
    assert found.refused[0].startswith(f"{path}: results[0]: ")
    assert "\x1b" not in found.refused[0]


def test_a_repeated_result(path: Path) -> None:
    found = read_report(written(path, lambda data: data["results"].append(data["results"][0] | {"seconds": 99.0})))
    assert len(found.results) == 20
    assert found.results[-1].seconds == 99.0
    assert "packaging-25.0-26.0-parse-versions:claude_code:0 is there more than once" in found.refused[0]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda data: data["totals"].update(cases=1), "totals: cases is given as 1, and by the results it is 20"),
        (lambda data: data["totals"]["hard_success"].update(successes=15), "totals: hard_success is given as"),
        (lambda data: data["totals"]["hard_success"].update(low=0.9), "totals: hard_success is given as"),
        (lambda data: data["totals"].update(hard_success=None), "totals: hard_success is given as None"),
        (lambda data: data["totals"].update(geometric_mean_vs_human=2.0), "totals: geometric_mean_vs_human is given as 2.0"),
        (lambda data: data["totals"]["outcomes"].update(beats=20), "totals: outcomes is given as"),
        (lambda data: data["totals"].update(extra=1), "totals: extra: Extra inputs"),
        (lambda data: data.update(totals=[]), "totals: Input should be an object"),
    ],
)
def test_totals_are_computed_again(path: Path, edit: Edit, reason: str) -> None:
    found = read_report(written(path, edit))
    assert found.totals == totals_of(every_outcome(), 0.95)
    assert len(found.refused) == 1
    assert reason in found.refused[0]


def test_rounding_elsewhere_is_no_difference(path: Path) -> None:
    def edit(data: dict[str, Any]) -> None:
        data["totals"]["geometric_mean_vs_human"] *= 1 + 1e-14

    assert read_report(written(path, edit)).refused == ()


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda data: data.update(version=7), r"version 7 is not known; pytest-isobench \S+ reads version 1"),
        (lambda data: data.update(version=True), "version True is not known"),
        (lambda data: data.pop("version"), "version None is not known"),
        (lambda data: data.update(results={}), "a list of 'results'"),
        (lambda data: data.pop("configuration"), "configuration: Field required"),
        (lambda data: data["configuration"].update(margin="x"), "configuration.margin: Input should be"),
        (lambda data: data.update(surprise=1), "surprise: Extra inputs"),
    ],
)
def test_a_head_that_cannot_be_believed(path: Path, edit: Edit, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_report(written(path, edit))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON"),
        (b"\x00" * 100, "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON: 'utf-8'"),
        (random.Random(0).randbytes(10_000), "is not JSON"),
        (b"[]", "is no report"),
        (b"7", "is no report"),
        (b'{"version": 1, "version": 1}', "'version' is given twice"),
        (b'{"version": NaN}', "NaN is no number"),
        (b'{"version": 1e999}', "too large"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{}", "version None is not known"),
        (b"# Markdown\n\nnot a report", "is not JSON"),
    ],
)
def test_files_that_are_no_reports(path: Path, data: bytes, reason: str) -> None:
    path.write_bytes(data)
    with pytest.raises(UsageError, match=reason) as caught:
        read_report(path)
    assert str(caught.value).startswith(str(path))


def test_places_without_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("none", "No such file"), (".", "Is a directory|not a regular file"), ("pipe", "not a regular file")):
        with pytest.raises(UsageError, match=reason):
            read_report(tmp_path / name)


def test_huge_files_are_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with path.open("wb") as file:
        file.truncate(2**20 + 1)
    monkeypatch.setattr(reading, "SIZE_LIMIT", 2**20)
    monkeypatch.setattr(jsonl, "LINE_LIMIT", 1000)
    with pytest.raises(UsageError, match="bytes are too many for a report; at most 1048576 are read"):
        read_report(path)


def test_a_stream_is_known_by_its_content(path: Path) -> None:
    path.write_bytes(b"".join(stream(path)))
    found = read_report(path)
    assert found.results == tuple(every_outcome())
    assert found.complete


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"garbage\n", "Expecting value"),
        (b"\xff\x00\n", "utf-8"),
        (b"{}\n", "is neither a result nor an end"),
        (b'{"result": 7}\n', "should be an object"),
        (b'{"result": {"case": "a"}, "end": {}}\n', "is neither a result nor an end"),
        (b'{"end": {"finished": 1}}\n', "finished"),
        (b'{"session": {}}\n', "is neither a result nor an end"),
        (b'{"result": NaN}\n', "NaN"),
    ],
)
def test_a_broken_line_of_a_stream_is_named(path: Path, line: bytes, reason: str) -> None:
    lines = stream(path)
    file = path.with_suffix(".jsonl")
    file.write_bytes(b"".join([*lines[:3], line, *lines[3:]]))
    found = read_report(file)
    assert found.results == tuple(every_outcome())
    assert len(found.refused) == 1
    assert found.refused[0].startswith(f"{file}:4: ")
    assert reason in found.refused[0]


def test_nothing_is_added_after_the_end(path: Path) -> None:
    lines = stream(path)
    file = path.with_suffix(".jsonl")
    file.write_bytes(b"".join([*lines, lines[1]]))
    assert read_report(file).refused == (f"{file}:23: follows the end of the session",)


@pytest.mark.parametrize("head", [b"", b"\n", b"{}\n", b'{"session": []}\n', b'{"result": {}}\n', b'{"session": {"version'])
def test_streams_without_a_head(path: Path, head: bytes) -> None:
    lines = stream(path)
    file = path.with_suffix(".jsonl")
    file.write_bytes(head + b"".join(lines[1:]))
    with pytest.raises(UsageError, match="is no stream of results"):
        read_report(file)


def test_a_stream_of_another_version(path: Path) -> None:
    file = path.with_suffix(".jsonl")
    file.write_text('{"session": {"version": 9}}\n')
    with pytest.raises(UsageError, match="report version 9 is not known"):
        read_report(file)


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_any_truncation_of_a_stream_leaves_a_prefix(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("stream") / "report.json"
    whole = b"".join(stream(path))
    head = whole.index(b"\n") + 1
    file = path.with_suffix(".jsonl")
    file.write_bytes(whole[: data.draw(st.integers(head, len(whole)))])
    found = read_report(file)
    assert found.refused == ()
    assert found.results == tuple(every_outcome()[: len(found.results)])
    assert len(found.results) >= min(file.read_bytes().count(b"\n") - 1, 20)


@settings(deadline=None, max_examples=60)
@given(position=st.integers(0, 10**6), piece=st.binary(max_size=8), length=st.integers(0, 8))
def test_any_damage_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, position: int, piece: bytes, length: int) -> None:
    folder = tmp_path_factory.mktemp("damage")
    results = every_outcome()[:3]
    write_report(folder / "report.json", report(results))
    whole = (folder / "report.json").read_bytes()
    position %= len(whole)
    (folder / "report.json").write_bytes(whole[:position] + piece + whole[position + length :])
    with suppress(UsageError):
        found = read_report(folder / "report.json")
        assert found.totals == totals_of(found.results, found.configuration.confidence)
