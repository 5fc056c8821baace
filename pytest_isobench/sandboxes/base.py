"""The contract of a sandbox: a place that holds the arms of one campaign and runs what must not be trusted.

A sandbox places trees and environments, knows how to confine a process, and starts the supervisor (`supervisor.py`), the one
trusted program beside the candidates. Everything that runs in it, builds and commands as well as timed workers, is started by
the supervisor. A non-zero exit is a value; a sandbox that is lost, or never came up, raises `SandboxError`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import SandboxError
from pytest_isobench.gpus import Gpu
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.models.result import Isolation
from pytest_isobench.models.task import Environment, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """How the supervisor starts one untrusted process. Plain data: it travels to the supervisor as JSON."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    machine: str = ""
    """Which supervisor starts it, where a sandbox has several."""
    user: int | None = None
    """Real user id to drop to; None stays."""
    group: int | None = None
    """Its group; None is the one with the user's number."""
    cores: tuple[int, ...] = ()
    """Logical CPUs to pin to; empty for no pinning."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Resource limits by the names of the `resource` module, such as RLIMIT_NPROC."""
    cgroups: tuple[str, ...] = ()
    """Folders of control groups to join before the program starts. Those that share a freezer cannot take turns: one arm, one candidate."""
    keep: bool = False
    """Start under a keeper that adopts and kills orphans: for systems without a pid namespace."""
    descriptors: Mapping[str, int] = field(default_factory=dict)
    """Files to open read-only for the child: path to descriptor number."""
    joint: bool = False
    """Whether it is in the supervisor's joint network, which is the loopback and nothing else."""
    temporary: str = ""
    """Folder to make for it as its user, and to remove after its end."""
    swept: tuple[str, ...] = ()
    """Folders in which everything that belongs to its user is removed after its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What one finished command left behind."""

    returncode: int
    """Exit status; minus the signal's number when a signal ended it."""
    stdout: bytes
    stderr: bytes
    wall: float
    """Seconds from start to end on the supervisor's monotonic clock."""
    user: float
    system: float
    max_rss: int
    """Bytes, the largest process."""
    timed_out: bool = False
    truncated: bool = False
    """Whether output beyond the limit was thrown away."""


Stream = Literal["stdout", "stderr"]


class Supervisor(ABC):
    """The controller's end of the supervisor. Every method raises `SandboxError` when the supervisor is lost."""

    @abstractmethod
    def start(self, name: str, process: Process) -> None:
        """Start a resident candidate; it stays frozen until it is asked something."""

    @abstractmethod
    def serve(self, name: str, process: Process) -> None:
        """Start a server, which runs until it is stopped, while commands are run beside it. No candidate has a turn meanwhile."""

    @abstractmethod
    def is_serving(self, name: str) -> bool:
        """Tell whether a server still runs."""

    @abstractmethod
    def ask(self, name: str, operation: str, payload: bytes, *, timeout: float) -> Reply:
        """Send one request to a candidate and wait for its answer, all others frozen."""

    @abstractmethod
    def turns(self, turns: Sequence[Turn], *, timeout: float) -> list[dict[str, Reply]]:
        """Play turns: in each, every arm in order collects garbage, prepares and runs, all others frozen. A turn's dict: arm to reply."""

    @abstractmethod
    def stop(self, names: Sequence[str]) -> dict[str, Remains]:
        """Kill the candidates and everything that they started."""

    @abstractmethod
    def run(
        self,
        process: Process,
        *,
        stdin: bytes = b"",
        timeout: float,
        output_limit: int = 2**20,
        on_output: Callable[[Stream, bytes], None] | None = None,
    ) -> ExecResult:
        """Run one command to its end and time it; `on_output` gets the output as it comes."""

    @abstractmethod
    def cancel(self) -> None:
        """Kill the command that another thread runs here now: its `run` returns soon. One that begins at this very moment may be missed."""

    @abstractmethod
    def close(self) -> None:
        """Kill everything. Idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One mini-round: what every arm gets, and in which order."""

    order: tuple[str, ...]
    inputs: bytes


