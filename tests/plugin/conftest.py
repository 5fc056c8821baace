"""A project for tests of the plugin: two tasks, a human twice as fast as the baseline, and the fake sandbox."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

# Imported here since pytester forgets what a run imports: that takes time, and C extensions do not bear to be imported twice.
import psutil  # noqa: F401
import pytest

import pytest_isobench.agents.fake
import pytest_isobench.agents.recorded
import pytest_isobench.dataset.readers
import pytest_isobench.plugin.campaigns
import pytest_isobench.plugin.collector
import pytest_isobench.plugin.dryrun
import pytest_isobench.plugin.reporting
import pytest_isobench.plugin.run
import pytest_isobench.plugin.suite
import pytest_isobench.reports.terminal
import pytest_isobench.sandboxes.fake
import pytest_isobench.workloads.command
import pytest_isobench.workloads.python  # noqa: F401

TASK = {
    "source": {"kind": "path", "base": "../trees/base", "human": "../trees/human"},
    "workload": {"kind": "python", "code": "run = id\n"},
}
PATCH = """diff --git a/fake.json b/fake.json
--- a/fake.json
+++ b/fake.json
@@ -1,4 +1,4 @@
 {
- "speed": 1.0,
+ "speed": SPEED,
  "noise": 0.0
 }
"""


class Project:
    """A user's project in a temporary folder; `run` runs pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        for name, speed in (("base", 1.0), ("human", 2.0)):
            self.tree(name, speed=speed)
        self.tasks({"id": "sort", "repo": "acme/sorter", "marks": ["quick"]}, {"id": "scan", "repo": "acme/scanner", "language": "rust"})
        (self.path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers --strict-config\nisobench_sandbox = fake\n")

    def tree(self, name: str, *, speed: float, noise: float = 0.0, **script: object) -> None:
        """Write a version; without noise no verdict depends on chance."""
        folder = self.path / "trees" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fake.json").write_text(json.dumps({"speed": speed, "noise": noise, **script}, indent=1) + "\n")

    def tasks(self, *records: dict[str, object], file: str = "tasks/demo.yaml") -> Path:
        """Write a task file, a record a line; what a record lacks is filled in."""
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = ",\n".join(json.dumps({**TASK, **record}) for record in records)
        path.write_text(f'{{"version": 1, "tasks": [\n{rows}\n]}}\n')
        return path

    def patch(self, agent: str, task: str, speed: float, attempt: int = 0) -> None:
        """Record a patch that makes the base as fast as `speed`."""
        file = self.path / "fixtures" / "patches" / agent / f"{task}.{attempt}.diff"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(PATCH.replace("SPEED", str(speed)))

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess("-p", "no:hypothesispytest", "-p", "no:anyio", *arguments)

    def report(self) -> dict[str, object]:
        """Return the newest report."""
        newest = max((self.path / "reports").glob("*.json"))
        return json.loads(newest.read_text())

    def outcomes(self) -> dict[str, str | None]:
        """Return each case's verdict in the newest report; None without one."""
        return {row["case"]: row["verdict"] and row["verdict"]["outcome"] for row in self.report()["results"]}


@pytest.fixture(scope="session", autouse=True)
def plugins_alone():
    """Let the many runs of pytest in this process not look through all packages for plugins each time."""
    found = [package for package in importlib.metadata.distributions() if package.entry_points.select(group="pytest11")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "distributions", lambda **_: found)
        yield


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(pytester, environments, monkeypatch):
    monkeypatch.setenv("ISOBENCH_CACHE", str(environments))
    monkeypatch.setenv("COLUMNS", "120")
    return Project(pytester)
