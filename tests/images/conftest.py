"""Projects with and without an engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.engine import Engine
from image_project import Project


@pytest.fixture
def offline(tmp_path: Path) -> Project:
    """A project on a machine without an engine."""
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


@pytest.fixture
def project(tmp_path: Path, engine: Engine) -> Iterator[Project]:
    """A project with a real engine, which keeps none of its images."""
    (tmp_path / "project").mkdir()
    made = Project(tmp_path / "project", engine)
    yield made
    made.images("prune", "--all")
