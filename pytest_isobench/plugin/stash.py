"""Where a session's run is kept. Light, since every pytest session of everybody imports it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_isobench.plugin.run import Run

RUN = pytest.StashKey["Run"]()


def run_of(config: pytest.Config) -> Run | None:
    """Return the session's run; None in a session that names no agent, in which this plugin does nothing."""
    return config.stash.get(RUN, None)
