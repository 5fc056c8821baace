"""The text of a tree's files, as a model is shown it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_isobench.agents.drivers.texts import shown, text_of
from pytest_isobench.errors import UsageError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name, data in {
        "a.py": b"a = 1\n", "pkg/b.py": b"b = 1\r\n", "pkg/sub/c.py": "é".encode(), "data.bin": b"\0\1", "latin.txt": b"\xe9",
        ".git/config": b"secret", "pkg/__pycache__/b.pyc": b"text",
    }.items():  # fmt: skip
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    (tmp_path / "outside.py").write_text("outside")
    (tree / "link.py").symlink_to(tmp_path / "outside.py")
    (tree / "folder").symlink_to(tmp_path)
    return tree


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ((), ["a.py", "pkg/b.py", "pkg/sub/c.py"]),
        (("pkg/sub/c.py", "a.py"), ["pkg/sub/c.py", "a.py"]),
        (("pkg", "pkg/b.py"), ["pkg/b.py", "pkg/sub/c.py"]),
        (("./a.py", "a.py", "new.py", "../outside.py", "folder", "data.bin"), ["a.py"]),
    ],
)
def test_targets_or_all_is_shown(tree: Path, targets: tuple[str, ...], names: list[str]) -> None:
    assert list(shown(tree, targets, 1000)) == names


def test_texts_are_as_they_stand(tree: Path) -> None:
    assert shown(tree, ["pkg"], 1000) == {"pkg/b.py": "b = 1\r\n", "pkg/sub/c.py": "é"}


@pytest.mark.parametrize("name", [
    "data.bin", "latin.txt", ".git/config", "link.py", "folder/outside.py", "../outside.py", "pkg", "none", "/etc/hostname", "a\0b",
    "x" * 5000,
])  # fmt: skip
def test_what_is_no_text_of_the_tree_is_none(tree: Path, name: str) -> None:
    assert text_of(tree, name) is None


@pytest.mark.parametrize(
    ("targets", "limit", "message"),
    [
        ((), 10, "its code has more than 0 kB: name the files to be changed as the task's targets, or raise the agent's option"),
        (("a.py", "pkg"), 10, "the targets a.py, pkg have more than 0 kB: name fewer"),
        (("new.py", "data.bin"), 1000, "none of the task's targets is a file of text, or a folder, of its code: new.py, data.bin"),
        (("../", "folder"), 1000, "none of the task's targets"),
    ],
)
def test_what_cannot_be_shown_says_what_to_do(tree: Path, targets: tuple[str, ...], limit: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        shown(tree, targets, limit)
    assert message in str(caught.value)
