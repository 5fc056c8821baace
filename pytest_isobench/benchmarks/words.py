"""A command line as words and operators: what a shell would see, and nothing that only a shell can know."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from pytest_isobench.errors import CommandError

LIMIT = 64 * 1024
"""Characters of the longest command line."""

_TOKEN = re.compile(
    r"""(?P<blank>(?:[^\S\n]|\\\r?\n)+)
      | (?P<redirection>&>>?|\d?(?:>>|>&|>|<<|<)(?:&?\d(?!\S))?)
      | (?P<operator>&&|\|\||[&|;()\n])
      | (?P<single>'[^']*')
      | (?P<double>"(?:[^"\\]|\\.)*")
      | (?P<escape>\\.)
      | (?P<plain>[^\s'"\\&|;()<>]+)""",
    re.VERBOSE | re.DOTALL,
)
_BETWEEN = ("blank", "redirection", "operator")
_SUBSTITUTION = re.compile(r"`|\$[\w{(!?@*#$'\"-]")
_IN_DOUBLE = re.compile(r'\\(["\\$`])')


class Operator(str):
    """What stands between commands; never a word."""

    __slots__ = ()


class Redirection(Operator):
    """What sends output elsewhere; the word that follows it is a file, unless it names a descriptor itself."""

    __slots__ = ()

    @property
    def takes_file(self) -> bool:
        return not self[-1].isdigit()


def split(text: str) -> list[str]:
    """Return words and operators. Raises CommandError for what only a shell can know, and for what no shell could read."""
    if len(text) > LIMIT:
        raise CommandError(f"the command has {len(text):,} characters; allowed: {LIMIT:,}")
    if "\0" in text:
        raise CommandError("the command holds a NUL character, which no command can")
    found: list[str] = []
    word: str | None = None
    for kind, piece in _tokens(text):
        if kind not in _BETWEEN:
            word = (word or "") + _value(kind, piece)
            continue
        found += [word] if word is not None else []
        found += [] if kind == "blank" else [Redirection(piece) if kind == "redirection" else Operator(piece)]
        word = None
    return found + ([word] if word is not None else [])


def join(words: Iterable[str]) -> str:
    """Return the command line that `split` reads as these words."""
    return " ".join(map(shlex.quote, words))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces; a comment is none, and goes to the end of its line."""
    at, between = 0, True
    while at < len(text):
        if between and text[at] == "#":
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
            continue
        found = _TOKEN.match(text, at)
        if found is None:
            raise CommandError(f"the quote or backslash at {text[at : at + 30]!r} has no end")
        kind, at = str(found.lastgroup), found.end()
        between = kind in _BETWEEN
        yield kind, found[0]


def _value(kind: str, piece: str) -> str:
    """Return what a piece of a word stands for."""
    if kind == "single":
        return piece[1:-1]
    if kind == "escape":
        return piece[1:]
    if found := _SUBSTITUTION.search(re.sub(r"\\.", "__", piece, flags=re.DOTALL) if kind == "double" else piece):
        raise CommandError(f"{piece[found.start() : found.start() + 40]!r} is filled in by a shell; write the value itself")
    return _IN_DOUBLE.sub(r"\1", piece[1:-1].replace("\\\n", "")) if kind == "double" else piece
