"""Agents as files describe them, and what is recorded of each attempt."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from pytest_isobench.models.base import Name, Record, Shown
from pytest_isobench.models.finding import Finding, Isolation

AGENT_VERSION = ATTEMPT_VERSION = 1
"""Versions of the schemas of agents' files and of attempts' records. 1 - the first."""

Option = str | int | float | bool
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+(:\d{1,5})?$")]


class Budget(Record):
    """Where an attempt is stopped."""

    minutes: PositiveFloat = Field(60.0, description="Wall-clock time of one attempt.")
    steps: PositiveInt | None = Field(None, description="Turns of the model, where the program can count them.")
    usd: PositiveFloat | None = Field(None, description="Cost, where the program knows it.")


class AgentSpec(Record):
    """One agent: a driver, its program, its model and its budget. The file's name is the agent's name."""

    version: Literal[1]
    driver: Name = Field(description="The module that calls the program.")
    description: str = ""
    command: tuple[str, ...] = Field((), description="The program, and arguments that come first; by default the driver's own.")
    model: str | None = Field(None, description="Model, as the program spells it; by default the program's own.")
    budget: Budget = Budget()
    environment: tuple[Variable, ...] = Field((), description="Variables handed on from the caller's environment, besides the driver's.")
    variables: dict[Variable, str] = Field({}, description="Variables that are set; no secrets.")
    arguments: tuple[str, ...] = Field((), description="Arguments that come last.")
    options: dict[str, Option] = Field({}, description="The driver's own options.")
    programs: tuple[str, ...] = Field((), description="Folders that the program needs, shown to it read-only.")
    hosts: tuple[Host, ...] = Field((), description="Hosts that it may reach besides its model's, HOST or HOST:PORT (443).")
    retries: int = Field(3, ge=0, le=20, description="Further tries after the model's service failed.")


class AgentStatus(StrEnum):
    """How an attempt ended."""

    MADE_PATCH = "made_patch"
    MADE_NONE = "made_none"
    GAVE_UP = "gave_up"
    OUT_OF_BUDGET = "out_of_budget"
    OUT_OF_TIME = "out_of_time"
    REFUSED = "refused"
    API_FAILURE = "api_failure"
    PROGRAM_FAILURE = "program_failure"
    INTERRUPTED = "interrupted"


FINAL = frozenset(AgentStatus) - {AgentStatus.API_FAILURE, AgentStatus.PROGRAM_FAILURE, AgentStatus.INTERRUPTED}
"""How an attempt ends by the agent's doing; the other ends are the machine's, and such an attempt is made again."""


class Usage(Record):
    """What the model's service was asked for, as the program says. Null where it does not say."""

    input_tokens: int | None = Field(None, ge=0, description="Tokens read, those from a cache included.")
    cached_tokens: int | None = Field(None, ge=0, description="Tokens read from a cache.")
    output_tokens: int | None = Field(None, ge=0, description="Tokens written, reasoning included.")
    reasoning_tokens: int | None = Field(None, ge=0, description="Tokens written while reasoning.")
    usd: float | None = Field(None, ge=0, description="Cost.")


class Excluded(Record):
    """A file of the work tree that is no part of the patch."""

    path: Shown
    rule: str


class AttemptRecord(Record):
    """One attempt of an agent at a task; lies beside its patch as `TASK.ATTEMPT.json`."""

    version: Literal[1] = 1
    task: Name
    agent: Name
    attempt: int = Field(ge=0)
    status: AgentStatus
    reasons: tuple[Shown, ...] = ()
    driver: Name
    program: Shown = Field("", description="Version of the program, as it says itself.")
    model: Shown = Field("", description="Model that was asked for.")
    models: tuple[Shown, ...] = Field((), description="Models that answered, as the program says.")
    session: Shown = Field("", description="The program's own name of the session.")
    usage: Usage = Usage()
    steps: int | None = Field(None, ge=0)
    seconds: float = Field(0.0, ge=0, description="Wall-clock time of the last try.")
    first_edit: float | None = Field(None, ge=0, description="Seconds until the work tree first changed.")
    tries: int = Field(1, ge=1)
    started: str = Field("", description="ISO 8601, UTC.")
    base: str = Field("", description="Commit, version or folder that the work tree was made of.")
    base_tree: str = Field("", description="Git's hash of the work tree before.")
    tree: str = Field("", description="Git's hash of the work tree after, without what is excluded.")
    patch_digest: str | None = Field(None, description="SHA-256 of the patch.")
    files: tuple[Shown, ...] = Field((), description="Files that the patch changes.")
    excluded: tuple[Excluded, ...] = ()
    key: str = Field("", description="Digest of task, agent, prompt and base tree: an attempt with another one is made again.")
    isolation: Isolation | None = None
    network: Literal["none", "listed_hosts", "open"] = "open"
    findings: tuple[Finding, ...] = ()
    origin: str = Field("", description="Where an imported attempt comes from.")

    @property
    def final(self) -> bool:
        """Whether the attempt ended by the agent's doing."""
        return self.status in FINAL
