"""Fixtures of the local Modal server; import `modal_server` into a conftest or a test module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from modal_server.server import ModalServer


@pytest.fixture
def modal_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModalServer]:
    """A running server to which the Modal client of this process goes, as long as the test lasts."""
    modal = pytest.importorskip("modal")
    from modal_server.machine import why_not
    from modal_server.server import ModalServer

    if reason := why_not():
        pytest.skip(reason)
    with ModalServer() as server:
        for name in [name for name in os.environ if name.startswith("MODAL_")]:
            monkeypatch.delenv(name)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        # a process has one client, which forgets itself when it is closed: before the test for an older one's sake
        modal.Client.from_env().close()
        yield server
        modal.Client.from_env().close()
