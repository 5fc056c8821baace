"""Looks for the answer in a prompt: the human's commit, lines and words, and other tasks' texts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

from pytest_isobench.agents.looking import cleaned
from pytest_isobench.dataset.cache import walk
from pytest_isobench.errors import UsageError
from pytest_isobench.models.leak import Leak, LeakKind

SHORTEST_HASH = 7
"""Digits of an abbreviated commit hash."""
LETTERS, TOKENS = 20, 4
"""Of a line of code that nobody writes by coincidence: letters apart from blanks, and different names and numbers among them."""
DIFF_LETTERS = 12
"""Of a line that stands in a prompt with the sign that it has in the diff."""
WORDS, WORD_LETTERS = 6, 20
"""Of a row of words that nobody writes by coincidence: how many, and their letters."""
TITLE_WORDS = 4
"""Words of a paragraph that is shorter and must be found as a whole."""
SHOWN = 20

_HASH = re.compile(rf"(?<![0-9A-Za-z])[0-9a-f]{{{SHORTEST_HASH},40}}(?![0-9A-Za-z])", re.IGNORECASE)
_TOKEN = re.compile(r"[^\W_]+")
_WORD = re.compile(r"\w(?:[\w./:'-]*\w)?")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+")
_TRAILER = re.compile(r"(?im)^[\w-]+-by: .*$")


class PromptLeakError(UsageError):
    """A prompt that gives something away. Its task file must be changed; nothing was run."""

    def __init__(self, task: str, leaks: Iterable[Leak]) -> None:
        self.leaks = tuple(leaks)
        told = [f"  {leak.where}: {leak.message}" for leak in self.leaks[:SHOWN]]
        more = [f"  and {len(self.leaks) - SHOWN} more"] if len(self.leaks) > SHOWN else []
        super().__init__("\n".join([f"the prompt of task {task} gives something away; change the task's brief:", *told, *more]))


def prompt_leaks(
    prompt: str,
    *,
    human_diff: str = "",
    human_commit: str | None = None,
    message: str = "",
    own: Iterable[str] = (),
    others: Mapping[str, Iterable[str]] | None = None,
    base_has: Callable[[str], bool] = lambda line: False,  # noqa: ARG005
) -> list[Leak]:
    """Return what a prompt gives away.

    `message` is all that is said of the human's change: its commit message, and what the task file says of its gain. `own` are the task's
    own texts (`own_texts`) and `others` those of other tasks (`texts_of`), by id. `base_has` tells of a line that was `cleaned` whether the
    base version holds it.
    """
    text = _Text(prompt)
    spoken = {shingle for said in own for shingle in _shingles(said)}
    leaks = [*_commits(text, human_commit), *_lines(text, human_diff, base_has), *_message(text, message)]
    for name, said in (others or {}).items():
        leaks += _other(text, name, said, spoken)
    return leaks


def require_fair(task: str, leaks: Iterable[Leak]) -> None:
    """Raise `PromptLeakError` if there is any leak."""
    if found := tuple(leaks):
        raise PromptLeakError(task, found)


def tells(line: str) -> bool:
    """Say whether a line of code holds so much that nobody writes it by coincidence."""
    return len(line.replace(" ", "")) >= LETTERS and len(set(_TOKEN.findall(line))) >= TOKENS


def new_lines(diff: str) -> list[str]:
    """Return the lines, cleaned, that a diff adds, that it neither removes nor leaves, and that tell."""
    known = set(map(cleaned, re.findall(r"(?m)^(?:-(?!-- )| )(.*)$", diff)))
    added = map(cleaned, re.findall(r"(?m)^\+(?!\+\+ )(.*)$", diff))
    return [line for line in dict.fromkeys(added) if tells(line) and line not in known]


def held_by(tree: Path) -> Callable[[str], bool]:
    """Return a function that tells whether a file below a folder holds a line that was `cleaned`."""

    def holds(line: str) -> bool:
        token = max(_TOKEN.findall(line), key=len, default="").encode()
        return any(line in map(cleaned, text.decode("utf-8", "replace").split("\n")) for text in _texts(tree) if token in text)

    return holds


def _texts(tree: Path) -> Iterator[bytes]:
    for path in walk(tree):
        if path.is_file() and not path.is_symlink():
            with suppress(OSError):
                yield path.read_bytes()


class _Text:
    """A prompt in which things are looked for."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        pieces = [f"{cleaned(line)} " for line in self.lines]
        self.flat = " " + "".join(pieces)
        self._ends = list(accumulate(map(len, pieces)))
        found = [(word, number) for number, line in enumerate(self.lines, 1) for word in _words(line)]
        self._words, self._numbers = [word for word, _ in found], [number for _, number in found]

    def find(self, line: str) -> int | None:
        """Return the number of the line where a cleaned line begins, also one that is broken at other places; None for nowhere."""
        at = self.flat.find(f" {line} ")
        return None if at < 0 else bisect_right(self._ends, at) + 1

    def find_any(self, shingles: Iterable[tuple[str, ...]]) -> tuple[int, str] | None:
        """Return line number and spelling of the first word row among these."""
        wanted = set(shingles)
        for size in sorted({len(shingle) for shingle in wanted}, reverse=True):
            for at in range(len(self._words) - size + 1):
                if (row := tuple(self._words[at : at + size])) in wanted:
                    return self._numbers[at], " ".join(row)
        return None


