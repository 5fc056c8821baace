"""What the providers' protocols have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from llm_server.script import Step, Usage
from llm_server.tools import Call, Tool

Body = dict[str, Any]
Event = tuple[str | None, Body]
"""A server-sent event: its name, where the protocol has one, and its data."""
_numbers = count(1)


def identifier(kind: str) -> str:
    """Return a new name such as `call_12`."""
    return f"{kind}_{next(_numbers)}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a protocol writes down."""

    model: str
    step: Step
    call: Call | None
    usage: Usage

    @property
    def text(self) -> str:
        """What is said; something, when there is nothing else."""
        return self.step.text or ("" if self.call else "Done.")


class Dialect(Protocol):
    """One provider's protocol, as functions of a request's body."""

    def tools(self, body: Body) -> list[Tool]:
        """Return the tools that are offered."""

    def results(self, body: Body) -> int:
        """Count the tools' results so far."""

    def prompt(self, body: Body) -> str:
        """Return the text of the user's first messages."""

    def whole(self, answer: Answer) -> Body:
        """Return the answer in one piece."""

    def events(self, answer: Answer) -> Iterator[Event]:
        """Yield the answer as server-sent events."""

    def error(self, status: int, message: str) -> Body:
        """Return the body of an error."""


def text_of(content: Any) -> str:
    """Return the text of a message's content, which is text or a list of parts."""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or () if isinstance(part, dict))


def opening(messages: list[Body]) -> str:
    """Return the text of the user's messages before anybody else's."""
    texts = []
    for message in messages:
        if message.get("role") == "user":
            texts.append(text_of(message.get("content")))
        elif texts and message.get("role") not in {"system", "developer"}:
            break
    return "\n".join(texts)
