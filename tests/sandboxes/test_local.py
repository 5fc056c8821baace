"""The local sandbox: the contract, with and without bubblewrap, as root and as an ordinary user, and what is special about it."""

from __future__ import annotations

import pytest

from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.sandboxes.probe import probe
from pytest_isobench.testing import SandboxContract


class TestBubblewrap(SandboxContract):
    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls) -> LocalProvider:
        if isinstance(reason := probe().bubblewrap, str):
            pytest.skip(reason)
        return LocalProvider(bubblewrap=True)


class TestPlain(SandboxContract):
    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls) -> LocalProvider:
        return LocalProvider(bubblewrap=False)
