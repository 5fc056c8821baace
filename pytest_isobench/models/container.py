"""How containers are made: the settings of the sandboxes `docker` and `modal`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, StringConstraints

from pytest_isobench.models.base import Record

Mount = Annotated[str, StringConstraints(pattern=r"^[^:]+:/[^:]*$")]
Gpus = Annotated[str, StringConstraints(pattern=r"^(none|all|device=[A-Za-z0-9-]+(,[A-Za-z0-9-]+)*)$")]
Cores = Annotated[str, StringConstraints(pattern=r"^\d+(-\d+)?(,\d+(-\d+)?)*$")]


class ContainerSettings(Record):
    """What the session asks of containers. What is None follows the task."""

    engine: Literal["docker", "podman"] | None = Field(None, description="Engine of the sandbox `docker`; by default the one that answers.")
    image: str | None = Field(None, description="Image of every task, instead of its own.")
    platform: str | None = Field(None, description="Such as linux/amd64.")
    pull: Literal["missing", "always", "never"] = Field("missing", description="When images are fetched.")
    cpus: PositiveFloat | None = Field(None, description="CPU time of a container, in CPUs.")
    cpuset: Cores | None = Field(None, description="Logical CPUs of a container, such as 0-3,8.")
    memory_mb: PositiveInt | None = None
    pids: PositiveInt | None = None
    shm_mb: PositiveInt | None = Field(None, description="Size of /dev/shm.")
    network: Literal["off", "on_for_prepare", "on"] = Field("off", description="When there is a network.")
    gpus: Gpus | None = Field(None, description="none, all, or device=0,1.")
    user: Annotated[int, Field(gt=0, lt=2**31 - 2)] | None = Field(None, description="First of the user ids that run what is not trusted.")
    mounts: tuple[Mount, ...] = Field((), description="Folders to show read-only, HOST:CONTAINER, such as a cache of models.")
    region: str | None = Field(None, description="Modal's region.")
    life: PositiveFloat | None = Field(None, description="Seconds that a remote sandbox lives; by default what its campaign may need.")
    wait: PositiveFloat = Field(600.0, description="Seconds to wait for a remote machine that is free.")
    parallel: PositiveInt = Field(16, description="Remote sandboxes at one time on this machine.")
