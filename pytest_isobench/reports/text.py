"""Text for a terminal: nothing that a field holds may reach it as a command, and no line is wider than it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

LONGEST = 4000
"""Characters of a field that are looked at; the rest is cut off."""

TIMES, DASH, CUT, GOOD, BAD = "\u00d7", "\u2013", "\u2026", "\u2713", "\u2717"
"""Marks that stand for themselves where ASCII is not all there is."""

_PLAIN = str.maketrans({TIMES: "x", DASH: "-", CUT: "~", GOOD: "+", BAD: "x", "±": "+-", "µ": "u"})
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What is written on: how wide it is, and what it can show."""

    width: int
    color: bool = False
    ascii_only: bool = False
    """Whether only ASCII can be shown."""

    def clean(self, text: str) -> str:
        """Return the text as one line without control characters, which are shown as escapes such as `\\x1b`."""
        shown = " ".join(text[:LONGEST].split()) + (CUT if len(text) > LONGEST else "")
        shown = "".join(_escaped(char) for char in shown)
        return shown.translate(_PLAIN).encode("ascii", "backslashreplace").decode() if self.ascii_only else shown

    def cut(self, text: str, width: int) -> str:
        """Return the beginning of a clean text that fits the width, with a mark where it was cut."""
        if cell_len(text) <= width:
            return text
        return _head(text, width - 1) + ("~" if self.ascii_only else CUT)

    def paint(self, text: str, *styles: str) -> str:
        """Return the text with its styles (`bold`, `dim` or a colour), where there is colour."""
        codes = ";".join(_CODES[style] for style in styles if style)
        return f"\x1b[{codes}m{text}\x1b[0m" if self.color and codes and text.strip() else text

    def wrapped(self, text: str, indent: int = 0, *, lines: int | None = None) -> list[str]:
        """Return a field's text, cleaned and broken into lines that fit; at most `lines` of them."""
        room = max(self.width - indent, 8)
        broken = _broken(self.clean(text), room)
        if lines is not None and len(broken) > lines:
            broken = [*broken[: lines - 1], self.cut(" ".join(broken[lines - 1 :]), room)]
        return [" " * indent + line for line in broken]


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill up with blanks; `right` aligns to the right."""
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def grid(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Return rows of clean texts as lines with aligned columns."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return [gap.join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _escaped(char: str) -> str:
    if char.isascii():
        return char if char.isprintable() else f"\\x{ord(char):02x}"
    # C: control, format (such as the marks that turn the direction of writing), surrogate, private, unassigned.
    if unicodedata.category(char)[0] != "C" and char not in "\u2028\u2029":
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def _head(text: str, width: int) -> str:
    while cell_len(text) > width:
        text = text[: max(len(text) - max((cell_len(text) - width) // 2, 1), 0)]
    return text


def _broken(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        lines += _pieces(word, width)
    return [line for line in lines if line]


def _pieces(word: str, width: int) -> list[str]:
    """Break a word that is longer than a line."""
    pieces = []
    while cell_len(word) > width:
        pieces.append(_head(word, width))
        word = word[len(pieces[-1]) :]
    return [*pieces, word]
