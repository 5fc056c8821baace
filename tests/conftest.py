"""What tests of several parts share."""

from __future__ import annotations

import importlib.util
import os

pytest_plugins = ["pytester", "containers.engine", "llm_server.fixture"]

# what tests start would compile the package anew each time
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# whoever measures need not have what the tests need, although pytest loads this file
if importlib.util.find_spec("hypothesis"):
    from hypothesis import settings

    # a machine that others use as well keeps no deadline; CI runs everything several times, each time with other examples
    settings.register_profile("isobench", deadline=None, max_examples=50)
    settings.load_profile("isobench")