def _commits(text: _Text, commit: str | None) -> Iterator[Leak]:
    for number, line in enumerate(text.lines, 1):
        for match in _HASH.finditer(line) if commit else ():
            if commit and commit.lower().startswith(match[0].lower()):
                yield _leak("human_commit", number, f"{match[0]} is the human's commit")


def _lines(text: _Text, diff: str, base_has: Callable[[str], bool]) -> Iterator[Leak]:
    for line in new_lines(diff):
        if (number := text.find(line)) and not base_has(line):
            yield _leak("human_line", number, f"{line!r} is a line that the human's version adds")
    changed = {(sign, cleaned(line)) for sign, line in re.findall(r"(?m)^(\+(?!\+\+ )|-(?!-- ))(.*)$", diff)}
    for number, line in enumerate(text.lines, 1):
        if (line[:1], cleaned(line)) in changed and len(cleaned(line)) >= DIFF_LETTERS:
            yield _leak("human_line", number, f"{line[0]}{cleaned(line)!r} is a line of the human's diff")


def _message(text: _Text, message: str) -> Iterator[Leak]:
    if found := text.find_any(_shingles(_TRAILER.sub("", message))):
        yield _leak("human_message", found[0], f"{found[1]!r} is how the human's change is described")


def _other(text: _Text, name: str, said: Iterable[str], spoken: set[tuple[str, ...]]) -> Iterator[Leak]:
    if found := text.find_any(shingle for part in said for shingle in _shingles(part) if shingle not in spoken):
        yield _leak("other_task", found[0], f"{found[1]!r} belongs to task {name}")


def _shingles(text: str) -> Iterator[tuple[str, ...]]:
    """Yield what of a text is recognised: rows of words, paragraphs that are shorter, and paths."""
    for paragraph in re.split(r"\n\s*\n", text):
        words = list(_words(paragraph))
        size = min(WORDS, max(len(words), TITLE_WORDS))
        rows = (tuple(words[at : at + size]) for at in range(len(words) - size + 1))
        yield from (row for row in rows if len(row) < WORDS or sum(map(len, row)) >= WORD_LETTERS)
    yield from ((path.lower(),) for path in _PATH.findall(text) if len(_TOKEN.findall(path)) >= TOKENS)


def _words(text: str) -> Iterator[str]:
    return (match[0].lower() for match in _WORD.finditer(text))


def _leak(kind: LeakKind, number: int, message: str) -> Leak:
    return Leak(kind=kind, where=f"line {number}", message=message)
