import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from prepare_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")
