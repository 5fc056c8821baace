"""The script of the fake sandbox: a file in the tree under test that says how fast that tree is."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field

from pytest_isobench.models.base import Record

FILE = "fake.json"
"""Where the script lies in a tree. A tree without one has the default script."""

Failure = Literal["crash", "timeout", "exit", "cheat", "build", "machine"]
FAILURES: tuple[str, ...] = get_args(Failure)


class FakeScript(Record):
    """What the fake sandbox pretends of one tree."""

    speed: float = Field(1.0, gt=0, lt=1e6, description="How many times faster than a tree without a script.")
    noise: float = Field(0.01, ge=0, le=1, description="Standard deviation of the times, as a log ratio.")
    answer: Any = Field(42, description="What every call returns; another answer than the reference's is incorrect.")
    seconds: float = Field(0.0, ge=0, le=3600, description="Seconds that placing the tree really takes, as on a busy machine far away.")
    fail: Failure | None = Field(None, description="How it fails instead; 'machine' is the machine's failure, not the tree's.")
