"""Logs as lines of text: of any size, without what a terminal would hide, and without what a logger wrote before each line."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

LONGEST = 2**16
"""Characters of a line that are looked at together; no block is longer, even without its line ends."""

CHUNK = 2**16

_TERMINAL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[*`\u200b\ufeff\x00-\x08\x0e-\x1a]")
"""Colours and commands of a terminal, what marks code and bold text in Markdown, and what nobody sees."""

_LOST = re.compile(r"\\r|\\n|\u23ce|<br\s*/?>")
"""Line ends that were written out when a text became a line."""

_PREFIX = re.compile(
    r"\s+|[+\->|#:•]+\s*"
    r"|.{0,400}?\d+%\|.{0,200}?\[[^\]]*(?:it|s|B|req)/(?:it|s)[^\]]*\]"  # a progress bar that did not end its line
    r"|\[[^\[\]]{0,80}\]:?|\([^()]{0,80}\):?|<[^<>]{0,40}>:?"
    r"|\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?)?(?:Z|\s?[+-]\d\d:?\d\d)?|\d\d:\d\d:\d\d(?:[.,]\d+)?|\d\d-\d\d\b"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+\d{1,2}\b"
    r"|(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b(?::[\w.]*:)?|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+\b"
    r"|[\w./-]+\.(?:py|cc|cpp|go|rs|sh):\d+\]?:?"
    r"|(?:stdout|stderr|out|err)\b(?: [FP]\b)?:?|[\w.-]*\d:|(?:[\w.-]+ )?[\w.-]+\[\d+\]:|[\w./-]+ ?\||[\w.]+ - "
    r"|\d+[:|\t]|\d+(?=\s+[A-Z=])|\{\"\w+\":\s*\"|b['\"]|[^\t]{1,80}\t[^\t]{1,80}\t(?=\d{4}-)|[A-Za-z][\w-]*-\w*\d\w*(?= )"
)
"""What may stand before what a program printed: marks of a diff, a quotation or a list, times, levels, places, names of sources."""


class Line(NamedTuple):
    """A piece of a log between two line ends, or ends of a progress bar."""

    number: int
    text: str
    ended: bool = True
    """Whether its end is there: a value at the end of a text that was cut off may lack digits."""


def chunks(source: str | BinaryIO) -> Iterator[str]:
    """Yield a text, or a stream of UTF-8, in pieces; bytes that are no text become marks. Raises OSError."""
    if isinstance(source, str):
        yield from (source[start : start + CHUNK] for start in range(0, len(source), CHUNK))
        return
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := source.read(CHUNK):
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def lines(pieces: Iterable[str], hints: Sequence[str] = ("",)) -> Iterator[Line]:
    """Yield the lines of a text that comes in pieces; a line that is too long comes in pieces, too.

    Where none of the hints stands anywhere near, lines are passed over quickly.
    """
    number, rest = 1, ""
    for piece in pieces:
        body, end, rest = (rest + piece.replace("\u00a0", " ")).rpartition("\n")
        if end:
            whole = body.split("\n") if any(hint in body for hint in hints) else ()
            for at, text in enumerate(whole, number):
                yield from _parts(at, text, ended=True)
            number += body.count("\n") + 1
        if len(rest) > LONGEST:
            head, mark, rest = rest.rpartition("\r")
            if any(hint in head for hint in hints):
                yield from _parts(number, head, ended=bool(mark))
            if len(rest) > LONGEST:
                yield from _parts(number, rest, ended=False)
                rest = ""
    yield from _parts(number, rest, ended=False)


def _parts(number: int, text: str, *, ended: bool) -> Iterator[Line]:
    """Yield what stands between carriage returns, in pieces that are not too long."""
    if "\r" not in text and len(text) <= LONGEST:
        yield Line(number, text, ended)
        return
    *whole, last = text.split("\r")
    for part, is_whole in [*((part, True) for part in whole), (last, ended)]:
        for start in range(0, len(part), LONGEST):
            end = start + LONGEST
            yield Line(number, part[start:end], is_whole and end >= len(part))


def printed(text: str) -> Iterator[str]:
    """Yield the lines that a line held before its line ends were written out, without commands for a terminal."""
    if "\\" in text or "\u23ce" in text or "<br" in text:
        yield from (_TERMINAL.sub("", part) for part in _LOST.split(text))
    else:
        yield _TERMINAL.sub("", text)


def starts(text: str) -> Iterator[int]:
    """Yield where the text of a program may start in a line: at its beginning, and after each thing that a logger may have put there."""
    at = 0
    yield at
    while (found := _PREFIX.match(text, at)) and found.end() > at:
        at = found.end()
        yield at
