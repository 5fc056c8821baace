"""What is run and timed: one record per kind of workload."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pytest_isobench.models.base import Record


class WorkloadRecord(Record):
    """What all kinds have in common."""

    @property
    def family(self) -> str:
        """Kind of prompt that tells of it."""
        return str(getattr(self, "kind", ""))

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the files that belong to it, relative to the task file."""
        return tuple(name for name in (getattr(self, "file", None),) if name)


class PythonWorkload(WorkloadRecord):
    """Functions `inputs`, `prepare`, `run` and `check` in one Python file; see the workload reference."""

    kind: Literal["python"]
    file: str | None = Field(None, description="Python file; a relative path starts at the task file.")
    code: str | None = Field(None, description="The same as text in the record.")
    calls: PositiveInt | None = Field(None, description="Calls in one sample; by default as many as fill 25 ms.")
    timeout: PositiveFloat = Field(60.0, description="Seconds that one sample, or the import, may take.")
    reference: Literal["baseline", "human"] = Field("baseline", description="Whose answers are the right ones.")

    @model_validator(mode="after")
    def _one_body(self) -> PythonWorkload:
        if (self.file is None) == (self.code is None):
            raise ValueError("give either 'file' or 'code', and not both")
        return self


class CommandWorkload(WorkloadRecord):
    """A command whose wall-clock time counts; its answer is what it prints."""

    kind: Literal["command"]
    command: tuple[str, ...] = Field(min_length=1, description="Program and arguments, no shell; `{python}` is the arm's interpreter.")
    file: str | None = Field(None, description="Python file with `inputs` (and `check`): gives stdin and further arguments of each call.")
    timeout: PositiveFloat = Field(300.0, description="Seconds that one run may take.")
    reference: Literal["baseline", "human"] = Field("baseline", description="Whose answers are the right ones.")


SCRIPTS = frozenset({"isobench", "gso"})
"""Formats of single scripts; the others are suites in the tree."""


class ReportedWorkload(WorkloadRecord):
    """A script or suite that times itself; its times are checked against those of its whole runs."""

    kind: Literal["reported"]
    format: Literal["isobench", "gso", "pytest_benchmark", "asv"] = Field(description="How it is run, and how it reports its times.")
    file: str | None = Field(None, description="The script, for isobench and gso; a relative path starts at the task file.")
    paths: tuple[str, ...] = Field((), description="Files or folders of the tree with the suite, for pytest_benchmark and asv.")
    select: str = Field("", description="Which benchmarks of a suite: as after `pytest -k`; for asv a regular expression.")
    arguments: tuple[str, ...] = Field((), description="Further arguments of the script, or of pytest.")
    timeout: PositiveFloat = Field(600.0, description="Seconds that one run may take.")
    reference: Literal["baseline", "human"] = Field("baseline", description="Whose answers are the right ones.")

    @model_validator(mode="after")
    def _script_or_suite(self) -> ReportedWorkload:
        script = self.format in SCRIPTS
        if script and (self.file is None or self.paths or self.select):
            raise ValueError(f"{self.format} runs a script: give 'file', and neither 'paths' nor 'select'")
        if not script and (self.file is not None or not self.paths):
            raise ValueError(f"{self.format} runs a suite of the tree: give 'paths', and no 'file'")
        if self.format == "asv" and self.arguments:
            raise ValueError("asv takes no 'arguments'; choose benchmarks by 'select'")
        if any(path.startswith("/") or ".." in path.split("/") for path in self.paths):
            raise ValueError("'paths' are below the tree's root, such as 'benchmarks/test_speed.py'")
        return self


TokenShare = Annotated[float, Field(ge=0, lt=1, description="By what share the arms may differ in the tokens that they put out.")]
TextShare = Annotated[
    float | None,
    Field(
        gt=0,
        le=1,
        description="How far answers must agree with the reference's, as a share of the baseline's with itself; null: not at all.",
    ),
]


class Serving(Record):
    """How a server is started and asked."""

    runs: PositiveInt = Field(2, description="Runs of the client per start of the server; each is a sample.")
    warmups: NonNegativeInt = Field(1, description="Runs of the client before them that do not count.")
    health: str = Field("/health", pattern=r"^/", description="What answers with status 200 as soon as the server can be asked.")
    flush: str | None = Field(None, pattern=r"^/", description="Where a POST empties the server's caches; asked before every run.")
    ready: PositiveFloat = Field(1200.0, description="Seconds that the server may take until it can be asked.")
    failures: float = Field(0.0, ge=0, lt=1, description="Share of the requests that may fail.")
    tokens: TokenShare = 0.0
    texts: TextShare = 1.0


WHY = {
    "{port}": "every start has a port of its own",
    "{seed}": "every run asks something else, or a server could remember its answers",
    "{output": "the client's results are read from that file",
}


class EngineServing(Serving):
    """The same for an engine, whose answers depend a little on what else it computes at the time."""

    tokens: TokenShare = 0.02
    texts: TextShare = 0.8


class ServeWorkload(WorkloadRecord):
    """A server is the candidate, and a trusted client asks and times it."""

    kind: Literal["serve"]
    server: tuple[str, ...] = Field(min_length=1, description="Program and arguments, no shell; with `{python}`, `{host}` and `{port}`.")
    client: tuple[str, ...] = Field(
        min_length=1, description="The same, in the baseline's tree; with `{seed}`, new in every round, and `{output}`, its result file."
    )
    serving: Serving = Serving()
    timeout: PositiveFloat = Field(1800.0, description="Seconds that one run of the client may take.")
    reference: Literal["baseline", "human"] = Field("baseline", description="Whose answers are the right ones.")

    @model_validator(mode="after")
    def _meeting(self) -> ServeWorkload:
        for name, items, wanted in (("server", self.server, ("{port}",)), ("client", self.client, ("{port}", "{seed}", "{output"))):
            for stand_in in wanted:
                if not any(stand_in in item for item in items):
                    raise ValueError(f"'{name}' needs {stand_in.rstrip('}')}}} in an item: {WHY[stand_in]}")
        return self


EngineKind = Literal[
    "vllm_serve", "vllm_latency", "vllm_throughput", "sglang_serve", "sglang_one_batch", "sglang_offline", "prefix_caching"
]


class EngineWorkload(WorkloadRecord):
    """A benchmark of an inference engine, given as the command line that its developers use."""

    kind: EngineKind
    command: str = Field(min_length=1, description="As it is written down anywhere; what is run is made from it, the same for every arm.")
    origin: str = Field("", description="Where the command comes from.")
    model: str | None = Field(None, description="Instead of the command's.")
    engine: str | None = Field(None, description="Version of the engine, which decides how its options are spelled; by default the newest.")
    serving: EngineServing = EngineServing()
    timeout: PositiveFloat = Field(1800.0, description="Seconds that one run of the benchmark may take.")
    reference: Literal["baseline", "human"] = Field("baseline", description="Whose answers are the right ones.")

    @property
    def family(self) -> str:
        return "engine"


Workload = Annotated[PythonWorkload | CommandWorkload | ReportedWorkload | ServeWorkload | EngineWorkload, Field(discriminator="kind")]
