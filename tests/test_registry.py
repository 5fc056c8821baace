import pytest

from pytest_isobench.agents.base import AgentContext
from pytest_isobench.agents.known import NopAgent
from pytest_isobench.errors import UsageError
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.registry import AGENTS, SANDBOXES, WORKLOADS, Registry, _lazy, default_registry


@pytest.fixture
def context(tmp_path):
    return AgentContext(directory=tmp_path, patches=tmp_path / "patches")


def test_built_ins_are_found_by_name(context):
    registry = default_registry()
    assert registry.sandbox("fake", ContainerSettings()).name == "fake"
    assert registry.agent("fake:2", context).name == "fake-2"
    assert {"python", "command", "reported", "serve", "vllm_latency"} <= set(registry.workloads)


@pytest.mark.parametrize("path", [*SANDBOXES.values(), *AGENTS.values(), *WORKLOADS.values()])
def test_every_built_in_can_be_imported(path):
    module, _, name = path.partition(":")
    assert callable(getattr(__import__(module, fromlist=[name]), name))


def test_further_ones_are_added_the_same_way(context):
    registry = default_registry()
    registry.add_agent("mine", NopAgent)
    assert isinstance(registry.agent("mine", context), NopAgent)


@pytest.mark.parametrize("add", [Registry.add_agent, Registry.add_sandbox, Registry.add_workload])
def test_a_name_is_given_once(add):
    registry = Registry()
    add(registry, "mine", _lazy("json:loads"))
    with pytest.raises(UsageError, match="'mine' is registered already"):
        add(registry, "mine", _lazy("json:loads"))


@pytest.mark.parametrize("name", ["", "a:b", "a b", "../x"])
def test_names_are_plain(name):
    with pytest.raises(UsageError, match="a name is made of"):
        Registry().add_sandbox(name, _lazy("json:loads"))


def test_an_unknown_sandbox_lists_what_there_is():
    message = r"--isobench-sandbox=locl: there is no such sandbox \(did you mean 'local'\?\); there are local, docker, modal, fake"
    with pytest.raises(UsageError, match=message):
        default_registry().sandbox("locl", ContainerSettings())


def test_an_unknown_agent_with_an_argument_is_named(context):
    with pytest.raises(UsageError, match=r"--isobench-agent=pach:x\.diff: there is no agent 'pach' \(did you mean 'patch'\?\)"):
        default_registry().agent("pach:x.diff", context)
