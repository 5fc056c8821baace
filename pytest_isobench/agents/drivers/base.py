"""The contract of a driver: how one agent's program is called, and what its output means.

A driver is pure: it describes a call, and reads what the call left behind. Who runs the program, in which sandbox, for how long, and
what becomes of the work tree, is none of its business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from pytest_isobench.models.agent import AgentSpec, Usage
from pytest_isobench.models.base import Record

HOME = "{home}"
"""Stands for the attempt's own empty home folder, in arguments, variables and files."""
TREE = "{tree}"
"""Stands for the work tree, which is also the current folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One call of a program."""

    spec: AgentSpec
    prompt: str
    variables: Mapping[str, str]
    """The caller's variables that the driver and the agent's file name, those that are set."""
    targets: tuple[str, ...] = ()
    """Files of the tree that the task points to."""

    @property
    def seconds(self) -> float:
        """After how long the program will be stopped."""
        return 60 * self.spec.budget.minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """How a program is started."""

    argv: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    """All that it needs, keys included; PATH, HOME, TMPDIR and LANG are set by whoever runs it."""
    stdin: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files to write first: path below the home folder, and content."""
    collect: tuple[str, ...] = ()
    """Patterns of files below the home folder to bring back."""
    hosts: tuple[str, ...] = ()
    """HOST:PORT of the model's service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a program left behind."""

    returncode: int
    stdout: str
    stderr: str
    timed_out: bool = False
    """Whether it was stopped since its time was over."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Collected files by their path below the home folder."""


class End(StrEnum):
    """How a program says that it ended."""

    FINISHED = "finished"
    GAVE_UP = "gave_up"
    OUT_OF_BUDGET = "out_of_budget"
    REFUSED = "refused"
    API_FAILURE = "api_failure"
    PROGRAM_FAILURE = "program_failure"
    UNKNOWN = "unknown"
    """It left no record of its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a program says of its own work. Nothing in it decides a verdict."""

    end: End
    reason: str = ""
    """Why, for people; the program's own words where it has any."""
    retry: bool = False
    """Whether the same call may succeed later: a rate limit, an overloaded or unreachable service."""
    models: tuple[str, ...] = ()
    session: str = ""
    usage: Usage = field(default_factory=Usage)
    steps: int | None = None
    trajectory: Mapping[str, bytes] = field(default_factory=dict)
    """What the program wrote down of its work, by file name, to be kept."""


class NoOptions(Record):
    """The options of a driver that has none."""


class Driver(Protocol):
    """One program."""

    command: ClassVar[tuple[str, ...]]
    """The program by default."""
    options: ClassVar[type[Record]]
    """What an agent's file may say under `options`."""
    environment: ClassVar[tuple[str, ...]]
    """Names of the caller's variables that the program knows what to do with: keys, base URLs."""
    keys: ClassVar[tuple[str, ...]]
    """Names of variables one of which must be set for the program to have access to a model; empty if it needs none."""

    def call(self, job: Job) -> Call:
        """Describe the call. Raises `UsageError` for options that do not fit together."""

    def version(self, spec: AgentSpec) -> tuple[str, ...]:
        """Return the command that prints the program's version."""

    def read(self, output: Output) -> Account:
        """Return what the program says of its work. Never fails: whatever it printed, it may be broken off or made up."""


@runtime_checkable
class Model(Protocol):
    """A driver without a program: a model that is asked from here, and answers with a diff."""

    options: ClassVar[type[Record]]
    environment: ClassVar[tuple[str, ...]]
    keys: ClassVar[tuple[str, ...]]

    def ask(self, job: Job, tree: Path) -> tuple[str, Account]:
        """Return the diff against a tree, empty for none, and the account of it.

        Raises:
            UsageError: options that do not fit, or code that is too large to be shown to a model as a whole.
            MissingExtraError: the client library is not installed.
        """
