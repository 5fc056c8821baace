"""Lists of commits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.dataset.commits import CommitList, Listed, _read, read_commits, same_commit
from pytest_isobench.dataset.stubs import Broken, Stub
from pytest_isobench.errors import UsageError

PLANS = Path(__file__).parents[2] / ".." / "shared" / "iso_bench_data" / "plans"
FULL = "8aa1485f" + "0" * 32


def stub(name: str = "task", **fields: str) -> Stub:
    return Stub(path=Path("t.yaml"), line=1, id=name, body=Broken("none"), **fields)


@pytest.mark.parametrize(
    ("text", "base", "parent"),
    [
        (FULL, None, None),
        (f"  {FULL}  # the one", None, None),
        (f"{FULL}\t1234567", "1234567", None),
        (f"{FULL} parent=2", None, 2),
        (f"{FULL} | 2024-01-01 | faster", None, None),
        (f"{FULL} 1234567; remark", "1234567", None),
    ],
)
def test_lines(text: str, base: str | None, parent: int | None) -> None:
    assert _read(3, text) == [Listed(number=3, name=FULL, base=base, parent=parent)]


@pytest.mark.parametrize("text", [f"{FULL} parent=0", f"{FULL} parent=x", f"{FULL} main", f"{FULL} 123", f"{FULL} 1234567 8901234"])
def test_a_broken_line_is_refused_by_number_and_the_others_count(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.txt").write_text(f"one\n{text}\n\n# nothing\ntwo\n")
    commits = read_commits(tmp_path / "list.txt")
    assert [line.name for line in commits.lines] == ["one", "two"]
    (refused,) = commits.refused
    assert refused.startswith(f"{tmp_path / 'list.txt'}:2: ")


@pytest.mark.parametrize("text", [b"", b"# nothing\n\n", b"\xff\xfe"])
def test_a_file_without_lines_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "list.txt").write_bytes(text)
    with pytest.raises(UsageError, match=r"list\.txt: "):
        read_commits(tmp_path / "list.txt")


@given(st.text())
def test_any_text_is_read_or_refused_as_a_line(text: str) -> None:
    try:
        lines = _read(1, text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either may happen
    else:
        assert all(line.name and not set(line.name) & set(" \t,;|#") for line in lines)


@pytest.mark.parametrize(
    ("name", "meant"),
    [(FULL, True), (FULL[:7], True), ("task", True), ("1234567890", True), ("8aa14", False), ("8aa1485e", False), ("v1.0", False)],
)
def test_either_side_may_be_abbreviated(name: str, meant: bool) -> None:
    commits = CommitList(Path("x"), [Listed(number=1, name=name)])
    assert bool(commits.of(stub(human=FULL, base="12345678"))) is meant
    assert bool(commits.of(stub(human=FULL[:9], base="1234567890ab"))) is meant


def test_tags_are_no_commits() -> None:
    assert not same_commit("v1.0", "v1.0")
    assert CommitList(Path("x"), [Listed(number=1, name="v1.0")]).of(stub(base="v1.0"))


@pytest.mark.skipif(not PLANS.is_dir(), reason="needs iso_bench_data")
def test_real_lists() -> None:
    for file in PLANS.glob("*commits.txt"):
        commits = read_commits(file)
        assert commits.refused == ()
        assert len(commits.lines) == sum(1 for line in file.read_text().splitlines() if line.strip() and not line.startswith("#"))
