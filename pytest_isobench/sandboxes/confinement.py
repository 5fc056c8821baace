"""What the ways to confine a process have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_isobench.gpus import VARIABLE, Gpu
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes.base import Process

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an arm's files are, and whose they are."""

    tree: Path
    environment: Path
    prefixes: tuple[Path, ...]
    """Folders that the interpreter needs besides the environment and the system."""
    folders: tuple[Path, ...] = ()
    """Further folders that are shown as they are."""
    spec: Environment
    builder: int | None = None
    """User that owns the tree and runs writable processes; None is the user that runs the tests."""
    runner: int | None = None
    """User that runs candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to run in a place."""

    argv: Sequence[str]
    resources: Resources
    variables: Mapping[str, str] = field(default_factory=dict)
    cores: tuple[int, ...] = ()
    writable: bool = False
    network: bool = False
    joint: bool = False
    cgroups: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    """Those that it may use."""


class Confinement(ABC):
    """One way to keep a process in its place."""

    processes: int
    """Processes that the confinement itself adds to an arm's."""

    @abstractmethod
    def prepare(self, place: Place) -> None:
        """Make a place's folders visible to its users. Raises `SandboxError` when that cannot be done."""

    @abstractmethod
    def process(self, place: Place, order: Order) -> Process:
        """Describe the confined process."""


def variables(place: Place, order: Order, *, tree: str, python: str, temporary: str) -> dict[str, str]:
    """Return the clean set of variables, the record's own on top, the caller's last."""
    return {
        "PATH": f"{Path(python).parent}:{SYSTEM_PATH}",
        "HOME": temporary,
        "TMPDIR": temporary,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": ":".join(str(Path(tree, folder)) for folder in place.spec.pythonpath),
        **place.spec.variables,
        **order.variables,
    }


def visible(numbers: Iterable[int]) -> dict[str, str]:
    """Return the variables that leave a candidate its GPUs, by number: some programs read no other names; empty without any."""
    named = ",".join(map(str, numbers))
    return {VARIABLE: named, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if named else {}


def stand_ins(tree: str, python: str, programs: str) -> dict[str, str]:
    """Return what the items `{tree}`, `{python}`, `{worker}` and `{settle}` stand for."""
    return {"{tree}": tree, "{python}": python, "{worker}": f"{programs}/worker.py", "{settle}": f"{programs}/settle.py"}


def substitute(argv: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Put an arm's own paths for the items that stand for them."""
    return tuple(names.get(item, item) for item in argv)


def limits(resources: Resources, *, processes: int) -> dict[str, int]:
    """Return the resource limits; the supervisor lowers them to its own. `processes` is counted per user by the system.

    Who uses a GPU reserves far more address space than memory, and others say so: there only the sandbox as a whole limits the memory.
    """
    space = {} if resources.gpus or resources.reserves else {"RLIMIT_AS": 2 * resources.memory_mb * 2**20}
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 4096,
        "RLIMIT_NPROC": processes,
        "RLIMIT_FSIZE": resources.disk_mb * 2**20,
        **space,
    }
