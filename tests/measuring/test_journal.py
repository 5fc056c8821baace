"""The journal: nothing acknowledged is lost, nothing broken is believed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_isobench import jsonl
from pytest_isobench.errors import JournalError
from pytest_isobench.measuring.journal import Entry, Journal


def facts(entries: list[Entry]) -> list[tuple[str, dict[str, object]]]:
    return [(entry.kind, dict(entry.fields)) for entry in entries]


def write(folder: Path, count: int = 5) -> Path:
    with Journal(folder) as journal:
        for number in range(count):
            journal.append("trial", campaign="c", round=number, arm="baseline", seconds=0.1 * number)
        return journal.path


def read(folder: Path) -> tuple[list[int], list[str]]:
    refused: list[str] = []
    return [entry.fields["round"] for entry in Journal.read(folder, refused)], refused


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.append("trial", campaign="c", round=0, arm="human", seconds=[0.25, 1e-9], kind="odd", note="é\n\x1b[31m\ud800")
        journal.append("round", campaign="c", round=0)
        journal.append("result", key="k", result={"version": 1})
        assert str(os.getpid()) in journal.path.name
    entries = list(Journal.read(tmp_path))
    assert facts(entries) == [
        ("trial", {"campaign": "c", "round": 0, "arm": "human", "seconds": [0.25, 1e-9], "kind": "odd", "note": "é\n\x1b[31m\ud800"}),
        ("round", {"campaign": "c", "round": 0}),
        ("result", {"key": "k", "result": {"version": 1}}),
    ]
    assert [(entry.path, entry.line) for entry in entries] == [(journal.path, number) for number in (1, 2, 3)]


def test_no_folder_no_entries(tmp_path: Path) -> None:
    assert list(Journal.read(tmp_path / "none")) == []


def test_a_process_goes_on_in_its_own_file(tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path)
    assert first == second
    assert read(tmp_path) == ([*range(5), *range(5)], [])


def test_one_journal_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(JournalError, match="another writer"):
        Journal(tmp_path)


def test_threads_share_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        threads = [
            threading.Thread(target=lambda arm=arm: [journal.append("trial", campaign="c", round=n, arm=arm) for n in range(20)])
            for arm in "abc"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rounds, refused = read(tmp_path)
    assert sorted(rounds) == sorted([*range(20)] * 3)
    assert refused == []


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("trail", {}, "unknown kind 'trail'; known are trial, round, result"),
        ("trial", {"campaign": "c", "round": 0}, "'arm' is missing"),
        ("trial", {"campaign": "c", "round": "0", "arm": "human"}, "'round' must be int, not str"),
        ("round", {"campaign": "c", "round": True}, "'round' must be int, not bool"),
        ("result", {"key": "k", "result": []}, "'result' must be dict, not list"),
        ("round", {"campaign": "c", "round": 0, "seconds": float("nan")}, "JSON compliant"),
    ],
)
def test_what_no_reader_would_accept_is_not_written(tmp_path: Path, kind: str, fields: dict[str, object], reason: str) -> None:
    with Journal(tmp_path) as journal:
        with pytest.raises(ValueError, match=reason):
            journal.append(kind, **fields)
        journal.append("round", campaign="c", round=7)
    assert read(tmp_path) == ([7], [])


def change(position: int, edit: Callable[[bytes], bytes]) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [edit(line) if number == position else line for number, line in enumerate(lines)]


def resigned(line: bytes, **changes: object) -> bytes:
    """The line with other contents and a checksum that fits them."""
    from pytest_isobench.measuring.journal import _checksum

    body = {key: value for key, value in (json.loads(line) | changes).items() if key != "crc"}
    return json.dumps({**body, "crc": _checksum(body)}).encode()


@pytest.mark.parametrize(
    ("damage", "kept", "reasons"),
    [
        pytest.param(change(2, lambda _: b"what is this"), [0, 1, 3, 4], [":3: Expecting value"], id="garbage"),
        pytest.param(change(2, lambda _: b"\x00\xff\xfe\x80" * 9), [0, 1, 3, 4], [":3: 'utf-8' codec"], id="binary"),
        pytest.param(change(2, lambda _: b""), [0, 1, 3, 4], [":3: Expecting value"], id="empty line"),
        pytest.param(change(2, lambda _: b"[1, 2]"), [0, 1, 3, 4], [":3: is no journal entry"], id="another type"),
        pytest.param(change(2, lambda _: b'{"entry": 2}'), [0, 1, 3, 4], [":3: is no journal entry"], id="fields missing"),
        pytest.param(change(2, lambda line: line[:40]), [0, 1, 3, 4], [":3: "], id="cut line"),
        pytest.param(change(2, lambda line: line.replace(b"0.2", b"0.1")), [0, 1, 3, 4], [":3: was altered"], id="altered number"),
        pytest.param(change(2, lambda line: line.replace(b'"round":2', b'"round":NaN')), [0, 1, 3, 4], [":3: NaN"], id="NaN"),
        pytest.param(change(2, lambda line: resigned(line, kind="trail")), [0, 1, 3, 4], [":3: unknown kind 'trail'"], id="kind"),
        pytest.param(change(2, lambda line: resigned(line, fields=[])), [0, 1, 3, 4], [":3: is no journal entry"], id="type of fields"),
        pytest.param(change(2, lambda line: resigned(line, entry=True)), [0, 1, 3, 4], [":3: is no journal entry"], id="type of number"),
        pytest.param(change(2, lambda line: resigned(line, fields={})), [0, 1, 3, 4], [":3: trial: 'campaign'"], id="field missing"),
        pytest.param(lambda lines: [*lines[:3], lines[2], *lines[3:]], [0, 1, 2, 3, 4], [":4: entry 2 again"], id="line twice"),
        pytest.param(lambda lines: [*lines, *lines], [0, 1, 2, 3, 4], [f":{n + 6}: entry {n} again" for n in range(5)], id="all twice"),
        pytest.param(lambda lines: [*lines[:2], b"x", *lines[2:]], [0, 1, 2, 3, 4], [":3: "], id="line added"),
        pytest.param(lambda lines: [*lines[:2], *lines[4:]], [0, 1, 4], [":3: 2 entries before this line are missing"], id="lines removed"),
        pytest.param(lambda lines: [*lines[:2], b"x", lines[4]], [0, 1, 4], [":3: ", ":4: 1 entries"], id="lines replaced"),
        pytest.param(lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]], [1, 2, 3, 4], [":1: "], id="byte order mark"),
    ],
)
def test_broken_lines_are_named_and_neighbours_kept(
    tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]], kept: list[int], reasons: list[str]
) -> None:
    path = write(tmp_path)
    path.write_bytes(b"".join(line + b"\n" for line in damage(path.read_bytes().splitlines())))
    rounds, refused = read(tmp_path)
    assert rounds == kept
    assert len(refused) == len(reasons)
    for message, reason in zip(refused, reasons, strict=True):
        assert message.startswith(f"{path}{reason}")


def test_one_broken_file_leaves_the_others(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "binary.jsonl").write_bytes(random.Random(1).randbytes(5000))
    (tmp_path / "zeros.jsonl").write_bytes(bytes(5000))
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "link.jsonl").symlink_to(path)
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    rounds, refused = read(tmp_path)
    assert rounds == [0, 1, 2, 3, 4]
    named = {Path(message.split(":")[0]).name for message in refused}
    assert named == {"binary.jsonl", "zeros.jsonl", "link.jsonl", "folder.jsonl", "pipe.jsonl"}


def test_endless_lines_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, 2)
    monkeypatch.setattr(jsonl, "LINE_LIMIT", 200)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b'{"entry":' + b"9" * 5000 + b"\n" + second + b'{"entry":' + b"9" * 5000)
    rounds, refused = read(tmp_path)
    assert rounds == [0, 1]
    assert refused == [f"{path}:{number}: longer than 200 bytes" for number in (2, 4)]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_truncation_leaves_a_prefix(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("journal")
    texts = data.draw(st.lists(st.text(max_size=20), min_size=1, max_size=5))
    with Journal(folder) as journal:
        for number, text in enumerate(texts):
            journal.append("trial", campaign=text, round=number, arm="human")
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    rounds, refused = read(folder)
    assert rounds == list(range(len(rounds)))
    assert refused == [], "a torn last line is not worth a message"
    assert len(rounds) >= journal.path.read_bytes().count(b"\n")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_flipped_byte_costs_at_most_its_neighbourhood(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("journal")
    path = write(folder)
    before = facts(list(Journal.read(folder)))
    whole = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(whole) - 2))
    whole[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    refused: list[str] = []
    entries = list(Journal.read(folder, refused))
    assert refused or facts(entries) == before, "0.30000000000000005 is the same number as 0.30000000000000004"
    assert len(entries) >= 3
    assert all(entry.fields["seconds"] == 0.1 * entry.fields["round"] for entry in entries)


WRITER = """
import sys
from pathlib import Path
from pytest_isobench.measuring.journal import Journal
with Journal(Path(sys.argv[1])) as journal:
    for number in range(10**9):
        journal.append("trial", campaign="c", round=number, arm="human", text="x" * (number * 7919 % 20_000))
        print(number, flush=True)
"""


def test_kill_at_random_moments_loses_nothing_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(0)
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            acknowledged = [writer.stdout.readline()]
            time.sleep(chance.random() * 0.2)
            writer.send_signal(signal.SIGKILL)
            acknowledged += writer.stdout.read().splitlines(keepends=True)
        rounds, refused = read(folder)
        assert refused == []
        assert rounds == list(range(len(rounds)))
        assert len(rounds) >= sum(line.endswith(b"\n") for line in acknowledged) > 0
