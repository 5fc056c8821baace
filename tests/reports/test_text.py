"""What reaches a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pytest_isobench.reports.text import Paper, grid, pad

WIDE = Paper(width=100)
PLAIN = Paper(width=100, ascii_only=True)


@pytest.mark.parametrize(
    ("text", "shown", "plain"),
    [
        ("fast", "fast", "fast"),
        ("a\nb\t c\r\n", "a b c", "a b c"),
        ("\x1b[2Jgone", "\\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x07\x00\x7f", "\\x07\\x00\\x7f", "\\x07\\x00\\x7f"),
        ("\x9b31m", "\\u009b31m", "\\u009b31m"),
        ("a\u202eb\u200b", "a\\u202eb\\u200b", "a\\u202eb\\u200b"),
        ("\ud800", "\\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041", "\\U000e0041"),
        ("\u2028x", "x", "x"),
        ("\u00d71.3 \u2013 \u2713\u2717\u2026 \u00b11 \u00b5s", "\u00d71.3 \u2013 \u2713\u2717\u2026 \u00b11 \u00b5s", "x1.3 - +x~ +-1 us"),
        ("é 漢", "é 漢", "\\xe9 \\u6f22"),
        ("[bold red]x[/]", "[bold red]x[/]", "[bold red]x[/]"),
    ],
)
def test_clean(text: str, shown: str, plain: str) -> None:
    assert WIDE.clean(text) == shown
    assert PLAIN.clean(text) == plain


@given(st.text())
def test_nothing_commands_the_terminal(text: str) -> None:
    assert WIDE.clean(text).isprintable()
    assert PLAIN.clean(text).isascii()
    assert WIDE.clean(text).encode() is not None


def test_endless_fields_are_cut() -> None:
    assert len(WIDE.clean("x" * 10**7)) < 5000
    assert len(WIDE.wrapped("x" * 10**7)) < 50


TEXTS = st.text(st.sampled_from("ab \u0301漢é\x1b"), max_size=200)


@given(TEXTS, st.integers(40, 90), st.integers(0, 6), st.booleans())
def test_wrapped_lines_fit_and_keep_every_word(text: str, width: int, indent: int, ascii_only: bool) -> None:
    paper = Paper(width=width, ascii_only=ascii_only)
    lines = paper.wrapped(text, indent)
    assert all(cell_len(line) <= width and line.startswith(" " * indent) for line in lines)
    assert "".join(lines).replace(" ", "") == paper.clean(text).replace(" ", "")


@given(TEXTS, st.integers(40, 90), st.integers(1, 3))
def test_wrapping_to_a_number_of_lines(text: str, width: int, limit: int) -> None:
    lines = Paper(width=width).wrapped(text, 4, lines=limit)
    assert len(lines) <= limit
    assert all(cell_len(line) <= width for line in lines)


@given(TEXTS, st.integers(1, 60))
def test_cut(text: str, width: int) -> None:
    clean = WIDE.clean(text)
    cut = WIDE.cut(clean, width)
    assert cell_len(cut) <= width
    assert cut == clean or (cut.endswith("\u2026") and clean.startswith(cut[:-1]))


@given(TEXTS, st.integers(0, 20))
def test_pad(text: str, more: int) -> None:
    clean = WIDE.clean(text)
    for right in (False, True):
        padded = pad(clean, cell_len(clean) + more, right=right)
        assert cell_len(padded) == cell_len(clean) + more
        assert padded.strip() == clean.strip()


def test_paint() -> None:
    assert WIDE.paint("x", "red") == "x"
    assert Paper(width=80, color=True).paint("x", "bold", "red") == "\x1b[1;31mx\x1b[0m"
    assert Paper(width=80, color=True).paint("x", "") == "x"
    assert Paper(width=80, color=True).paint("  ", "red") == "  "


def test_grid() -> None:
    assert grid([["a", "long", "x"], ["漢字", "b", ""]]) == ["a     long  x", "漢字  b"]
