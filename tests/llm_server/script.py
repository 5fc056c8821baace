"""What the model says, and what goes wrong: the part that a test writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that one answer claims to have used."""

    fresh: int = 100
    """Of the prompt, neither read from a cache nor written to one."""
    cached: int = 20
    """Of the prompt, read from a cache."""
    output: int = 10
    """Of the answer."""

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, as OpenAI counts; Anthropic counts the fresh ones apart."""
        return self.fresh + self.cached


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One answer: text, a use of one tool, or both. Without a tool the agent's turn ends."""

    text: str = ""
    shell: str | None = None
    """A command for the agent's shell tool, whatever that is called."""
    tool: str | None = None
    """The name of another tool."""
    input: dict[str, Any] | str = ""
    """What that tool gets: arguments, or the text for a tool that takes free text."""
    refused: bool = False
    """The provider withholds an answer: stop reason `refusal`, `content_filter`."""
    usage: Usage | None = None


def shell(command: str, text: str = "", *, usage: Usage | None = None) -> Step:
    """Run a command."""
    return Step(shell=command, text=text, usage=usage)


def call(tool: str, input: dict[str, Any] | str, text: str = "") -> Step:  # noqa: A002 - the protocols' word
    """Use a tool by its name."""
    return Step(tool=tool, input=input, text=text)


def say(text: str) -> Step:
    """Say something and end."""
    return Step(text=text)


def refuse(text: str = "I cannot help with that.") -> Step:
    """End with the provider's refusal."""
    return Step(text=text, refused=True)


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of some requests in the place of an answer."""

    status: int | Literal["hang", "drop"]
    """An error's status; or never to answer; or to end the connection in the middle of an answer."""
    count: int | None = 1
    """The number of requests that it befalls; None for all further ones."""
    after: int = 0
    """The number of requests, of all runs together, that come before."""
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "planned"

    def befalls(self, request: int) -> bool:
        """Tell whether the request of this number, from 0, meets this fault."""
        return self.after <= request and (self.count is None or request < self.after + self.count)


@dataclass(frozen=True, slots=True)
class Script:
    """What the model says, one step after the other; after the last it ends with "Done."."""

    steps: Sequence[Step] = ()
    faults: Sequence[Fault] = ()
    usage: Usage = Usage()
    """The usage of each step that has none of its own."""

    def step(self, number: int) -> Step:
        """Return the step of this number, from 0."""
        return self.steps[number] if number < len(self.steps) else say("Done.")

    def fault(self, request: int) -> Fault | None:
        """Return what befalls the request of this number, from 0."""
        return next((fault for fault in self.faults if fault.befalls(request)), None)

    @classmethod
    def from_json(cls, text: str) -> Script:
        """Read `{"steps": [{"shell": …}, {"text": …}], "faults": [{"status": 429}], "usage": {"output": 7}}`."""
        data = json.loads(text)
        steps = [Step(**{**step, "usage": Usage(**step["usage"]) if "usage" in step else None}) for step in data.get("steps", ())]
        return cls(steps, [Fault(**fault) for fault in data.get("faults", ())], Usage(**data.get("usage", {})))
