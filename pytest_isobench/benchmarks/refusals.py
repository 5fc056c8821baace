"""Why something is not believed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A short code for programs, a reason for people, and where it is."""

    code: str
    reason: str
    place: str = ""
    """Such as `line 3` of a file, or `lines 10-31`."""

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason
