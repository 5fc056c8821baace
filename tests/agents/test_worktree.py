"""The work tree of an agent, opened where it can be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_isobench.agents.worktree import REPOSITORY, agent_resources, open_worktree, paths
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.errors import DoesNotBuildError, NotEvaluableError
from pytest_isobench.models.task import Resources, Task
from pytest_isobench.sandboxes.fake import FakeProvider
from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.sandboxes.probe import probe

FILES = {"a.py": "x = 1\r\n", "sub/ignored.log": "kept\n", ".gitignore": "*.log\n", ".gitattributes": "* text=auto ident\n", "id": "$Id$\n"}
KINDS = [pytest.param(True, marks=pytest.mark.skipif(isinstance(probe().bubblewrap, str), reason="no bubblewrap")), False]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> BuiltEnvironment:
    path = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path], check=True)
    return BuiltEnvironment(path=path, digest="")


@pytest.fixture
def version(tmp_path: Path, environment: BuiltEnvironment) -> Version:
    tree = tmp_path / "tree"
    for name, text in FILES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(text.encode())
    (tree / "link").symlink_to("a.py")
    (tree / "script").write_text("#!/bin/sh\n")
    (tree / "script").chmod(0o755)
    return Version(label="base", tree=tree, environment=environment, digest="")


def task(**environment: object) -> Task:
    source = {"kind": "path", "base": "base", "human": "human"}
    workload = {"kind": "python", "code": "def run(x): pass"}
    return Task.model_validate({"id": "demo", "source": source, "workload": workload, "environment": environment})


def make(folder: Path, **job: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-c", REPOSITORY.read_text()]
    return subprocess.run(command, cwd=folder, input=json.dumps(job), capture_output=True, text=True)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("bubblewrap", KINDS, ids=lambda wanted: "bubblewrap" if wanted else "plain")
def test_the_repository_holds_the_base_version_alone(version: Version, bubblewrap: bool) -> None:
    shown = "git status --porcelain && git log --format='%an %at %s' && git ls-files && git for-each-ref && git rev-parse HEAD HEAD^{tree}"
    with open_worktree(LocalProvider(bubblewrap=bubblewrap), task(), version) as worktree:
        done = worktree.run(["/bin/sh", "-c", shown])
        lines = done.stdout.decode().splitlines()
        assert (done.returncode, done.stderr) == (0, b"")
        assert lines[0] == "base 1000000000 Base version"
        assert sorted(lines[1:-3]) == sorted([*FILES, "link", "script"])
        assert lines[-3:] == [f"{worktree.commit} commit\trefs/heads/main", worktree.commit, worktree.tree]
        assert worktree.run(["/bin/sh", "-c", "echo more >> a.py; git status --porcelain"]).stdout == b" M a.py\n"
        assert worktree.run(["git", "diff", "--stat"]).stdout.count(b"a.py") == 1


def test_what_install_commands_make_is_not_in_the_repository(version: Version) -> None:
    made = task(install=["mkdir -p build && echo 1 > 'build/a [b]*.so' && echo 2 > '#x'"])
    with open_worktree(LocalProvider(), made, version) as worktree:
        assert worktree.run(["ls", "build", "#x"]).stdout.split() == [b"#x", b"build:", b"a", b"[b]*.so"]
        assert worktree.run(["git", "status", "--porcelain"]).stdout == b""
        assert worktree.run(["/bin/sh", "-c", "touch 'build/a b.so'; git status --porcelain"]).stdout == b"?? build/\n"


def test_an_install_command_that_fails_says_so(version: Version) -> None:
    with pytest.raises(DoesNotBuildError, match="exit 3"), open_worktree(LocalProvider(), task(install=["exit 3"]), version):
        pass


def test_a_sandbox_that_runs_nothing_is_no_place_for_an_agent(version: Version) -> None:
    with pytest.raises(NotEvaluableError, match="'fake' runs nothing"), open_worktree(FakeProvider(), task(), version):
        pass


def test_the_repository_takes_the_place_of_any_other(version: Version) -> None:
    git(version.tree, "init", "-q")
    git(version.tree, "-c", "user.name=a", "-c", "user.email=a", "commit", "-q", "--allow-empty", "-m", "The answer")
    done = make(version.tree, files=["a.py"])
    assert git(version.tree, "rev-list", "--all").split() == [json.loads(done.stdout)["commit"]]
    assert len(git(version.tree, "cat-file", "--batch-all-objects", "--batch-check").splitlines()) == 3


def test_the_same_files_make_the_same_commit(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / os.fsdecode(b"\xff\n")).write_text("x")
        made.append(make(tmp_path / name, files=paths(tmp_path / name)).stdout)
    assert made[0] == made[1] != ""


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = make(tmp_path, files=["none"])
    assert done.returncode == 1
    assert "git update-index ended with status" in done.stderr


def test_an_agent_has_room_for_its_own_program() -> None:
    assert agent_resources(Resources(memory_mb=64000, cpus=2)) == Resources(memory_mb=64000, cpus=2, pids=1024, disk_mb=4096, reserves=True)
