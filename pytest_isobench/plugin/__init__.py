"""The pytest hooks of pytest-isobench."""

from __future__ import annotations

import pytest

from pytest_isobench.plugin.options import add_options


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)
