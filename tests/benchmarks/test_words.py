"""Words of a command line: what a shell would see."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.benchmarks.words import Operator, Redirection, join, split
from pytest_isobench.errors import CommandError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("a \\\n  b", ["a", "b"]),
        ("a \\\r\n  b", ["a", "b"]),
        ("a 'b c'\"d e\"f", ["a", "b cd ef"]),
        (r"a \"b\ c", ["a", '"b c']),
        (r'"a\"b\n"', [r'a"b\n']),
        ("a '$HOME' \\$x $", ["a", "$HOME", "$x", "$"]),
        ("a # the rest\nb", ["a", "\n", "b"]),
        ("a#b", ["a#b"]),
        ("a&&b & c", ["a", "&&", "b", "&", "c"]),
        ("a 2>&1 >log", ["a", "2>&1", ">", "log"]),
        ("a ''", ["a", ""]),
        ("", []),
    ],
)
def test_it_splits(text: str, words: list[str]) -> None:
    assert split(text) == words


def test_operators_are_no_words_even_when_they_look_alike() -> None:
    assert [isinstance(word, Operator) for word in split("a && '&&'")] == [False, True, False]
    assert [word.takes_file for word in split("a > b 2>&1") if isinstance(word, Redirection)] == [True, False]


@pytest.mark.parametrize("text", ["a $MODEL", "a ${MODEL}", 'a "$(nproc)"', "a `nproc`", "a 'b", 'a "b', "a \\", "a\0", "a" * 100_000])
def test_it_refuses_what_only_a_shell_knows(text: str) -> None:
    with pytest.raises(CommandError):
        split(text)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_it_reads_what_it_writes(words: list[str]) -> None:
    assert split(join(words)) == words


@given(st.lists(st.text(alphabet="ab -=_./[]:,'\"\\", min_size=1)).map(" ".join))
def test_it_reads_as_shlex_does(text: str) -> None:
    try:
        expected = shlex.split(text)
    except ValueError:
        with pytest.raises(CommandError):
            split(text)
    else:
        assert split(text) == expected
