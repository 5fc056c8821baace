"""The register of named implementations: what `--isobench-sandbox`, `--isobench-agent` and a task's workload may say.

Built-ins come through the same door as those of a conftest. They are stored as import paths and imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_isobench.errors import UsageError, nearest

if TYPE_CHECKING:
    from pytest_isobench.agents.base import Agent, AgentContext, AgentFactory
    from pytest_isobench.models.container import ContainerSettings
    from pytest_isobench.sandboxes.base import SandboxFactory, SandboxProvider
    from pytest_isobench.workloads.base import WorkloadFactory

T = TypeVar("T")

SANDBOXES = {
    "local": "pytest_isobench.sandboxes.local:LocalProvider",
    "docker": "pytest_isobench.sandboxes.docker:DockerProvider",
    "modal": "pytest_isobench.sandboxes.modal:ModalProvider",
    "fake": "pytest_isobench.sandboxes.fake:FakeProvider",
}
AGENTS = {
    "human": "pytest_isobench.agents.known:HumanAgent",
    "nop": "pytest_isobench.agents.known:NopAgent",
    "patch": "pytest_isobench.agents.recorded:PatchAgent",
    "ref": "pytest_isobench.agents.known:RefAgent",
    "release": "pytest_isobench.agents.known:ReleaseAgent",
    "replay": "pytest_isobench.agents.recorded:replay",
    "fake": "pytest_isobench.agents.fake:FakeAgent",
}
WORKLOADS = {
    "python": "pytest_isobench.workloads.python:ResidentWorkload",
    "command": "pytest_isobench.workloads.command:CommandRounds",
    "reported": "pytest_isobench.workloads.reported:make_reported",
    "serve": "pytest_isobench.workloads.serve:make_serve",
    **dict.fromkeys(
        ("vllm_serve", "vllm_latency", "vllm_throughput", "sglang_serve", "sglang_one_batch", "sglang_offline", "prefix_caching"),
        "pytest_isobench.workloads.engine:make_engine",
    ),
}


class Registry:
    """Named sandboxes, agents and workloads. A name is given once; look-ups of an unknown one raise `UsageError`."""

    def __init__(self) -> None:
        self.sandboxes: dict[str, SandboxFactory] = {}
        self.agents: dict[str, AgentFactory] = {}
        self.workloads: dict[str, WorkloadFactory] = {}

    def add_sandbox(self, name: str, make: SandboxFactory) -> None:
        """Let `--isobench-sandbox` name a sandbox; `make` is called when it is used, with what the options ask of containers."""
        _add("sandbox", self.sandboxes, name, make)

    def add_agent(self, name: str, make: AgentFactory) -> None:
        """Let `--isobench-agent` name an agent; `make` gets the text after the colon, and the session's folders."""
        _add("agent", self.agents, name, make)

    def add_workload(self, kind: str, make: WorkloadFactory) -> None:
        """Let tasks name a kind of workload."""
        _add("workload", self.workloads, kind, make)

    def sandbox(self, name: str, settings: ContainerSettings) -> SandboxProvider:
        """Make the provider that a name stands for."""
        self.check_sandbox(name)
        return self.sandboxes[name](settings)

    def check_sandbox(self, name: str) -> None:
        """Raise `UsageError` for a name that nobody registered."""
        if name not in self.sandboxes:
            known = ", ".join(self.sandboxes)
            raise UsageError(f"--isobench-sandbox={name}: there is no such sandbox{nearest(name, self.sandboxes)}; there are {known}")

    def agent(self, spec: str, context: AgentContext) -> Agent:
        """Make the agent that `NAME` or `NAME:ARGUMENT` stands for.

        A name that nobody registered is that of a file which describes the agent, or else of a folder of recorded patches.
        """
        name, colon, argument = spec.partition(":")
        if name in self.agents:
            return self.agents[name](argument, context)
        if colon:
            known = ", ".join(self.agents)
            raise UsageError(f"--isobench-agent={spec}: there is no agent {name!r}{nearest(name, self.agents)}; there are {known}")
        from pytest_isobench.agents import specs
        from pytest_isobench.agents.live import live
        from pytest_isobench.agents.recorded import recorded

        if file := specs.find(name, context.agents):
            return live(name, file, context)
        return recorded(name, context, (*self.agents, *specs.names(context.agents)))


def default_registry() -> Registry:
    """Return a register that holds the built-ins."""
    registry = Registry()
    for name, path in SANDBOXES.items():
        registry.add_sandbox(name, _lazy(path))
    for name, path in AGENTS.items():
        registry.add_agent(name, _lazy(path))
    for name, path in WORKLOADS.items():
        registry.add_workload(name, _lazy(path))
    return registry


def _lazy(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")

    def make(*arguments: Any) -> Any:
        return getattr(import_module(module), name)(*arguments)

    return make


def _add(what: str, table: dict[str, T], name: str, make: T) -> None:
    if name in table:
        raise UsageError(f"{what} {name!r} is registered already; choose another name")
    if not name.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"{what} {name!r}: a name is made of letters, digits, '-' and '_'")
    table[name] = make

