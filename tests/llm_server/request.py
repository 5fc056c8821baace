"""What came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_server.protocol import Body, Dialect


@dataclass(frozen=True, slots=True)
class Request:
    """A request, with what tests ask about it."""

    method: str
    path: str
    """With the query; a whole address when it comes through a proxy."""
    headers: Mapping[str, str]
    """By names in lower case."""
    body: Body
    dialect: Dialect | None = None

    @property
    def key(self) -> str:
        """The API key, from whichever header brings it."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def model(self) -> str:
        """The model that is asked for."""
        return str(self.body.get("model", ""))

    @property
    def prompt(self) -> str:
        """What the user said first."""
        return self.dialect.prompt(self.body) if self.dialect else ""

    @property
    def results(self) -> int:
        """The number of tools' results so far."""
        return self.dialect.results(self.body) if self.dialect else 0
