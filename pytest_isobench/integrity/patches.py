"""What a patch's text shows before anything is run, and what of it the checks leave out."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pytest_isobench.dataset.patches import parse_patch, vet
from pytest_isobench.models.result import Finding

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


def _note(kind: str, messages: list[str]) -> Finding:
    more = f", and {len(messages) - 1} more" if len(messages) > 1 else ""
    return Finding(kind=kind, severity="note", message=f"{messages[0]}{more}", evidence="\n".join(messages)[:20_000])


def _is_test(name: str) -> bool:
    path = PurePosixPath(name)
    named = path.name.startswith("test_") or path.stem.endswith("_test")
    return named or path.name in _STEERING or path.suffix == ".pth" or not _FOLDERS.isdisjoint(path.parts[:-1])
