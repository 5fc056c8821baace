"""Lists of commits: which tasks are meant, a line each, `NAME [BASE | parent=N] [, remark]`; `#` begins a comment.

A name is a commit, abbreviated or not, or a task's id. What follows a comma, a semicolon or a bar is a remark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.dataset.stubs import Stub
from pytest_isobench.errors import UsageError

SHORTEST = 7
"""Digits of a commit that are taken for its abbreviation."""
LIMIT = 16 * 2**20
"""Characters of the largest list."""

_COMMIT = re.compile(rf"[0-9a-f]{{{SHORTEST},64}}")
_PARENT = re.compile(r"parent=([1-9]\d{0,3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One line."""

    number: int
    name: str
    base: str | None = None
    """The base commit that is meant, abbreviated or not."""
    parent: int | None = None
    """Which parent of the commit is meant to be the base."""


class CommitList:
    """The lines of a file that can be used, and what is wrong with the others."""

    def __init__(self, file: Path, lines: Sequence[Listed], refused: Sequence[str] = ()) -> None:
        self.file, self.lines, self.refused = file, tuple(lines), tuple(refused)
        self._index: dict[str, list[Listed]] = {}
        for line in lines:
            for key in {line.name, line.name[:SHORTEST]}:
                self._index.setdefault(key, []).append(line)

    def of(self, stub: Stub) -> list[Listed]:
        """Return the lines that mean a task: by its id, its base or its human commit; either side may be abbreviated."""
        names = [name for name in (stub.id, stub.base, stub.human) if name]
        near = [line for name in names for key in {name, name[:SHORTEST]} for line in self._index.get(key, ())]
        return [line for line in dict.fromkeys(near) if any(line.name == name or same_commit(line.name, name) for name in names)]


def is_commit(name: str) -> bool:
    """Tell whether a name may be a commit, or the beginning of one."""
    return bool(_COMMIT.fullmatch(name))


def same_commit(one: str, other: str) -> bool:
    """Tell whether two names mean one commit; either may be abbreviated."""
    return is_commit(one) and is_commit(other) and (one.startswith(other) or other.startswith(one))


def read_commits(file: Path) -> CommitList:
    """Read a list. Raises `UsageError` for a file that cannot be read, or lists nothing."""
    try:
        with file.open(encoding="utf-8") as opened:
            texts = opened.read(LIMIT).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from error
    lines, refused = list[Listed](), list[str]()
    for number, text in enumerate(texts, 1):
        try:
            lines += _read(number, text)
        except ValueError as error:
            refused.append(f"{file}:{number}: {error}")
    if not lines and not refused:
        raise UsageError(f"{file}: lists no commit and no task")
    return CommitList(file, lines, refused)


def _read(number: int, text: str) -> list[Listed]:
    words = re.split(r"[,;|#]", text, maxsplit=1)[0].split()
    if not words:
        return []
    name, *more = words
    if len(more) > 1:
        raise ValueError(f"{' '.join(words)!r:.80} is too long: write NAME, NAME BASE or NAME parent=N; a remark follows a comma")
    if not more:
        return [Listed(number=number, name=name)]
    if found := _PARENT.fullmatch(more[0]):
        return [Listed(number=number, name=name, parent=int(found[1]))]
    if not is_commit(more[0]):
        raise ValueError(f"{more[0]!r:.80} is neither a base commit ({SHORTEST} or more digits) nor parent=N; a remark follows a comma")
    return [Listed(number=number, name=name, base=more[0])]
