"""Projects with and without an engine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.engine import Engine
from image_project import Project

from pytest_isobench.cli.main import main


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    """A project on a machine without an engine; its commands run in this process."""

    class Offline(Project):
        def images(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
            for name in ("ISOBENCH_CACHE", "DOCKER_HOST"):
                monkeypatch.setenv(name, self.variables[name])
            monkeypatch.chdir(self.path)
            try:
                status = main(["images", *map(str, arguments)])
            except SystemExit as error:
                status = int(str(error.code))
            return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    (tmp_path / "project").mkdir()
    return Offline(tmp_path / "project")


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[Project]:
    """A project with a real engine, which keeps none of its images."""
    (tmp_path / "project").mkdir()
    made = Project(tmp_path / "project", engine)
    yield made
    made.images("prune", "--all")
