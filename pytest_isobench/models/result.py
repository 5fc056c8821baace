"""What a run leaves behind: estimates, findings, verdicts, results and the report."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from pytest_isobench.models.agent import AttemptRecord
from pytest_isobench.models.base import Record, Shown
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.models.finding import Finding as Finding
from pytest_isobench.models.finding import Isolation as Isolation
from pytest_isobench.models.task import Metric

REPORT_VERSION = 1
"""Version of the report schema. 1 - the first."""


class Outcome(StrEnum):
    """What became of a patch: measured against the human, or why it could not be measured."""

    BEATS = "beats"
    MATCHES = "matches"
    NON_INFERIOR = "non_inferior"
    SLOWER = "slower"
    INCONCLUSIVE = "inconclusive"
    INCORRECT = "incorrect"
    DOES_NOT_APPLY = "does_not_apply"
    DOES_NOT_BUILD = "does_not_build"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    NO_PATCH = "no_patch"
    CHEATED = "cheated"


MEASURED = frozenset({Outcome.BEATS, Outcome.MATCHES, Outcome.NON_INFERIOR, Outcome.SLOWER, Outcome.INCONCLUSIVE})
"""The outcomes that rest on a comparison."""


class Gain(StrEnum):
    """A measured patch against the baseline."""

    FASTER = "faster"
    NO_CHANGE = "no_change"
    REGRESSES = "regresses"
    INCONCLUSIVE = "inconclusive"


class TaskState(StrEnum):
    """What the human's version shows about the task itself, on this machine."""

    EVALUABLE = "evaluable"
    WEAK = "weak"
    NOT_EVALUABLE = "not_evaluable"
    HUMAN_REGRESSION = "human_regression"
    UNDERPOWERED = "underpowered"


class Estimate(Record):
    """How many times faster one arm is than another, with an interval. 2.0 means: half the time."""

    ratio: float = Field(gt=0, description="Point estimate, dimensionless; above 1 is faster.")
    low: float | None = Field(description="Lower end of the interval; null with fewer rounds than an interval needs.")
    high: float | None = Field(description="Upper end of the interval.")
    confidence: float = Field(gt=0, lt=1)
    rounds: int = Field(ge=0, description="Number of rounds, the replicate.")
    sd: float = Field(ge=0, description="Standard deviation of the rounds' log ratios.")
    method: Literal["signed_rank", "sign", "none"]


class Contrast(Record):
    """What the same runs show in another metric than the task's own. It decides nothing."""

    metric: Metric
    values: dict[str, float] = Field({}, description="Median per arm, in its unit.")
    human_vs_baseline: Estimate | None = None
    agent_vs_baseline: Estimate | None = None
    agent_vs_human: Estimate | None = None


class Comparison(Record):
    """All contrasts of one campaign that concern one case."""

    campaign: str = Field(description="Digest of everything that was measured alike.")
    metric: Metric
    schedule: Literal["pingpong", "rounds"]
    margin: float = Field(description="Relative margin of the verdicts, such as 0.05.")
    human_vs_baseline: Estimate | None = None
    agent_vs_baseline: Estimate | None = None
    agent_vs_human: Estimate | None = None
    control: Estimate | None = Field(None, description="A second copy of the baseline against the first: the A/A control.")
    noise_floor: float | None = Field(None, description="Half width of the control's interval, as a log ratio.")
    rounds: int = 0
    redone: int = Field(0, description="Contaminated rounds that were measured again.")
    times: dict[str, float] = Field({}, description="Median of the metric per arm, in its unit.")
    setup: dict[str, float] = Field({}, description="Median seconds to import, load and warm up per arm.")
    prepare: dict[str, float] = Field({}, description="Median seconds of untimed preparation per call and arm.")
    overhead: float | None = Field(None, description="Seconds of the request and its answer with an empty workload.")
    secondary: tuple[Contrast, ...] = Field((), description="The same runs in other metrics, where the workload has several.")


class CheckResult(Record):
    """One check's answer."""

    name: str
    passed: bool
    message: Shown = ""
    seconds: float | None = None


class PatchFacts(Record):
    """A patch that applies to the base."""

    strategy: Literal["strict", "recount", "3way"] = Field(description="How it applied: as it is, with its lines counted anew, or merged.")
    tree: str = Field(description="Hash of the tree that it makes, as git counts it.")
    files: tuple[Shown, ...] = Field((), description="Files that it changes.")
    added: int = Field(0, ge=0, description="Lines that it adds.")
    removed: int = Field(0, ge=0, description="Lines that it removes.")
    disallowed: tuple[Shown, ...] = Field((), description="Those of its files that the task's contract does not name.")


class Verdict(Record):
    """The judgement of one patch on one task."""

    outcome: Outcome
    gain: Gain | None = Field(None, description="Against the baseline; only with a measured outcome.")
    hard_success: bool = False
    reasons: tuple[Shown, ...] = ()


class Failure(Record):
    """The machine's failure."""

    kind: str = Field(description="Name of the exception.")
    message: Shown


GpuReason = Literal[
    "idle", "clock_setting", "power_cap", "hardware_slowdown", "sync_boost", "heat", "hardware_heat", "power_brake", "display_setting"
]
"""Why a GPU's clocks are not higher than they are."""


