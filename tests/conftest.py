"""What tests of several parts share."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["pytester"]

# a machine that others use as well keeps no deadline
settings.register_profile("isobench", deadline=None)
settings.load_profile("isobench")
