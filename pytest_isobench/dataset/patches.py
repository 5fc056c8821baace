"""Unified diffs: parsed and vetted before anything is done with them. A patch is untrusted text.

The parser follows `git apply`: headers are looked for between hunks, and a hunk takes as many lines as it says. git itself refuses paths
outside of the tree; vetting comes first because it gives reasons, and because not everything that applies is fair.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from pytest_isobench.dataset.diffs import Diff, File, read_diff

LIMIT = 8 * 2**20
"""Bytes of the largest patch."""

SHOWN = 100
"""Problems of one severity that are listed, of as many as there may be."""

Kind = Literal[
    "absolute",
    "device",
    "escape",
    "backslash",
    "control",
    "git_folder",
    "submodule",
    "symlink",
    "nul",
    "encoding",
    "too_large",
    "not_a_diff",
    "no_content",
    "bytecode",
    "startup",
    "binary",
]

COMPILED = re.compile(r"\.(pyc|pyo|pyd|dll|dylib|o|a|exe|so(\.\d+)*)$|(^|/)__pycache__/", re.IGNORECASE)
_STARTUP = re.compile(r"\.pth$|(^|/)(sitecustomize|usercustomize|conftest)(\.py|/__init__\.py)$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Characters that some file systems ignore in a name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a patch that somebody should know."""

    kind: Kind
    path: str
    """The file in question; empty for the patch as a whole."""
    severity: Literal["refuse", "note"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A diff, parsed and vetted."""

    text: str
    """The diff, its last line ended, which many agents' are not; bytes that are not UTF-8 are surrogates."""
    digest: str
    """SHA-256 of its bytes."""
    files: tuple[str, ...]
    """Paths that it touches, in the tree; empty for no change."""
    added: int
    """Lines that it adds."""
    removed: int
    strip: int
    """Components to take off its paths; 0 for a diff made with `--no-prefix`."""
    problems: tuple[Problem, ...]

    @property
    def data(self) -> bytes:
        """The bytes to give to `git apply`."""
        return _encode(self.text)

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """The problems that forbid to apply it."""
        return tuple(problem for problem in self.problems if problem.severity == "refuse")

    @property
    def objections(self) -> str:
        """Why it must not be applied, in words; empty when it may."""
        return "; ".join(problem.message for problem in self.refusals)


def parse_patch(text: str) -> Patch:
    """Parse and vet a diff. Never fails: what is wrong with it is among its problems."""
    text = text if text.endswith("\n") or not text.strip() else f"{text}\n"
    data = _encode(text)
    problems = list(_of_text(text, len(data)))
    diff = Diff() if problems else read_diff(text)
    if text.strip() and not problems and not diff.files:
        problems.append(Problem("not_a_diff", "", "refuse", "is not a diff: it has no header such as '--- a/file' and '+++ b/file'"))
    for severity in ("refuse", "note"):
        found = (problem for file in diff.files for problem in _of_file(file) if problem.severity == severity)
        problems += islice(found, SHOWN)
    return Patch(
        text=text,
        digest=hashlib.sha256(data).hexdigest(),
        files=tuple(dict.fromkeys(path for file in diff.files for path in file.paths)),
        added=diff.added,
        removed=diff.removed,
        strip=diff.strip,
        problems=tuple(dict.fromkeys(problems)),
    )


def vet(text: str) -> list[Problem]:
    """Return what is wrong with a diff, and what is remarkable about it; nothing for an honest one, or for no change at all."""
    return list(parse_patch(text).problems)


def read_patch(path: Path) -> Patch:
    """Read a diff from a file, as it is: line ends, byte order marks and foreign encodings included. Raises OSError."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path} is not a regular file")
    with path.open("rb") as file:
        return parse_patch(file.read(LIMIT + 1).decode("utf-8", "surrogateescape"))


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _of_text(text: str, size: int) -> Iterator[Problem]:
    if size > LIMIT:
        yield Problem("too_large", "", "refuse", f"is larger than {LIMIT // 2**20} MiB")
    elif (at := text.find("\0")) >= 0:
        yield Problem("nul", "", "refuse", f"holds a NUL byte in line {text.count(chr(10), 0, at) + 1}")
    elif re.search(r"[\ud800-\udc7f\udd00-\udfff]", text):
        yield Problem("encoding", "", "refuse", "holds characters that no encoding has")


def _of_file(file: File) -> Iterator[Problem]:
    for path in file.paths:
        yield from path_problems(path)
        if not file.gone and COMPILED.search(path):
            yield Problem("bytecode", path, "refuse", f"{shown(path)} is compiled code, which nobody can review; a patch changes sources")
        if not file.gone and _STARTUP.search(path):
            yield Problem("startup", path, "note", f"{shown(path)} runs by itself when Python or pytest starts")
    path = next(reversed(file.paths), "")
    for mode in file.modes:
        yield from _of_mode(path, mode)
    if file.binary == "no_content":
        yield Problem("no_content", path, "refuse", f"{shown(path)} is binary and its content is left out; git diff --binary has it")
    elif file.binary == "content":
        yield Problem("binary", path, "note", f"{shown(path)} is changed as binary data")


def path_problems(path: str) -> Iterator[Problem]:
    """Yield why a file of this name cannot be in a patch."""
    parts = [_INVISIBLE.sub("", part).lower() for part in path.split("/")]
    if path.startswith("/dev/"):
        yield Problem("device", path, "refuse", f"{shown(path)} is a device")
    elif path.startswith("/"):
        yield Problem("absolute", path, "refuse", f"{shown(path)} is an absolute path; a patch stays in the tree")
    if ".." in parts:
        yield Problem("escape", path, "refuse", f"{shown(path)} leads out of the tree")
    if "\\" in path:
        yield Problem("backslash", path, "refuse", f"{shown(path)} holds a backslash, which some systems take for a slash")
    if _CONTROL.search(path):
        yield Problem("control", path, "refuse", f"{shown(path)} holds control characters")
    if any(part.rstrip(". ") == ".git" or part.startswith("git~") for part in parts):
        yield Problem("git_folder", path, "refuse", f"{shown(path)} is in git's own folder, where hooks and configuration are")
    if ".gitmodules" in parts:
        yield Problem("submodule", path, "refuse", f"{shown(path)} says where submodules come from; a patch brings its changes itself")


def _of_mode(path: str, mode: int) -> Iterator[Problem]:
    match stat.S_IFMT(mode):
        case stat.S_IFREG:
            return
        case stat.S_IFLNK:
            yield Problem("symlink", path, "refuse", f"{shown(path)} is a symbolic link, which may lead anywhere")
        case 0o160000:
            yield Problem("submodule", path, "refuse", f"{shown(path)} is a submodule; a patch brings its changes itself")
        case _:
            yield Problem("device", path, "refuse", f"{shown(path)} has the mode {mode:o}, which no file of a repository has")


def shown(path: str) -> str:
    """Return a path of a patch, quoted, fit to be shown."""
    return ascii(path) if _CONTROL.search(path) or not path.isprintable() else repr(path)
