"""Who watches a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pytest_isobench.models.result import Estimate


class Observer(Protocol):
    """Watches a campaign's progress."""

    def phase(self, task: str, text: str) -> None:
        """Tell what begins now."""

    def round(self, task: str, done: int, limit: int, estimates: Mapping[str, Estimate], seconds_left: float | None) -> None:
        """Tell how far the rounds have come: the estimates so far by case, and of 'human' against the baseline."""
