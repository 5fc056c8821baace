"""Small YAML files as one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.dataset.documents import LIMIT, Document
from pytest_isobench.errors import TaskError
from pytest_isobench.models.base import Record


class Inner(Record):
    """A part."""

    size: int = 0
    names: tuple[str, ...] = ()


class Outer(Record):
    """A whole."""

    title: str
    inner: Inner = Inner()
    parts: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = {}
    maybe: Inner | None = None


def document(tmp_path: Path, text: str | bytes) -> Document:
    path = tmp_path / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Document(path)


def test_a_file_becomes_a_record(tmp_path: Path) -> None:
    text = "title: a\ninner: {size: 3}\nparts:\n  - names: [x, y]\nby_name: {k: {size: 1}}\nmaybe: null\n"
    expected = Outer(title="a", inner=Inner(size=3), parts=(Inner(names=("x", "y")),), by_name={"k": Inner(size=1)})
    assert document(tmp_path, text).read(Outer) == expected


def test_the_content_can_be_changed_before_it_is_checked(tmp_path: Path) -> None:
    found = document(tmp_path, "title: a\n").read(Outer, lambda value: {**value, "inner": {"size": 9}})
    assert found.inner.size == 9


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert document(tmp_path, b"\xef\xbb\xbftitle: a\n").read(Outer).title == "a"


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("inner: {}\n", 1, "title", "is missing"),
        ("title: a\ninnner: {}\n", 2, "innner", "unknown field (did you mean 'inner'?); allowed: title, inner, parts, by_name, maybe"),
        ("title: a\ninner:\n  size: 1\n  sice: 2\n", 4, "inner.sice", "did you mean 'size'?"),
        ("title: a\nmaybe:\n  sice: 2\n", 3, "maybe.sice", "did you mean 'size'?"),
        ("title: a\nparts:\n  - size: 1\n  - sice: 2\n", 4, "parts[1].sice", "did you mean 'size'?"),
        ("title: a\nby_name:\n  k:\n    size: x\n", 4, "by_name.k.size", "valid integer, unable to parse string as an integer, not 'x'"),
        ("title: a\ninner:\n  names: x\n", 3, "inner.names", "should be a list, not 'x'"),
        ("title: a\ninner: 3\n", 2, "inner", "should be a mapping, not 3"),
        ("title: a\nsize: 1\nmore: 2\n", 2, "size", "(and 1 more)"),
        ("title: a\ntitle: b\n", 2, None, "'title' is given twice"),
        ("title: a\ninner: &x {}\nmaybe: *x\n", 2, None, "aliases (*name) are not allowed here"),
        ("title: !!python/name:os.system\n", 1, None, "is not plain data"),
        ("title: !made-up a\n", 1, None, "is not plain data"),
        ("title: [\n", 2, None, "is not YAML"),
        ("title: a\n---\ntitle: b\n", 2, None, "is not YAML"),
        ("[" * 5000, None, None, "is not YAML"),
        ("# only a comment\n", None, None, "holds nothing"),
        ("just text\n", 1, None, "should be a mapping"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, text: str, line: int | None, field: str | None, message: str) -> None:
    with pytest.raises(TaskError) as error:
        document(tmp_path, text).read(Outer)
    assert (error.value.line, error.value.field) == (line, field)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "is empty"), (b"title: \xff\n", "is not UTF-8"), (b"title: \0\n", "NUL byte"), (b"#" * (LIMIT + 1), "MiB")],
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        document(tmp_path, data)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="does not exist"):
        Document(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("location", "line"), [((), 1), (("inner",), 2), (("inner", "names", 1), 5), (("inner", "none"), 2), (("none", "size"), 1)]
)
def test_an_error_of_ones_own_has_the_closest_line(tmp_path: Path, location: tuple[str | int, ...], line: int) -> None:
    found = document(tmp_path, "title: a\ninner:\n  names:\n    - x\n    - y\n")
    assert found.error("is odd", location).line == line


PLAIN: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(text=st.text() | st.text(alphabet="titlenrpas:-[]{}&*!|>#\n \t'\"0123", max_size=80))
def test_any_text_is_a_record_or_an_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    found: Outer | str
    try:
        found = Document(path).read(Outer)
    except TaskError as error:
        found = str(error)
    assert isinstance(found, Outer) or found.startswith(str(path))


@given(value=PLAIN)
def test_what_yaml_says_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    import yaml

    path = tmp_path_factory.getbasetemp() / "plain.yaml"
    path.write_text(yaml.safe_dump({"value": value}), encoding="utf-8")
    assert Document(path).value() == {"value": value}