class GpuState(Record):
    """One GPU at one moment. What the device does not tell is null."""

    sm_clock: int | None = Field(None, description="Clock of the multiprocessors.")
    memory_clock: int | None = Field(None, description="Clock of the memory.")
    temperature: int | None = Field(None, description="Of the chip.")
    power: float | None = Field(None, description="What the whole board draws.")
    reasons: tuple[GpuReason, ...] | None = Field(None, description="Why the clocks are not higher.")
    ecc: bool | None = Field(None, description="Whether memory errors are corrected.")
    persistence: bool | None = Field(None, description="Whether the driver stays loaded when nobody uses the device.")
    mig: bool | None = Field(None, description="Whether the device is cut into instances.")
    processes: tuple[int, ...] | None = Field(None, description="Ids of the processes that have the device open.")
    memory_used_mb: int | None = Field(None, description="Memory that is taken, by anybody.")


class Device(Record):
    """A GPU that was handed to the arms, and what was seen of it."""

    index: int
    uuid: str
    name: str
    memory_mb: int
    driver: str
    before: GpuState | None = Field(None, description="Before anything of the campaign ran; null when states cannot be read here.")
    after: GpuState | None = Field(None, description="After all of it was over.")
    looks: int = Field(0, description="How often the state was read from before to after.")


class Machine(Record):
    """Where it was measured."""

    host: str
    system: str
    kernel: str
    architecture: str
    cpu: str
    physical_cores: int | None
    logical_cores: int
    memory_mb: int
    governor: str | None = None
    load: tuple[float, float, float] | None = None
    steal: float | None = Field(None, description="Share of CPU time taken by the hypervisor while measuring.")
    throttled: int | None = Field(None, description="Thermal throttling events while measuring.")
    cores: tuple[int, ...] = Field((), description="Cores that the arms were pinned to.")
    gpus: tuple[str, ...] = ()
    devices: tuple[Device, ...] = Field((), description="GPUs that were handed to the arms.")
    python: str
    versions: dict[str, str] = {}
    boot: str | None = Field(None, description="Identity of the boot: trials of two boots are never compared.")


class Configuration(Record):
    """How the session measured."""

    margin: float = Field(0.05, gt=0, lt=1)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    require: Literal["match", "improve", "correct"] = "match"
    only: Literal["baseline", "human", "agent"] | None = None
    sandbox: str = "local"
    seed: int = 0
    time_budget: float = Field(300.0, gt=0, description="Seconds of measuring per campaign.")
    timeout: float | None = Field(None, gt=0, description="Seconds per sample, instead of the task's own.")
    gpu: str | None = None
    container: ContainerSettings = ContainerSettings()


class Result(Record):
    """One case: one patch of one agent on one task."""

    version: Literal[1] = 1
    case: str = Field(description="task:agent:attempt")
    task: str
    agent: str
    attempt: int = Field(ge=0)
    repo: str = ""
    base: str = Field("", description="Resolved base commit or version.")
    human: str = Field("", description="Resolved human commit or version.")
    task_digest: str = ""
    patch_digest: str | None = None
    made: AttemptRecord | None = Field(None, description="How the agent made the patch, where that was recorded.")
    patch: PatchFacts | None = Field(None, description="What the patch changes; null for a whole version, and when it does not apply.")
    environment_digest: str = ""
    command: str = Field("", description="What was run, resolved; identical for every arm.")
    configuration: Configuration
    isolation: Isolation | None = None
    machine: Machine | None = None
    task_state: TaskState | None = None
    verdict: Verdict | None = Field(None, description="The patch's: null when the task or the machine did not allow one.")
    failure: Failure | None = Field(None, description="The machine's: null when it did its work.")
    comparison: Comparison | None = None
    findings: tuple[Finding, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    seconds: float = Field(0.0, ge=0, description="Wall-clock time of the case.")
    started: str = Field("", description="ISO 8601, UTC.")
    journal: str | None = Field(None, description="File that holds the campaign's trials.")
    resumed: bool = False

    @property
    def id(self) -> str:
        return self.case


class Rate(Record):
    """A share with its interval (Wilson)."""

    successes: int
    total: int
    share: float | None
    low: float | None
    high: float | None


class Totals(Record):
    """The report's sums, each with its own denominator."""

    cases: int = 0
    outcomes: dict[str, int] = {}
    task_states: dict[str, int] = {}
    failures: int = Field(0, description="Cases that the machine failed; in no other denominator.")
    not_evaluable: int = Field(0, description="Cases whose task shows nothing here; in no success rate.")
    hard_success: Rate | None = None
    geometric_mean_vs_baseline: float | None = Field(None, description="Over evaluable cases; a patch that failed counts as no change.")
    geometric_mean_vs_human: float | None = Field(None, description="Over measured evaluable cases.")
    measured: int = 0


class Report(Record):
    """One session."""

    version: Literal[1] = 1
    tool: str = "pytest-isobench"
    tool_version: str
    started: str
    finished: str | None = None
    complete: bool = Field(False, description="False while the session runs, or when it was cut off.")
    configuration: Configuration
    results: tuple[Result, ...] = ()
    totals: Totals = Totals()
    refused: tuple[str, ...] = Field((), description="Records, journal lines and files that could not be read, each with its reason.")
