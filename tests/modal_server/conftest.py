"""The server's own tests use the fixture that other tests import."""

from __future__ import annotations

from modal_server.fixtures import modal_server

__all__ = ["modal_server"]