ReplyStatus = Literal["ok", "exception", "exited", "timed_out", "oversized", "protocol"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A candidate's answer as bytes, and what the supervisor's clock says about it."""

    status: ReplyStatus
    payload: bytes = b""
    seconds: float = 0.0
    """Request sent to answer complete, on the monotonic clock."""
    cpu: float = 0.0
    """CPU seconds of the candidate's processes in that time."""
    prepare: float = 0.0
    """Seconds of the untimed preparation before it (turns only)."""
    collect: float = 0.0
    """Seconds of collecting garbage before that, when the inputs are not known yet (turns only)."""
    stolen: float = 0.0
    """CPU seconds that the candidate used while it was frozen, since its last turn."""
    detail: str = ""
    """What went wrong, or a note such as unasked-for output on the private pipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What was seen when a candidate was stopped."""

    returncode: int | None
    """None when it had to be killed, which is the normal end of a resident worker."""
    log: str
    """The tail of its stdout and stderr."""
    processes: int
    """Processes that were alive at the end, the candidate's own included."""
    max_rss: int = 0
    notes: tuple[str, ...] = ()


class Sandbox(ABC):
    """One campaign's place on one machine."""

    isolation: Isolation
    supervisor: Supervisor
    runs: bool = True
    """Whether processes really run in it."""
    apart: bool = False
    """Whether joint processes of two arms cannot reach each other, unless one arm was placed beside the other."""
    gpus: tuple[Gpu, ...] = ()
    """The devices that its candidates may use, all of them and no others: leased, and set before the first arm is added."""

    @abstractmethod
    def add(
        self, arm: str, version: Version, environment: Environment, *, patch: str | None = None, beside: str | None = None
    ) -> None:
        """Place an arm: its own view of the tree, the patches applied, bytecode compiled, install commands run.

        Its joint processes can reach those of the arm that it is placed `beside`.

        Raises:
            DoesNotApplyError: the patch does not fit the tree or reaches outside of it.
            DoesNotBuildError: an install command fails.
            SandboxError: the machine failed.
        """

    @abstractmethod
    def process(
        self,
        arm: str,
        argv: Sequence[str],
        *,
        resources: Resources,
        variables: Mapping[str, str] | None = None,
        cores: Sequence[int] = (),
        writable: bool = False,
        network: bool = False,
        joint: bool = False,
    ) -> Process:
        """Describe a confined process in an arm. In `argv` the items `{python}` and `{tree}` stand for the arm's own.

        `network` opens the machine's network to it, where the sandbox keeps it closed; `joint` lets it reach other processes that are
        so started, on the loopback, and nothing else.

        The process sees its arm's tree (read-only unless `writable`), its environment and the system read-only, a private empty temporary
        folder, a clean set of variables, and nothing else: no other arm, no task file, no home.
        """

    def owns(self, pid: int) -> bool:
        """Tell whether a process of this machine runs in here, or did: anybody else's on a leased GPU is an alarm.

        By default those do that descend from this process. One that is gone already is nobody's.
        """
        import psutil

        try:
            return any(parent.pid == os.getpid() for parent in psutil.Process(pid).parents())
        except psutil.Error:
            return True

    @abstractmethod
    def close(self) -> None:
        """Kill everything and remove every file. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def no_arm(arm: str, arms: Iterable[str]) -> SandboxError:
    """Return what to raise when somebody asks for an arm that was never added."""
    return SandboxError(f"the sandbox has no arm {arm!r}; it has: {', '.join(arms) or 'none'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a sandbox must have room for."""

    resources: Resources = field(default_factory=Resources)
    """Of every single candidate."""
    environment: Environment = field(default_factory=Environment)
    """Of the task: its image, and whether it has install commands."""
    arms: int = 4
    """How many arms it will hold."""
    seconds: float = 3600.0
    """How long it will be needed at most."""
    gpu: str | None = None
    """Model of the GPUs, such as H100."""
    folders: tuple[Path, ...] = ()
    """Folders of this machine that are shown read-only under their own names, if the provider can."""
    label: str = ""
    """What it is for, to be found by people."""


STANDARD = Needs()
"""What a task needs that asks for nothing."""


class SandboxProvider(ABC):
    """Makes sandboxes of one kind; what `--isobench-sandbox` names."""

    name: str
    exclusive: bool = True
    """Whether what runs in it needs cores of this machine that nobody else uses meanwhile."""
    shows_folders: bool = False
    """Whether folders of this machine can be shown in it."""
    cores: frozenset[int] | None = None
    """Logical CPUs that it can use; None is all that this process may use."""

    @abstractmethod
    def open(self, needs: Needs = STANDARD) -> Sandbox:
        """Make a sandbox. Raises `SandboxError` when the machine cannot, `NotEvaluableError` when it never could."""

    def identity(self, needs: Needs) -> str:  # noqa: ARG002 - for those whose sandboxes differ by it
        """Return what must be alike for trials in two of its sandboxes to be compared. Raises as `open` does."""
        return self.isolation().model_dump_json(exclude={"notes"})

    def is_closed(self) -> bool:
        """Tell whether its sandboxes have no network from the beginning. Raises as `isolation` does."""
        return self.isolation().network

    def clean(self) -> list[str]:
        """Remove what killed controllers of this machine left behind; returns what it was. `open` does so by itself."""
        return []

    @abstractmethod
    def isolation(self) -> Isolation:
        """What a sandbox of this kind would keep the candidate from on this machine."""


SandboxFactory = Callable[[ContainerSettings], SandboxProvider]
"""Makes a provider from what the options ask of containers; one that has none of them ignores it."""
