"""What is sent to the engine."""

from __future__ import annotations

import tarfile
from pathlib import Path

from pytest_isobench.images.context import our_context, tree_context


def make_tree(folder: Path) -> Path:
    (folder / ".git").mkdir(parents=True)
    (folder / ".git/HEAD").write_text("ref")
    (folder / "code.py").write_text("a = 1\n")
    (folder / "run.sh").write_text("true\n")
    (folder / "run.sh").chmod(0o700)
    (folder / "link").symlink_to("code.py")
    return folder


def test_trees_have_no_history_and_no_owner(tmp_path: Path) -> None:
    with our_context("FROM x\n", {"tree": make_tree(tmp_path / "one"), "a.txt": b"a"}) as file, tarfile.open(fileobj=file) as archive:
        entries = {entry.name: (entry.mode, entry.mtime, entry.uid, entry.uname) for entry in archive}
        assert archive.getmember("tree/link").linkname == "code.py"
    assert {name: entry[0] for name, entry in entries.items()} == {
        "Dockerfile": 0o644,
        "a.txt": 0o644,
        "tree": 0o755,
        "tree/code.py": 0o644,
        "tree/link": 0o777,
        "tree/run.sh": 0o755,
    }
    assert {entry[1:] for entry in entries.values()} == {(0, 0, "")}


def test_the_same_bytes_for_the_same_content(tmp_path: Path) -> None:
    with tree_context(make_tree(tmp_path / "one")) as one, tree_context(make_tree(tmp_path / "two")) as two:
        assert one.read() == two.read()
