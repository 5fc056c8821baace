"""The grammar of unified diffs, as `git apply` reads them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_DIGITS = 9
"""Digits of a hunk's length that are believed."""

_RENAME = re.compile(r"(?:rename|copy) (?:from|to) (.+)", re.DOTALL)
_OLD_RENAME = re.compile(r"rename (?:old|new) (.+)", re.DOTALL)
_MODE = re.compile(r"(old mode|new mode|new file mode|deleted file mode|index [0-9a-fA-F]+\.\.[0-9a-fA-F]+) ([0-7]+)")
_PREIMAGE = re.compile(r"index ([0-9a-fA-F]+)\.\.[0-9a-fA-F]+( [0-7]+)?$")
_SIMILARITY = re.compile(r"(dis)?similarity index \d+%|index [0-9a-fA-F]+\.\.[0-9a-fA-F]+$")
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {"n": 10, "t": 9, "r": 13, "a": 7, "b": 8, "f": 12, "v": 11}
_NOTHING = "/dev/null"
_SLASHES = re.compile("/{2,}")


@dataclass(slots=True)
class File:
    """What a diff says of one file."""

    paths: dict[str, None] = field(default_factory=dict)
    """In the tree, in order; two for a rename or a copy."""
    modes: list[int] = field(default_factory=list)
    """Modes that it gives to the file."""
    preimage: str = ""
    """Hash of the content that it was made from, or the hash's beginning; zeros for a new file, empty when the diff does not say."""
    deleted: bool = False
    renamed: bool = False
    binary: Literal["content", "no_content"] | None = None

    @property
    def gone(self) -> bool:
        """Whether the file does not exist afterwards, by no name."""
        return self.deleted and not self.renamed


@dataclass(slots=True)
class Diff:
    """All that a diff says."""

    files: list[File] = field(default_factory=list)
    added: int = 0
    removed: int = 0
    strip: int = 1
    """Components to take off the paths."""


