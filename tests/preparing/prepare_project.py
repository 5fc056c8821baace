"""A project with tasks, and an agent that is asked for patches."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from makers import FakeMaker

from pytest_isobench.dataset.cache import Cache
from pytest_isobench.preparing.plan import Scope

CODE = "def inputs(rng):\n    return 1\n\ndef run(value):\n    return value\n"


class Project:
    """A folder with task files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "tasks").mkdir(parents=True)
        self.maker = FakeMaker("quick", path / "fixtures" / "patches")

    def task(self, name: str, text: str = "a = 1\n", file: str = "all", **fields: Any) -> Path:
        """Add a task with a folder as its base."""
        (self.path / "tasks" / name).mkdir(exist_ok=True)
        (self.path / "tasks" / name / "code.py").write_text(text)
        (self.path / "tasks" / "none.diff").write_text("")
        source = {"kind": "path", "base": name, "patch": "none.diff"}
        return self.record({"id": name, "source": source, "workload": {"kind": "python", "code": CODE}, **fields}, file)

    def record(self, record: dict[str, Any], file: str = "all") -> Path:
        path = self.path / "tasks" / f"{file}.json"
        tasks = json.loads(path.read_text())["tasks"] if path.exists() else []
        path.write_text(json.dumps({"version": 1, "tasks": [*tasks, record]}))
        return path

    def repository(self) -> list[str]:
        """Make a repository of three commits and a merge, and a task of the merge; return the commits, the merge last."""
        folder = self.path / "repository"
        folder.mkdir()
        commits = []
        for steps in (["checkout -q -b main"], [], ["checkout -q -b side HEAD~1"]):
            for step in steps:
                self.git(folder, *step.split())
            (folder / f"{len(commits)}.py").write_text(f"a = {len(commits)}\n")
            self.git(folder, "add", ".")
            self.git(folder, "commit", "-q", "-m", "one")
            commits.append(self.git(folder, "rev-parse", "HEAD"))
        self.git(folder, "checkout", "-q", "main")
        self.git(folder, "merge", "-q", "--no-ff", "-m", "merge", "side")
        commits.append(self.git(folder, "rev-parse", "HEAD"))
        source = {"kind": "git", "repository": str(folder), "human": commits[-1]}
        self.record({"id": "merged", "source": source, "workload": {"kind": "python", "code": CODE}})
        return commits

    @staticmethod
    def git(folder: Path, *arguments: str) -> str:
        if not (folder / ".git").exists():
            subprocess.run(["git", "init", "-q", folder], check=True)
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    @property
    def files(self) -> list[Path]:
        return sorted((self.path / "tasks").glob("*.json"))

    def scope(self, *makers: FakeMaker) -> Scope:
        cache = Cache(self.path.parent / "cache")
        return Scope(home=self.path, cache=cache, makers={maker.name: maker for maker in makers or (self.maker,)})
