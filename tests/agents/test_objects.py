"""Git's hashes without git: the same as git's."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_isobench.agents.objects import blob_hash, commit_hash, git_objects, read
from pytest_isobench.agents.worktree import paths

NAMES = st.sampled_from(["a", "a.b", "a-b", "a0", "ab", "b", "ü", "x y"])
TREES = st.recursive(
    st.binary(max_size=9), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
).filter(lambda value: isinstance(value, dict))


def write(value: bytes | dict, path: Path) -> None:
    if isinstance(value, bytes):
        path.write_bytes(value)
        return
    path.mkdir(exist_ok=True)
    for name, inner in value.items():
        write(inner, path / name)


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    variables = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    options = ["-c", "core.autocrlf=false", "-c", "core.safecrlf=false"]
    done = subprocess.run(["git", *options, *arguments], cwd=folder, env=variables, input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


@given(TREES)
@settings(max_examples=25)
def test_hashes_are_git_s(value: dict) -> None:
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place) / "tree"
        write(value, tree)
        blobs, objects, top = git_objects(tree)
        repository = Path(place) / "git"
        git(tree, "init", "-q", "--bare", str(repository))
        names = [f"--git-dir={repository}", f"--work-tree={tree}"]
        git(tree, *names, "update-index", "--add", "-z", "--stdin", stdin=b"".join(os.fsencode(name) + b"\0" for name in paths(tree)))
        assert git(tree, *names, "write-tree") == top
        assert set(blobs) == set(paths(tree))
        assert objects == set(git(tree, *names, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()) | {top}


def test_modes_and_links_count(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    plain = git_objects(tmp_path)[2]
    (tmp_path / "run").chmod(0o755)
    executable = git_objects(tmp_path)[2]
    (tmp_path / "run").unlink()
    (tmp_path / "run").symlink_to("x")
    linked = git_objects(tmp_path)[2]
    assert len({plain, executable, linked}) == 3
    assert read(tmp_path / "run") == b"x"
    assert read(tmp_path) is None


def test_well_known_hashes() -> None:
    assert blob_hash(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert commit_hash("4b825dc642cb6eb9a060e54bf8d69288fbee4904") != commit_hash("0" * 40)
