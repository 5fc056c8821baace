"""Looking around in real sandboxes: a fair work tree shows nothing, and what is planted in it shows."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from containers.engine import Engine

from pytest_isobench.agents.expected import Expected, expect
from pytest_isobench.agents.leaks import audit, leaks_in, look
from pytest_isobench.agents.worktree import open_worktree
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.dataset.versions import VersionSource
from pytest_isobench.errors import SandboxError
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.models.task import Task
from pytest_isobench.sandboxes.base import SandboxProvider
from pytest_isobench.sandboxes.docker import DockerProvider
from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.sandboxes.probe import probe

BASE = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result = result + number\n    return result\n"
HUMAN = "from functools import reduce\n\ndef total(numbers):\n    return reduce(plus_operator, numbers, 0)\n"
PLANT = """
import pathlib, subprocess, sys
text = sys.stdin.read()
pathlib.Path("hint.py").write_text(text)
name = subprocess.run(["git", "hash-object", "-w", "hint.py"], capture_output=True, text=True, check=True).stdout.strip()
subprocess.run(["git", "update-ref", "refs/notes/hint", name], check=True)
"""
LOCAL = pytest.mark.skipif(isinstance(probe().bubblewrap, str), reason="no bubblewrap")


@pytest.fixture
def task() -> Task:
    source = {"kind": "path", "base": "base", "human": "human"}
    workload = {"kind": "python", "code": "def run(x): pass"}
    environment = {"install": ["echo 1 > built.txt"]}
    return Task.model_validate({"id": "demo", "description": "Add.", "source": source, "workload": workload, "environment": environment})


@pytest.fixture
def source(tmp_path: Path, task: Task) -> VersionSource:
    for name, text in (("base", BASE), ("human", HUMAN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "total.py").write_text(text)
    return make_source(task, tmp_path, Cache(tmp_path / "cache"))


@pytest.fixture
def expected(task: Task, source: VersionSource) -> Expected:
    return expect(task, source)


@pytest.fixture(params=[pytest.param("local", marks=LOCAL), pytest.param("docker", marks=pytest.mark.engine)])
def provider(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SandboxProvider:
    if request.param == "local":
        return LocalProvider(bubblewrap=True)
    engine: Engine = request.getfixturevalue("engine")
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    return DockerProvider(ContainerSettings(image=engine.image))


@pytest.mark.soak
def test_a_planted_leak_is_found_and_its_absence_is_shown(
    provider: SandboxProvider, task: Task, source: VersionSource, expected: Expected
) -> None:
    with open_worktree(provider, task, source.baseline()) as worktree:
        assert (worktree.commit, worktree.tree) == (expected.commit, expected.tree)
        assert audit(look(worktree, expected), expected) == ()
        planted = worktree.run(["{python}", "-c", PLANT], stdin=HUMAN.encode())
        assert planted.returncode == 0, planted.stderr
        found = {(leak.kind, leak.where) for leak in audit(look(worktree, expected), expected)}
    blob = next(iter(expected.human_blobs))
    # the ref is there twice: as git tells it, and as a file
    assert found == {("human_file", "hint.py"), ("human_object", blob), ("ref", "refs/notes/hint"), ("ref", ".git/refs/notes/hint")}


@pytest.mark.soak
@LOCAL
def test_what_is_installed_beside_the_environment_is_not_seen(task: Task, source: VersionSource, expected: Expected) -> None:
    beside = {str(Path(path).parent) for path in installed(Path(sys.base_prefix))}
    with open_worktree(LocalProvider(bubblewrap=True), task, source.baseline()) as worktree:
        command = "import json, os, sys; print(json.dumps([path for path in sys.argv[1:] if os.path.isdir(path) and os.listdir(path)]))"
        done = worktree.run(["{python}", "-c", command, *beside])
    assert (done.returncode, done.stdout) == (0, b"[]\n")


def installed(prefix: Path) -> list[str]:
    command = [sys.executable, "-I", "-c", "import sys, glob; print(*glob.glob(sys.argv[1] + '/lib/python3*/site-packages/*'), sep='\\n')"]
    if prefix.is_relative_to("/usr"):
        return []
    return subprocess.run([*command, str(prefix)], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.soak
def test_a_look_that_ends_early_is_the_machine_s_failure(task: Task, source: VersionSource, expected: Expected) -> None:
    broken = replace(expected, places=(1,))  # type: ignore[arg-type]
    with open_worktree(LocalProvider(), task, source.baseline()) as worktree, pytest.raises(SandboxError, match="ended with status 1: "):
        look(worktree, broken)


@pytest.mark.soak
def test_all_in_one(provider: SandboxProvider, task: Task, source: VersionSource, expected: Expected) -> None:
    assert leaks_in(provider, task, source, expected) == ()
