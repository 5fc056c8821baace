"""The bundled test that every task file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_isobench.models.result import Result


def test_speedup(isobench_measure: Callable[[], Result]) -> None:
    """The patch is correct, and as fast as --isobench-require asks."""
    from pytest_isobench.plugin.standing import standing

    judged = standing(isobench_measure())
    if judged.outcome == "failed":
        pytest.fail(judged.message, pytrace=False)
