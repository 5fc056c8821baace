"""What is seen of a patch and of the machine under it, and what a sandbox keeps candidates from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pytest_isobench.models.base import Record, Shown


class Finding(Record):
    """Something that a patch, or the machine under it, did and must not do unseen."""

    kind: str = Field(pattern=r"^[a-z][a-z_]*$")
    severity: Literal["cheat", "alarm", "note"] = Field(description="A cheat decides the verdict; an alarm and a note are shown.")
    message: Shown
    evidence: Shown = Field("", max_length=20_000)


class Isolation(Record):
    """What a sandbox keeps the candidate from."""

    sandbox: str
    filesystem: bool
    network: bool
    processes: bool
    user: bool
    limits: bool
    place: Shown = Field("", description="What it was made of, such as an engine and an image.")
    usd_per_hour: float | None = Field(None, ge=0, description="What it costs about, by list prices.")
    notes: tuple[str, ...] = ()
