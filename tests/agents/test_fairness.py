"""Prompts against the versions of a task: commits, releases, folders and patches."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_isobench.agents.base import Assignment
from pytest_isobench.agents.expected import changed_files, expect, files_of
from pytest_isobench.agents.fairness import fair_prompt, human_diff, leaks_of, written
from pytest_isobench.agents.prompts import Prompt
from pytest_isobench.agents.shingles import PromptLeakError
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.dataset.versions import VersionSource
from pytest_isobench.models.task import Task

BASE = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result = result + number\n    return result\n"
HUMAN = "from functools import reduce\n\ndef total(numbers):\n    return reduce(plus_operator, numbers, 0)\n"
PATCH = """\
--- a/total.py
+++ b/total.py
@@ -1,3 +1,3 @@
 def total(numbers):
-    result = 0
+    result = list_of(numbers, start=0, step=1)
     for number in numbers:
"""
MESSAGE = "Fold the numbers with an operator in C"
GIT = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
PERSON = {f"GIT_{who}_{what}": "human" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, env={**GIT, **PERSON}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def assigned(task: Task, source: VersionSource, folder: Path, **others: list[str]) -> Assignment:
    return Assignment(task=task, attempt=0, source=source, folder=folder, others=lambda: others)


def make(folder: Path, source: dict[str, str], **fields: object) -> tuple[Task, VersionSource]:
    workload = {"kind": "python", "code": "def run(x): pass"}
    task = Task.model_validate({"id": "demo", "description": "Add numbers.", "source": source, "workload": workload, **fields})
    return task, make_source(task, folder, Cache(folder / "cache"))


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, str]:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    for text, message in ((BASE, "Begin"), (HUMAN, MESSAGE)):
        (folder / "total.py").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "-qm", message)
    return tmp_path, git(folder, "rev-parse", "HEAD")


def test_prompts_of_commits(repository: tuple[Path, str]) -> None:
    folder, commit = repository
    versions = {"kind": "git", "repository": "repository", "human": commit}
    task, source = make(folder, versions, gain="The loop has moved into the interpreter.")
    fair = fair_prompt(assigned(task, source, folder), folder)
    added = f"\n{commit[:9]}\nreturn reduce(plus_operator, numbers, 0)\n{MESSAGE}\nthe loop has moved into the interpreter\n"
    unfair = Prompt(text=fair.text + added + BASE, digest="")
    assert {leak.kind for leak in leaks_of(unfair, assigned(task, source, folder))} == {"human_commit", "human_line", "human_message"}
    told = task.model_copy(update={"description": "Write\nreturn reduce(plus_operator, numbers, 0)"})
    assert written(assigned(told, source, folder), folder).text
    with pytest.raises(PromptLeakError, match="'return reduce"):
        fair_prompt(assigned(told, source, folder), folder)
    with pytest.raises(PromptLeakError, match="belongs to task other"):
        fair_prompt(assigned(task, source, folder, other=["the code is measured with the packages that it has"]), folder)
    expected = expect(task, source)
    assert expected.human_commit == commit
    assert list(expected.human_blobs.values()) == ["total.py"]


def test_prompts_of_patched_folders(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "total.py").write_text(BASE)
    (tmp_path / "human.diff").write_text(PATCH)
    task, source = make(tmp_path, {"kind": "path", "base": "base", "patch": "human.diff"})
    base, human = source.baseline(), source.human()
    assert "\n+    result = list_of(numbers, start=0, step=1)\n" in human_diff(base, human)
    assert changed_files(base, human) == {"total.py": BASE.replace("result = 0", "result = list_of(numbers, start=0, step=1)").encode()}
    unfair = Prompt(text="result = list_of(numbers, start=0, step=1)", digest="")
    assert [leak.kind for leak in leaks_of(unfair, assigned(task, source, tmp_path))] == ["human_line"]
    assert len(expect(task, source).human_lines) == 1


def test_what_the_base_version_has_is_not_the_human_s(tmp_path: Path) -> None:
    for name, text in (("base", BASE), ("human", HUMAN)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "total.py").write_text(text)
        (tmp_path / name / "same.py").write_text(HUMAN.splitlines()[0] + "\n")
    (tmp_path / "human" / "copy.py").write_text(BASE)
    (tmp_path / "human" / "empty.py").write_text("")
    task, source = make(tmp_path, {"kind": "path", "base": "base", "human": "human"})
    expected = expect(task, source)
    assert list(expected.human_blobs.values()) == ["total.py"]
    assert list(expected.human_files.values()) == ["total.py"]
    assert len(expected.human_lines) == 1


def test_where_a_task_is_written_down(tmp_path: Path) -> None:
    task, _ = make(tmp_path, {"kind": "path", "base": "base", "human": "human"})
    assert files_of(task, tmp_path / "t.yaml") == [tmp_path / "t.yaml"]
    task = task.model_copy(update={"workload": task.workload.model_copy(update={"file": "w.py", "code": None})})
    assert files_of(task, tmp_path / "t.yaml") == [tmp_path / "t.yaml", tmp_path / "w.py"]
