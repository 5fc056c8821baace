"""Strict JSON, and line files on disks that refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench import jsonl
from pytest_isobench.errors import JournalError
from pytest_isobench.jsonl import LineFile, dumps, loads, note, read_lines

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_what_is_written_is_read_back(value: object) -> None:
    line = dumps(value)
    assert "\n" not in line
    assert loads(line) == value
    assert dumps(loads(line.encode())) == line


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_a_value_error(data: bytes) -> None:
    try:
        value = loads(data)
    except ValueError:
        return
    assert value == json.loads(data)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1e999", "too large"),
        ('{"a": 1, "a": 1}', "'a' is given twice"),
        ("[" * 200_000, "nested too deeply"),
        (b"\xff\xfe", "utf-8"),
        ("9" * 5000, "integer string"),
        ("\ufeff{}", "BOM"),
        ("", "Expecting value"),
        ("{} {}", "Extra data"),
    ],
)
def test_strict(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        loads(text)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_no_number_that_json_lacks_is_written(tmp_path: Path, number: float) -> None:
    with LineFile(tmp_path / "a.jsonl") as file, pytest.raises(ValueError, match="JSON compliant"):
        file.append({"deep": [number]})
    assert not (tmp_path / "a.jsonl").exists(), "an unused file was left behind"


def test_lines_are_kept_and_counted_over_reopening(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.jsonl"
    with LineFile(path) as file:
        file.append(1)
        file.append({"two": 2})
    path.write_bytes(path.read_bytes() + b'{"torn":')
    with LineFile(path) as file:
        assert file.lines == 2
        file.append(3)
    assert path.read_bytes() == b'1\n{"two":2}\n3\n'
    with LineFile(path, fresh=True) as file:
        file.append(4)
    assert path.read_bytes() == b"4\n"


def test_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with LineFile(path) as file:
        file.append(1)
        with pytest.raises(JournalError, match="another writer"):
            LineFile(path)
        file.append(2)
    assert [line.value() for line in read_lines(path)] == [1, 2]


def test_a_forked_child_may_not_write(tmp_path: Path) -> None:
    with LineFile(tmp_path / "a.jsonl") as file:
        file.append(1)
        file._process += 1
        with pytest.raises(JournalError, match="every process opens its own"):
            file.append(2)


def test_a_removed_file_is_noticed(tmp_path: Path) -> None:
    with LineFile(tmp_path / "a.jsonl") as file:
        file.append(1)
        file.path.unlink()
        with pytest.raises(JournalError, match=r"a\.jsonl: was removed"):
            file.append(2)


def test_a_closed_file_refuses(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "a.jsonl")
    file.close()
    file.close()
    with pytest.raises(JournalError, match="is closed"):
        file.append(1)


def test_links_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "victim")
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("link", "pipe", "folder"):
        with pytest.raises(JournalError, match=rf"{name}\.jsonl"):
            LineFile(tmp_path / f"{name}.jsonl")
    assert (tmp_path / "victim").read_text() == "precious"


def test_readers_do_not_hang_on_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        list(read_lines(tmp_path / "pipe"))


def test_long_lines_are_skipped_without_being_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "LINE_LIMIT", 10)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"12345678\n" + b"1" * 9 + b"0\n" + b"2" * 57 + b"\n3\n" + b"4" * 30)
    lines = list(read_lines(path))
    assert [(line.number, line.oversized, line.torn) for line in lines] == [
        (1, False, False),
        (2, False, False),
        (3, True, False),
        (4, False, False),
        (5, True, True),
    ]
    assert lines[1].value() == 1111111110
    assert all(len(line.data) <= 10 for line in lines)
    with pytest.raises(ValueError, match="longer than 10 bytes"):
        lines[2].value()
    with LineFile(tmp_path / "b.jsonl") as file, pytest.raises(ValueError, match="longer than 10"):
        file.append("123456789")


def test_the_list_of_refusals_is_bounded() -> None:
    refused: list[str] = []
    for number in range(5000):
        note(refused, str(number))
    note(None, "nobody asked")
    assert len(refused) == jsonl.REFUSED_LIMIT + 1
    assert refused[-1] == "and more, which are not listed"


FILL = """
import resource, sys
from pathlib import Path
from pytest_isobench.errors import JournalError
from pytest_isobench.jsonl import LineFile
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
with LineFile(Path(sys.argv[1])) as file:
    for number in range(10_000):
        try:
            file.append({"number": number, "text": "x" * 300})
        except JournalError as error:
            print(file.lines, error)
            break
    else:
        print("never full")
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        file.append("after")
"""


def fill(path: Path, *limit: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", FILL, str(path), *limit], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    count, _, message = done.stdout.partition(" ")
    return int(count), message


def test_a_file_size_limit_is_an_error_and_the_file_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    count, message = fill(path, "5000")
    assert f"{path}: cannot be written: File too large" in message
    *kept, after = [line.value() for line in read_lines(path)]
    assert [value["number"] for value in kept] == list(range(count))
    assert after == "after", "the writer could not go on when there was room again"


def test_a_full_disk_is_an_error_and_the_file_stays_whole(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}; the file size limit stands in for it")
    try:
        count, message = fill(disk / "a.jsonl")
        assert "cannot be written: No space left on device" in message
        assert [line.value()["number"] for line in read_lines(disk / "a.jsonl")] == list(range(count))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(JournalError, match=r"b\.jsonl: cannot be written: Read-only file system"):
            LineFile(disk / "b.jsonl")
        with pytest.raises(JournalError, match="Read-only file system"):
            LineFile(disk / "deep" / "b.jsonl")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; the read-only disk stands in for it")
    with pytest.raises(JournalError, match=r"a\.jsonl: cannot be written: Permission denied"):
        LineFile(closed / "a.jsonl")


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"a\.jsonl: cannot be written"):
        LineFile(tmp_path / "file" / "a.jsonl")