def read_diff(text: str) -> Diff:
    """Read a diff; what is no part of one, such as a mail around it, is skipped. Never fails."""
    return _Reader(text.split("\n")).read()


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._diff = Diff()
        self._names: list[tuple[File, str, str]] = []
        """Old and new name of each file as the headers have them, prefixes included."""
        self._loose: list[tuple[File, str]] = []
        """Names that stand alone, and tell nothing about prefixes."""
        self._in_header = False

    def read(self) -> Diff:
        at = 0
        while at < len(self._lines):
            at = self._step(at)
        self._diff.strip = self._find_strip()
        # `/dev/null` stands for no file on one side; on both it is a name like others, and a bad one.
        pairs = [(file, name) for file, old, new in self._names for name in (old, new) if name != _NOTHING or old == new]
        for file, name in [*pairs, *self._loose]:
            file.paths[self._inside(name)] = None
        return self._diff

    def _step(self, at: int) -> int:
        """Read what stands at a line outside of hunks and return where to go on."""
        line = self._lines[at].removesuffix("\r")
        if line.startswith("diff --git "):
            self._open()
            self._add_names(*_both_names(line.removeprefix("diff --git ")))
        elif line.startswith("--- ") and self._starts_file(at):
            if not self._in_header:
                self._open()
            self._add_names(_name(line[4:]), _name(self._lines[at + 1][4:].removesuffix("\r")))
            return at + 2
        elif self._diff.files and (hunk := _HUNK.match(line)):
            self._in_header = False
            return self._skip_hunk(at + 1, *(int((count or "1")[:_DIGITS]) for count in hunk.groups()))
        elif self._in_header:
            self._in_header = self._read_header(line, self._diff.files[-1])
        return at + 1

    def _open(self) -> None:
        self._diff.files.append(File())
        self._in_header = True

    def _starts_file(self, at: int) -> bool:
        following = self._lines[at + 1 : at + 3]
        return bool(following) and following[0].startswith("+++ ") and (self._in_header or following[-1].startswith("@@ -"))

    def _add_names(self, old: str, new: str) -> None:
        file = self._diff.files[-1]
        self._names.append((file, old, new))
        file.deleted = file.deleted or new == _NOTHING

    def _read_header(self, line: str, file: File) -> bool:
        """Read a line of an extended header; False when it is none, and the header is over."""
        if index := _PREIMAGE.match(line):
            file.preimage = index[1].lower()
        if match := _RENAME.fullmatch(line) or _OLD_RENAME.fullmatch(line):
            file.paths[_name(match[1])] = None
            file.renamed = True
        elif line.startswith(("--- ", "+++ ")):
            # One without the other: git takes the name, and fails later.
            self._loose.append((file, _name(line[4:])))
        elif match := _MODE.fullmatch(line):
            file.deleted = file.deleted or match[1].startswith("deleted")
            if not match[1].startswith(("old", "deleted")):
                file.modes.append(int(match[2][-_DIGITS:], 8))
        elif line == "GIT binary patch":
            file.binary = "content"
        elif line.startswith(("Binary files ", "Files ")) and line.endswith(" differ"):
            file.binary = "no_content"
        else:
            return bool(_SIMILARITY.match(line))
        return True

    def _skip_hunk(self, at: int, old: int, new: int) -> int:
        """Count a hunk's lines and return where it ends: after as many as it says, or at a line that cannot be a part of it."""
        while (old > 0 or new > 0) and at < len(self._lines):
            match self._lines[at][:1]:
                case " " | "":
                    old, new = old - 1, new - 1
                case "-":
                    old, self._diff.removed = old - 1, self._diff.removed + 1
                case "+":
                    new, self._diff.added = new - 1, self._diff.added + 1
                case "\\":
                    pass
                case _:
                    break
            at += 1
        return at

    def _find_strip(self) -> int:
        """Return 0 when the names show no prefix: both are the same, while `a/file` and `b/file` would differ."""
        votes = [_prefixed(old, new) if not file.renamed else _renamed_with_prefix(old, file.paths) for file, old, new in self._names]
        return 0 if False in votes and True not in votes else 1

    def _inside(self, name: str) -> str:
        relative = "/" in name and not name.startswith("/")
        return _SLASHES.sub("/", name.partition("/")[2] if self._diff.strip and relative else name)


def _prefixed(old: str, new: str) -> bool | None:
    """Whether two names of a file begin with `a/` and `b/` or the like; None when they do not tell."""
    if _NOTHING in (old, new):
        return (new if old == _NOTHING else old).startswith(("a/", "b/"))
    if old == new:
        return False
    return True if "/" in old and "/" in new and old.partition("/")[2] == new.partition("/")[2] else None


def _renamed_with_prefix(old: str, renames: Collection[str]) -> bool | None:
    """Whether a renamed file's name has a prefix: the lines that tell of the rename have none."""
    if old in renames:
        return False
    return True if old.partition("/")[2] in renames else None


def _both_names(text: str) -> tuple[str, str]:
    """Return the names of a `diff --git` line: quoted, or two halves that differ in their prefixes at most."""
    quoted = re.fullmatch(r'("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)', text)
    if quoted:
        return _name(quoted[1]), _name(quoted[2])
    middle = len(text) // 2
    if text[middle : middle + 1] == " " and _prefixed(text[:middle], text[middle + 1 :]) is not None:
        return text[:middle], text[middle + 1 :]
    old, separator, new = text.partition(" b/")
    return (old, f"b/{new}") if separator else (text, text)


def _name(text: str) -> str:
    """Return a name of a header: without the date behind a tab, without quotes and escapes."""
    if not text.startswith('"'):
        return text.partition("\t")[0]
    end = re.match(r'"((?:[^"\\]|\\.)*)"', text)
    return _unquote(end[1]) if end else text


def _unquote(text: str) -> str:
    def byte(match: re.Match[str]) -> str:
        code = match[1]
        value = int(code, 8) & 0xFF if code[0] in "01234567" else _ESCAPED.get(code, ord(code))
        return chr(value) if value < 0x80 else bytes([value]).decode("utf-8", "surrogateescape")

    plain = _ESCAPE.sub(byte, text)
    try:
        return plain.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return plain
