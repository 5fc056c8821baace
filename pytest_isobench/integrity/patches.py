"""What a patch's text shows before anything is run, and what of it the checks leave out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from pytest_isobench.dataset.patches import parse_patch, shown, vet
from pytest_isobench.errors import DoesNotApplyError
from pytest_isobench.models.result import Finding
from pytest_isobench.models.task import Contract

SHOWN = 20
"""Files that a message names."""

_FILE = re.compile(r"(?m)^(?=diff --git )")
_BARE_FILE = re.compile(r"(?m)^(?=--- .*\n\+\+\+ )")
"""Where a file begins in a diff that git did not write."""
_FOLDERS = frozenset({"test", "tests", "testing"})
_STEERING = frozenset({"conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.ini", ".pytest.ini", "tox.ini"})


def remarks(patch: str) -> list[Finding]:
    """Return what is remarkable about a patch and no reason to refuse it, as notes: one of each kind, its files as evidence."""
    noted = [problem for problem in vet(patch) if problem.severity == "note"]
    kinds = dict.fromkeys(problem.kind for problem in noted)
    return [_note(kind, [problem.message for problem in noted if problem.kind == kind]) for kind in kinds]


def without_tests(patch: str) -> str:
    """Return a diff without its changes to tests and to what steers them: a patch does not choose what it is checked by."""
    head, *files = (_FILE if _FILE.search(patch) else _BARE_FILE).split(patch)
    return head + "".join(file for file in files if not any(map(_is_test, parse_patch(file).files)))


def disallowed(files: Sequence[str], contract: Contract | None) -> tuple[str, ...]:
    """Return the files that a task's contract does not name; none without a contract."""
    if contract is None:
        return ()
    return tuple(file for file in files if not any(_allows(name, file) for name in contract.files))


def judge_contract(outside: Sequence[str], contract: Contract | None) -> list[Finding]:
    """Return a note on files outside of a contract.

    Raises:
        DoesNotApplyError: the contract is strict.
    """
    if not outside or contract is None:
        return []
    allowed = ", ".join(contract.files)
    if contract.strict:
        named = ", ".join(shown(file) for file in outside[:SHOWN]) + (", ..." if len(outside) > SHOWN else "")
        raise DoesNotApplyError(f"the task's contract does not allow to change {named}; allowed: {allowed}")
    return [_note("outside_contract", [f"{shown(file)} is changed, and the task's contract names {allowed} only" for file in outside])]


def _allows(name: str, file: str) -> bool:
    """Whether a name of a contract is a file, a folder above it, or a glob of either."""
    literal = name.removesuffix("/")
    return file == literal or file.startswith(f"{literal}/") or _matches(file.split("/"), literal.split("/"))


def _matches(parts: Sequence[str], globs: Sequence[str]) -> bool:
    if not globs:
        return True
    if globs[0] == "**":
        return any(_matches(parts[skipped:], globs[1:]) for skipped in range(len(parts) + (len(globs) == 1)))
    return bool(parts) and fnmatchcase(parts[0], globs[0]) and _matches(parts[1:], globs[1:])


def _note(kind: str, messages: list[str]) -> Finding:
    more = f", and {len(messages) - 1} more" if len(messages) > 1 else ""
    return Finding(kind=kind, severity="note", message=f"{messages[0]}{more}", evidence="\n".join(messages)[:20_000])


def _is_test(name: str) -> bool:
    path = PurePosixPath(name)
    named = path.name.startswith("test_") or path.stem.endswith("_test")
    return named or path.name in _STEERING or path.suffix == ".pth" or not _FOLDERS.isdisjoint(path.parts[:-1])
