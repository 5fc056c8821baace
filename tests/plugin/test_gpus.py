"""Tasks that need GPUs, on a machine whose GPUs are made up."""

from __future__ import annotations

import pytest

from pytest_isobench import gpus
from pytest_isobench.gpus import Gpu
from pytest_isobench.measuring import leases
from pytest_isobench.models.result import GpuState
from pytest_isobench.testing.gpus import ScriptedInventory

NAMES = ("NVIDIA H100", "Tesla T4", "NVIDIA H100")
THREE = [Gpu(index=i, uuid=f"GPU-{i}", name=name, memory_mb=80_000, driver="580") for i, name in enumerate(NAMES)]
IDLE, HOT = GpuState(sm_clock=345, reasons=("idle",), processes=()), GpuState(sm_clock=1200, reasons=("heat",), processes=())

CONFTEST = """
from pytest_isobench.sandboxes.fake import FakeProvider, FakeSandbox

class Exclusive(FakeProvider):
    exclusive = True

    def open(self, needs):
        return Noting(self.isolation())

class Noting(FakeSandbox):
    def add(self, arm, version, environment, *, patch=None):
        with open("gpus.txt", "a") as file:
            print(arm, *(gpu.uuid for gpu in self.gpus), file=file)
        super().add(arm, version, environment, patch=patch)

def pytest_isobench_register(registry):
    registry.add_sandbox("exclusive", Exclusive)
"""


@pytest.fixture
def machine(project, monkeypatch, tmp_path_factory):
    """Give the machine some GPUs, and leases of its own."""
    project.pytester.makeconftest(CONFTEST)
    (project.path / "pytest.ini").write_text("[pytest]\nisobench_sandbox = exclusive\nisobench_agent = human\n")
    monkeypatch.setattr(leases, "FOLDER", tmp_path_factory.mktemp("leases"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)

    def machine(*found: Gpu, **states: list[GpuState]):
        inventory = ScriptedInventory(found, {uuid.replace("_", "-"): script for uuid, script in states.items()})
        monkeypatch.setattr(gpus, "local_inventory", lambda: inventory)
        return project

    return machine


def kernel(project, count: int, model: str | None = None):
    project.tasks({"id": "kernel", "resources": {"gpus": count, "gpu": model}})


def test_the_leased_gpus_reach_the_sandbox_and_the_report(machine):
    project = machine(*THREE)
    kernel(project, 2, "H100")
    project.run().assert_outcomes(passed=1)
    assert set((project.path / "gpus.txt").read_text().splitlines()) >= {"baseline GPU-0 GPU-2", "agent-0 GPU-0 GPU-2"}
    [row] = project.report()["results"]
    devices = row["machine"]["devices"]
    assert [(device["index"], device["uuid"], device["driver"]) for device in devices] == [(0, "GPU-0", "580"), (2, "GPU-2", "580")]
    assert [device["before"]["reasons"] for device in devices] == [["idle"], ["idle"]]
    assert [finding for finding in row["findings"] if finding["kind"].startswith("gpu")] == []


def test_what_happens_to_a_gpu_meanwhile_is_an_alarm_and_the_verdict_stands(machine):
    project = machine(THREE[0], GPU_0=[IDLE, HOT])
    kernel(project, 1)
    result = project.run("-v")
    result.assert_outcomes(passed=1)
    [row] = project.report()["results"]
    assert [(finding["kind"], finding["severity"]) for finding in row["findings"]] == [("gpu_throttled", "alarm")]
    assert row["machine"]["devices"][0]["after"]["sm_clock"] == 1200
    result.stdout.fnmatch_lines(["*GPU 0 (NVIDIA H100): was slowed down for heat or power: heat in *"])


def test_another_model_is_another_campaign_and_another_device_of_it_is_not(machine):
    campaigns = []
    for gpu in (THREE[0], THREE[1], THREE[2]):
        project = machine(gpu)
        kernel(project, 1)
        project.run("--isobench-seed=1").assert_outcomes(passed=1)
        campaigns.append(project.report()["results"][0]["comparison"]["campaign"])
    assert campaigns[0] == campaigns[2] != campaigns[1]


def test_gpus_of_another_model_do_not_count(machine):
    project = machine(*THREE)
    kernel(project, 1)
    project.run("--isobench-gpu=T4").assert_outcomes(passed=1)
    assert "baseline GPU-1" in (project.path / "gpus.txt").read_text()
    result = project.run("--isobench-gpu=T400", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs 1 GPU(s) of model 'T400'; this machine has 0"])


def test_hidden_gpus_do_not_count(machine, monkeypatch):
    project = machine(*THREE)
    kernel(project, 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    result = project.run("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs 2 GPU(s); this machine has 1 (CUDA_VISIBLE_DEVICES=1)"])


def test_without_a_gpu_only_tasks_that_need_one_are_skipped(machine):
    project = machine()
    project.tasks({"id": "kernel", "resources": {"gpus": 1}}, {"id": "plain"})
    result = project.run("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs 1 GPU(s); this machine has 0"])


COUNT = """
import pytest

def pytest_xdist_setupnodes(specs):
    pytest.exit(f"WORKERS {len(specs)}")
"""


def workers(project, *arguments: str) -> int:
    """Return how many workers xdist is about to start."""
    pytest.importorskip("xdist")
    project.pytester.makeconftest(CONFTEST + COUNT)
    result = project.run("--isobench-sandbox=fake", *arguments)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    [line] = result.errlines
    return int(line.removeprefix("Exit: WORKERS "))


def test_auto_is_a_worker_for_each_gpu(machine):
    assert workers(machine(*THREE), "-n", "auto") == 3


@pytest.mark.parametrize(("arguments", "count"), [(("-n", "auto", "--isobench-gpu=T4"), 1), (("-n", "2"), 2)])
def test_auto_counts_gpus_of_the_model_and_a_number_is_a_number(machine, arguments, count):
    assert workers(machine(*THREE), *arguments) == count


def test_auto_leaves_hidden_gpus_out(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert workers(machine(*THREE), "-n", "auto") == 2


@pytest.mark.parametrize("found", [(), tuple(THREE)])
def test_auto_is_xdist_s_number_without_a_gpu_and_where_it_was_told_one(machine, monkeypatch, found):
    if found:
        monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "1")
    else:
        monkeypatch.setattr("psutil.cpu_count", lambda **_: 1)
    assert workers(machine(*found), "-n", "auto") == 1


def test_auto_is_xdist_s_number_without_agents(machine, monkeypatch):
    project = machine(*THREE)
    (project.path / "pytest.ini").write_text("[pytest]\n")
    project.pytester.makepyfile("def test_other(): pass")
    monkeypatch.setattr("psutil.cpu_count", lambda **_: 1)
    assert workers(project, "-n", "auto", "test_auto_is_xdist_s_number_without_agents.py") == 1


def test_without_its_gpus_nothing_of_a_task_is_fetched(machine):
    project = machine(THREE[1])
    source = {"kind": "git", "repository": "https://repository.invalid/x", "human": "a" * 40}
    project.tasks({"id": "kernel", "resources": {"gpus": 1, "gpu": "H100"}, "source": source})
    result = project.run("-rs", "--isobench-agent=nop")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*needs 1 GPU(s) of model 'H100'; this machine has 0*"])
