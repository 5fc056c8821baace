"""What the project knows of models and engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_isobench.benchmarks.overrides import Rules


def project_rules() -> Rules:
    """Return the rules of the project's overrides, before the packaged ones. Raises TaskError with file, line and field."""
    from pytest_isobench.benchmarks.overrides import OVERRIDES, read_rules
    from pytest_isobench.cli.ini import read_ini

    return read_rules(read_ini(Path.cwd()).home / OVERRIDES)
