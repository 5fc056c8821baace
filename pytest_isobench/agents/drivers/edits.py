"""Edits of files as models write them, and the diff that they make.

    pkg/sums.py
    <<<<<<< SEARCH
    lines of the file
    =======
    lines in their place
    >>>>>>> REPLACE

An edit holds only if its lines stand in the file, exactly and once. One that does not spoils all: half a change is none.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_START, _MIDDLE, _END = (re.compile(rf"^{mark}[ \t]*$") for mark in (r"<{5,9} ?SEARCH", r"={5,9}", r">{5,9} ?REPLACE"))
_DECORATION = re.compile(r"^(?:[\s`*#>]|(?:File|Path):)+|[\s`*:]+$", re.IGNORECASE)
_ODD = re.compile(r'[\x00-\x1f\x7f"\\]')
_SHOWN = 10
"""Reasons that are given, of as many as there may be."""

Lookup = Callable[[str], str | None]
"""Returns the text of a file of the tree; None where there is none."""


class EditError(Exception):
    """Edits that cannot be made; says why, edit by edit."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit, its lines without their ends."""

    path: str
    old: tuple[str, ...]
    new: tuple[str, ...]


def parse(text: str) -> list[Edit]:
    """Return the edits in a model's answer; whatever is around them is left out. Raises `EditError` for one that is broken off."""
    edits: list[Edit] = []
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    name = ""
    for line in lines:
        if _START.match(line):
            name = name or (edits[-1].path if edits else "")
            edits.append(Edit(name, tuple(_until(_MIDDLE, lines, name)), tuple(_until(_END, lines, name))))
            name = ""
        elif line.strip() and not line.lstrip().startswith("```"):
            name = posixpath.normpath(_DECORATION.sub("", line) or "/")
    return edits


def diff(edits: list[Edit], lookup: Lookup) -> str:
    """Return the edits, made one after the other, as a unified diff. Raises `EditError`."""
    before: dict[str, str | None] = {}
    after: dict[str, str] = {}
    reasons: list[str] = []
    for number, edit in enumerate(edits, 1):
        if edit.path not in before:
            before[edit.path] = lookup(edit.path) if _is_name(edit.path) else None
        try:
            after[edit.path] = _apply(edit, after.get(edit.path, before[edit.path]))
        except EditError as error:
            reasons.append(f"edit {number} of {len(edits)}, of {edit.path[:200]!r}: {error}")
    if reasons:
        raise EditError("; ".join(reasons[:_SHOWN]))
    return "".join(_unified(path, before[path], text) for path, text in after.items())


def _until(mark: re.Pattern[str], lines: Iterator[str], name: str) -> Iterator[str]:
    for line in lines:
        if mark.match(line):
            return
        yield line
    raise EditError(f"the last edit, of {name[:200]!r}, has no end: the answer was broken off, or is not of the form that was asked for")


def _apply(edit: Edit, text: str | None) -> str:
    if not text and not (edit.old and text is not None):
        return _made(edit)
    if not edit.old:
        raise EditError("SEARCH is empty, and the file exists")
    ending = "\r\n" if "\r\n" in text and text.count("\r\n") == text.count("\n") else "\n"
    lines = text.split(ending)
    width = len(edit.old)
    places = [at for at in range(len(lines) - width + 1) if lines[at] == edit.old[0] and tuple(lines[at : at + width]) == edit.old]
    if len(places) != 1:
        raise EditError(f"its lines stand in the file {len(places)} times" if places else "its lines do not stand in the file")
    return ending.join([*lines[: places[0]], *edit.new, *lines[places[0] + width :]])


def _made(edit: Edit) -> str:
    if not _is_name(edit.path):
        raise EditError("that is no name of a file of the tree" if edit.path else "no file is named in the line before it")
    if edit.old:
        raise EditError("there is no such file of text")
    return "".join(f"{line}\n" for line in edit.new)


def _is_name(path: str) -> bool:
    """Tell whether this may be the name of a file inside of the tree, which a diff can hold as it is."""
    return bool(path) and not _ODD.search(path) and not path.startswith(("/", "../")) and path not in (".", "..")


def _unified(path: str, before: str | None, after: str) -> str:
    """Return git's form of one file's change; empty for none."""
    if before == after:
        return ""
    head = f"diff --git a/{path} b/{path}\n" + ("new file mode 100644\n" if before is None else "")
    old = "/dev/null" if before is None else f"a/{path}"
    changed = difflib.unified_diff(_lines(before or ""), _lines(after), old, f"b/{path}")
    return head + "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in changed)


def _lines(text: str) -> list[str]:
    """Split at line feeds only, as git does."""
    return [line for line in re.split(r"(?<=\n)", text) if line]
