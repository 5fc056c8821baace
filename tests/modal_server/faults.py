"""What goes wrong, planned by the test before or while it happens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from grpclib import GRPCError, Status

CREATE = ("SandboxCreate", "SandboxCreateV2")
"""The calls that create a sandbox: with a GPU (V1) and without (V2)."""


@dataclass(slots=True)
class Refusal:
    """Answers of one call that are errors, or that get lost although the call took effect."""

    status: Status
    message: str
    times: int | None
    late: bool

    def take(self) -> bool:
        """Whether this refusal happens now; without a number of times it always does."""
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


@dataclass(slots=True)
class Faults:
    """The faults of one server; all may be changed at any time and from any thread."""

    no_capacity: bool = False
    """New sandboxes wait for a machine until this is false again."""
    forget_ended: bool = False
    """Ask about a process of an ended sandbox, and the router knows nothing of it."""
    missing_images: set[str] = field(default_factory=set)
    """References that no registry has."""
    failing_commands: set[str] = field(default_factory=set)
    """An image with a line that holds one of these texts does not build."""
    refusals: dict[str, Refusal] = field(default_factory=dict)
    breaks: int | None = 0
    break_after: int = 0

    def refuse(
        self, calls: str | Iterable[str], status: Status, *, times: int | None = None, late: bool = False, message: str = "planned"
    ) -> None:
        """Answer calls with an error, some times or for good; a late one comes after the call took effect."""
        for call in (calls,) if isinstance(calls, str) else calls:
            self.refusals[call] = Refusal(status, message, times, late)

    def break_stdio(self, times: int | None = None, *, after_bytes: int = 0) -> None:
        """Break off streams of output at an offset, some times or (with None) for good."""
        self.breaks, self.break_after = times, after_bytes

    def meet(self, call: str, *, late: bool = False) -> None:
        """Raise what is planned for a call, before it is served or (late) after."""
        refusal = self.refusals.get(call)
        if refusal and refusal.late == late and refusal.take():
            raise GRPCError(refusal.status, refusal.message)

    def meet_stream(self, offset: int) -> int | None:
        """Raise when the stream breaks at this offset; return how much may still be sent before it will."""
        if self.breaks == 0:
            return None
        if offset < self.break_after:
            return self.break_after - offset
        if self.breaks is not None:
            self.breaks -= 1
        raise GRPCError(Status.UNAVAILABLE, f"stream broken at byte {offset}, as planned")
