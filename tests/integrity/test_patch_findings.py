"""What is remarked about a patch, and what the checks leave out of it."""

from __future__ import annotations

import pytest

from pytest_isobench.integrity.patches import disallowed, remarks, without_tests
from pytest_isobench.models.task import Contract

CODE = "diff --git a/pkg/core.py b/pkg/core.py\n--- a/pkg/core.py\n+++ b/pkg/core.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"


def new(name: str) -> str:
    return f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n"


TESTS = ["test_a.py", "tests/data.json", "pkg/tests/helper.py", "pkg/a_test.py"]
STEERING = ["conftest.py", "pkg/conftest.py", "sitecustomize.py", "pytest.ini", "x.pth"]


@pytest.mark.parametrize("name", TESTS + STEERING)
def test_a_patch_does_not_choose_what_it_is_checked_by(name):
    assert without_tests(new(name) + CODE) == CODE
    assert without_tests(CODE + new(name)) == CODE
    assert without_tests(new(name)) == ""


@pytest.mark.parametrize("name", ["pkg/latest.py", "pkg/contest.py", "pkg/testimony/core.py", "protest.py", "pyproject.toml"])
def test_everything_else_stays(name):
    assert without_tests(new(name) + CODE) == new(name) + CODE


def test_a_file_that_becomes_a_test_and_one_that_was_one_are_left_out():
    text = "diff --git a/pkg/x.py b/tests/x.py\nsimilarity index 100%\nrename from pkg/x.py\nrename to tests/x.py\n"
    assert without_tests(text + CODE) == CODE


def test_diffs_that_git_did_not_write_are_told_apart_too():
    bare = [text.partition("\n")[2].replace("new file mode 100644\n", "") for text in (new("tests/a.py"), CODE)]
    assert without_tests("".join(bare)) == bare[1]


def test_what_is_around_a_diff_stays():
    mail = f"From: somebody\nSubject: faster\n\n{CODE}"
    assert without_tests(mail) == mail
    assert without_tests("") == ""


def test_files_that_start_by_themselves_are_noted_once():
    findings = remarks(new("conftest.py") + new("pkg/sitecustomize.py") + CODE)
    assert [(finding.kind, finding.severity) for finding in findings] == [("startup", "note")]
    assert "conftest.py" in findings[0].message
    assert "and 1 more" in findings[0].message
    assert "pkg/sitecustomize.py" in findings[0].evidence


def test_an_ordinary_patch_has_no_remarks():
    assert remarks(CODE) == remarks("") == []


@pytest.mark.parametrize(("name", "allowed", "others"), [
    ("src/m.py", ["src/m.py"], ["src/m.pyx", "m.py", "src/m"]),
    ("src", ["src", "src/m.py", "src/a/b"], ["source.py", "a/src"]),
    ("src/", ["src/m.py"], ["m.py"]),
    ("src/*.py", ["src/m.py"], ["src/a/m.py", "m.py"]),
    ("src/*", ["src/m.py", "src/a/m.py"], ["m.py"]),
    ("**/*.py", ["m.py", "src/a/m.py"], ["m.c", "src/py"]),
    ("src/**/*.py", ["src/m.py", "src/a/b/m.py"], ["m.py", "src/a/m.c"]),
    ("src/**", ["src/m.py", "src/a/b"], ["m.py"]),
    ("**", ["m.py", "src/a/b"], []),
    ("src/**/kernels", ["src/kernels/m.cu", "src/a/kernels/b/m.cu"], ["src/m.cu"]),
    ("m[12].py", ["m1.py", "m[12].py"], ["m3.py"]),
    ("**/a/**/b/**/c", ["a/b/c", "x/a/y/b/z/c/d"], ["a/c/b", "x/" * 60 + "b"]),
])  # fmt: skip
def test_a_contract_names_files_and_folders(name, allowed, others):
    assert disallowed([*allowed, *others], Contract(files=(name,))) == tuple(others)


def test_no_contract_allows_everything():
    assert disallowed(["m.py"], None) == ()


@pytest.mark.parametrize("name", ["", "/etc", "../m.py", "src/../m.py", "./m.py", "src//m.py", "."])
def test_a_contract_stays_in_the_tree(name):
    with pytest.raises(ValueError, match="is no path in the tree"):
        Contract(files=(name,))
