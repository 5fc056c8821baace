"""How many workers `-n auto` means."""

from __future__ import annotations

import os

import pytest

from pytest_isobench.gpus import usable

VARIABLE = "PYTEST_XDIST_AUTO_NUM_WORKERS"


def auto_workers(config: pytest.Config) -> int | None:
    """Implement `pytest_xdist_auto_num_workers`: one worker for each GPU that the session may use; None leaves it to xdist."""
    if os.environ.get(VARIABLE):
        return None
    return len(usable(config.getoption("isobench_gpu") or config.getini("isobench_gpu") or None)) or None
