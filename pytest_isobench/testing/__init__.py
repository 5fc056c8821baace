"""Tests that come with the product, for those who write implementations: subclass a contract and say what it is to try.

    class TestMySandbox(SandboxContract):
        @pytest.fixture(scope="class")
        @classmethod
        def provider(cls):
            return MyProvider()
"""

import pytest

for name in ("base", "placing", "running", "moving", "limiting", "isolating", "serving"):
    pytest.register_assert_rewrite(f"pytest_isobench.testing.{name}")

from pytest_isobench.testing.sandbox import SandboxContract  # noqa: E402 - after the registration

__all__ = ["SandboxContract"]
