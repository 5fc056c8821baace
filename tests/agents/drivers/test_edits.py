"""Edits that models write, and the diff that they make."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.agents.drivers.edits import Edit, EditError, diff, parse

FILE = "def a():\n    return 1\n\n\ndef b():\n    return 1\n"


def block(path: str, old: str, new: str) -> str:
    return f"{path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"


BARE = block("a.py", "x\n", "y\n")
NAMELESS = BARE.removeprefix("a.py\n")


def made(text: str, **files: str) -> str:
    return diff(parse(text), {name.replace("_py", ".py"): content for name, content in files.items()}.get)


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("", []),
        ("I would not change it.", []),
        (BARE, [Edit("a.py", ("x",), ("y",))]),
        (f"Faster:\n\n```python\n{BARE}```\nDone.", [Edit("a.py", ("x",), ("y",))]),
        (f"### `./pkg/a.py`:\n\n```\n{NAMELESS}```\n", [Edit("pkg/a.py", ("x",), ("y",))]),
        (f"**File: pkg/a.py**\n{NAMELESS}", [Edit("pkg/a.py", ("x",), ("y",))]),
        (BARE.replace("\n", "\r\n"), [Edit("a.py", ("x",), ("y",))]),
        (BARE + NAMELESS, [Edit("a.py", ("x",), ("y",)), Edit("a.py", ("x",), ("y",))]),
        (block("a.py", "", "new\n"), [Edit("a.py", (), ("new",))]),
        (NAMELESS, [Edit("", ("x",), ("y",))]),
    ],
    ids=["nothing", "words", "bare", "fenced", "decorated", "labelled", "windows", "same file", "new file", "no name"],
)  # fmt: skip
def test_edits_are_found(text: str, edits: list[Edit]) -> None:
    assert parse(text) == edits


@pytest.mark.parametrize("text", ["a.py\n<<<<<<< SEARCH\nx\n", "a.py\n<<<<<<< SEARCH\nx\n=======\ny\n", "<<<<<<< SEARCH"])
def test_an_edit_that_is_broken_off_spoils_the_answer(text: str) -> None:
    with pytest.raises(EditError, match=r"the last edit, of '.*', has no end"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (block("a.py", "    return 1\n", "    return 2\n"), "edit 1 of 1, of 'a.py': its lines stand in the file 2 times"),
        (block("a.py", "    return 7\n", ""), "its lines do not stand in the file"),
        (block("a.py", "def a(): \n", ""), "its lines do not stand in the file"),
        (block("a.py", "", "x\n"), "SEARCH is empty, and the file exists"),
        (block("b.py", "x\n", "y\n"), "there is no such file of text"),
        (block("", "", "y\n"), "no file is named in the line before it"),
        (block("/etc/x", "", "y\n"), "that is no name of a file of the tree"),
        (block("pkg/../../x", "", "y\n"), "that is no name of a file of the tree"),
        (block('"x', "", "y\n"), "that is no name of a file of the tree"),
        (block("a.py", "def a():\n", "def c():\n") + block("a.py", "def a():\n", ""), "edit 2 of 2, of 'a.py': its lines do not stand"),
    ],
)
def test_an_edit_that_does_not_fit_says_why(text: str, reason: str) -> None:
    with pytest.raises(EditError) as caught:
        made(text, a_py=FILE)
    assert reason in str(caught.value)


def test_edits_become_a_diff() -> None:
    text = block("a.py", "def a():\n    return 1\n", "def a():\n    return 2\n") + block("new/c.py", "", "c = 1\n")
    assert made(text, a_py=FILE) == (
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,5 +1,5 @@\n def a():\n-    return 1\n+    return 2\n \n \n def b():\n"
        "diff --git a/new/c.py b/new/c.py\nnew file mode 100644\n--- /dev/null\n+++ b/new/c.py\n@@ -0,0 +1 @@\n+c = 1\n"
    )


def test_later_edits_see_earlier_ones() -> None:
    text = block("a.py", "def a():\n", "def c():\n") + block("a.py", "def c():\n", "def d():\n")
    assert "+def d():" in made(text, a_py=FILE)
    assert made(block("a.py", "def a():\n", "def c():\n") + block("a.py", "def c():\n", "def a():\n"), a_py=FILE) == ""


@pytest.mark.parametrize("file", ["a\r\nb\r\nc\r\n", "a\nb", "b", "\nb\n\n", "a\x0cz\nb\n", "a\u2028z\nb\n", "é\nb\r\n\n" + "b \n"])
@pytest.mark.parametrize("new", ["", "x\n", "x\n\ny\n", "b\nb\n"])
def test_git_makes_the_same_of_the_diff(file: str, new: str, tmp_path: Path) -> None:
    old = "b\r\n" if "b\r\n" in file and not file.startswith("a\r") else "b\n"
    edits = [Edit("a.txt", (old[:-1],), tuple(new.split("\n")[:-1]))]
    patch = diff(edits, {"a.txt": file}.get)
    (tmp_path / "a.txt").write_bytes(file.encode())
    if patch:
        subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    ending = "\r\n" if file.startswith("a\r") else "\n"
    lines = file.split(ending)
    at = lines.index(old[:-1])
    assert (tmp_path / "a.txt").read_bytes().decode() == ending.join([*lines[:at], *edits[0].new, *lines[at + 1 :]])


MARKS = st.sampled_from(["<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "a.py", "```", "", "x", "def a():", "\0", "../b"])


@given(st.lists(MARKS | st.text(max_size=20), max_size=30).map("\n".join))
def test_whatever_a_model_says_is_edits_or_a_reason(text: str) -> None:
    with suppress(EditError):
        patch = diff(parse(text), {"a.py": FILE}.get)
        assert patch == "" or patch.startswith("diff --git a/")
