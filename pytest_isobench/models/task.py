"""The task: where the code comes from, what is run and timed, and what counts as correct."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pytest_isobench.models.base import Name, Record
from pytest_isobench.models.workload import Workload

TASK_VERSION = 1
"""Version of the task schema. 1 - the first."""


class GitSource(Record):
    """A repository before and after an optimisation."""

    kind: Literal["git"]
    repository: str = Field(description="URL or path of the repository; a relative path starts at the task file.")
    human: str | None = Field(None, description="The commit that made it faster.")
    base: str | None = Field(None, description="The commit before; by default the human commit's parent. `sha^` and `sha~2` are resolved.")
    parent: PositiveInt = Field(1, description="Which parent of the human commit is the base, for merges.")
    patch: str | None = Field(None, description="A diff file that stands for the human commit; a relative path starts at the task file.")

    @model_validator(mode="after")
    def _one_human(self) -> GitSource:
        if (self.human is None) == (self.patch is None):
            raise ValueError("give either 'human' (a commit) or 'patch' (a diff file), and not both")
        if self.patch is not None and self.base is None:
            raise ValueError("'patch' needs 'base', the commit that it applies to")
        return self


class PypiSource(Record):
    """Two releases of a package: the last slow one and the first fast one."""

    kind: Literal["pypi"]
    package: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    base: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$", description="Version before the optimisation.")
    human: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+!-]*$", description="Version with the optimisation.")


class PathSource(Record):
    """A folder before, and a folder or a diff after."""

    kind: Literal["path"]
    base: str = Field(description="Folder; a relative path starts at the task file.")
    human: str | None = Field(None, description="Folder of the human version.")
    patch: str | None = Field(None, description="A diff file that makes the human version from the base.")

    @model_validator(mode="after")
    def _one_human(self) -> PathSource:
        if (self.human is None) == (self.patch is None):
            raise ValueError("give either 'human' (a folder) or 'patch' (a diff file), and not both")
        return self


Source = Annotated[GitSource | PypiSource | PathSource, Field(discriminator="kind")]


class Environment(Record):
    """What an arm runs in: built once per content, shared by all cases, read-only afterwards."""

    python: str | None = Field(None, pattern=r"^3\.\d+$", description="Version, such as '3.12'; by default the one that runs pytest.")
    requirements: tuple[str, ...] = Field((), description="Packages to install, as pip spells them; pin them.")
    setup: tuple[str, ...] = Field((), description="Shell commands, run once when the environment is built (trusted, with network).")
    install: tuple[str, ...] = Field((), description="Shell commands, run in each arm's tree after its patch (untrusted, no network).")
    pythonpath: tuple[str, ...] = Field((".",), description="Folders of the tree that are importable.")
    image: str | None = Field(None, pattern=r"^[^\s-]\S*$", description="Image with Python and git: to run in, and to build from.")
    variables: dict[str, str] = Field({}, description="Environment variables of the candidate.")


class Tolerance(Record):
    """How far a floating-point number of an answer may be from the reference's."""

    relative: float = Field(0.0, ge=0, lt=1)
    absolute: float = Field(0.0, ge=0)


class CheckSpec(Record):
    """Correctness beyond the workload's own: a command that must succeed in the patched tree."""

    name: Name
    command: tuple[str, ...] = Field(min_length=1, description="Program and arguments, no shell; `{python}` is the arm's interpreter.")
    timeout: PositiveFloat = 300.0


class Metric(Record):
    """What is measured."""

    name: str = "time_per_call"
    unit: str = "s"
    better: Literal["lower", "higher"] = "lower"


class Resources(Record):
    """What a case may use, and what it needs."""

    cpus: PositiveInt = Field(1, description="Physical cores that the candidate is pinned to.")
    memory_mb: PositiveInt = 4096
    pids: PositiveInt = 256
    disk_mb: PositiveInt = Field(512, description="Size of the private temporary folder.")
    reserves: bool = Field(False, description="Its programs reserve far more address space than they use, as Java and Node do.")
    gpus: int = Field(0, ge=0)
    gpu: str | None = Field(None, description="Name of the GPU model, such as 'H100'.")


class Brief(Record):
    """What an agent that works on the task is told besides where and how it is measured."""

    statement: str = Field("", description="What is to become faster, and nothing of how; by default the task's description.")
    constraints: tuple[str, ...] = Field((), description="What must hold besides what holds for every task.")
    hints: tuple[str, ...] = Field((), description="Where to look; given to every agent alike.")
    workload: Literal["described", "shown"] = Field("described", description="Whether the agent sees its source.")
    family: Name | None = Field(None, description="Template of the prompt, FAMILY.md.j2; by default that of the workload.")


class Contract(Record):
    """Which files of the tree a patch may change."""

    files: tuple[str, ...] = Field(min_length=1, description="Files, folders, and globs of them, from its root; `**` is any folders.")
    strict: bool = Field(False, description="Refuse a patch that changes other files, instead of noting it.")

    @model_validator(mode="after")
    def _inside(self) -> Contract:
        for name in self.files:
            if not {"", ".", ".."}.isdisjoint(name.removesuffix("/").split("/")):
                raise ValueError(f"{name!r} is no path in the tree; allowed: such as 'src/module.py', 'src/package' and 'src/**/*.py'")
        return self


class Task(Record):
    """A real performance commit as a test case."""

    id: Name
    repo: str = Field("", description="The project, such as 'vllm-project/vllm'; also a mark.")
    description: str = ""
    gain: str = Field("", description="Where the human's gain comes from, in a line.")
    language: str = "python"
    source: Source
    environment: Environment = Environment()
    workload: Workload
    brief: Brief = Brief()
    metric: Metric = Metric()
    tolerance: dict[str, Tolerance] = Field({}, description="By dtype: 'float' for plain numbers, else a numpy name such as 'float32'.")
    checks: tuple[CheckSpec, ...] = ()
    contract: Contract | None = Field(None, description="Which files a patch may change; by default all.")
    resources: Resources = Resources()
    marks: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], ...] = ()
    margin: float | None = Field(None, gt=0, lt=1, description="Margin of this task's verdicts; by default --isobench-margin.")
