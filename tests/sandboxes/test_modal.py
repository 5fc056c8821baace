"""The sandbox modal: the contract with the released client against a local server of the protocol, on both of its paths, and its faults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

modal = pytest.importorskip("modal")

from grpclib import Status  # noqa: E402
from modal_server.faults import CREATE  # noqa: E402
from modal_server.machine import why_not  # noqa: E402
from modal_server.server import ModalServer  # noqa: E402

from pytest_isobench.errors import NotEvaluableError, SandboxError, UsageError  # noqa: E402
from pytest_isobench.models.container import ContainerSettings  # noqa: E402
from pytest_isobench.models.task import Environment, Resources  # noqa: E402
from pytest_isobench.reports.reading import read_report  # noqa: E402
from pytest_isobench.sandboxes.base import Needs  # noqa: E402
from pytest_isobench.sandboxes.modal import ModalProvider, gpu_spec, reap  # noqa: E402
from pytest_isobench.testing import SandboxContract  # noqa: E402
from pytest_isobench.testing.base import NEEDS, SMALL, ContractBase  # noqa: E402

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]

ON_GPU = Needs(resources=SMALL, gpu="H100", label="contract")
CONTROLLER = """
import sys, time
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.sandboxes.modal import ModalProvider
from pytest_isobench.testing.base import NEEDS
sandbox = ModalProvider(ContainerSettings()).open(NEEDS)
print("ready", flush=True)
time.sleep(600)
"""


class GpuProvider(ModalProvider):
    """Asks for a GPU whatever the needs are, as its sandboxes are made another way."""

    def open(self, needs: Needs = NEEDS):
        return super().open(replace(needs, gpu="H100"))


@pytest.fixture(scope="module")
def server() -> Iterator[ModalServer]:
    if reason := why_not():
        pytest.skip(reason)
    with ModalServer() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        modal.Client.from_env().close()
        reap.cache_clear()
        yield server
        modal.Client.from_env().close()
        reap.cache_clear()


@pytest.fixture
def faults(server: ModalServer):
    yield server.faults
    server.faults.refusals.clear()
    server.faults.break_stdio(0)
    server.faults.no_capacity = server.faults.forget_ended = False
    server.faults.missing_images.clear()


@pytest.mark.usefixtures("server")
class TestWithoutGpu(SandboxContract):
    """The second version of the protocol."""

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls, server: ModalServer) -> ModalProvider:  # noqa: ARG003 - has to run
        return ModalProvider(ContainerSettings(image="some/image:1"))


@pytest.mark.usefixtures("server")
class TestWithGpu(SandboxContract):
    """The first version, which sandboxes with a GPU take."""

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls, server: ModalServer) -> ModalProvider:  # noqa: ARG003 - has to run
        return GpuProvider(ContainerSettings(image="some/image:1"))


@pytest.mark.parametrize(
    ("gpu", "count", "spec"), [(None, 0, None), ("H100", 0, "H100"), ("H100", 1, "H100"), ("H100", 2, "H100:2"), ("H100:4", 2, "H100:4")]
)
def test_gpus_are_spelled_as_modal_does(gpu, count, spec):
    assert gpu_spec(Needs(resources=Resources(gpus=count), gpu=gpu)) == spec


def test_gpu_without_a_model_is_refused():
    with pytest.raises(UsageError, match="--isobench-gpu"):
        gpu_spec(Needs(resources=Resources(gpus=1)))


@pytest.mark.parametrize("setting", [{"cpuset": "0"}, {"pids": 3}, {"engine": "podman"}, {"gpus": "all"}, {"network": "on_for_prepare"}])
def test_what_modal_cannot_do_is_refused(setting):
    with pytest.raises(UsageError, match="the sandbox modal"):
        ModalProvider(ContainerSettings(**setting))


class TestAsked(ContractBase):
    """What Modal is asked for."""

    def test_sandbox_is_as_the_task_needs_it(self, server):
        settings = ContainerSettings(image="vllm/vllm-openai:v0.9", region="eu", mounts=("weights:/models",), life=1234)
        needs = Needs(resources=Resources(gpus=2, memory_mb=1000), gpu="H100", arms=3)
        modal.Volume.from_name("weights", create_if_missing=True).hydrate()
        with ModalProvider(settings).open(needs) as sandbox:
            asked = server.sandboxes[-1]
            assert (asked.version, asked.gpu, asked.timeout, asked.network_blocked) == (1, "H100:2", 1234, True)
            assert any("vllm/vllm-openai:v0.9" in line for line in asked.image.history)
            assert list(asked.volumes) == ["/models"]
            assert "NVIDIA H100" in sandbox.isolation.place
            assert sandbox.isolation.usd_per_hour == pytest.approx(2 * 3.95 + 0.142 + 0.024 * 3000 / 1024)
        assert asked.state == "terminated"

    def test_life_covers_the_campaign(self, server):
        ModalProvider(ContainerSettings()).open(Needs(resources=SMALL, seconds=7200)).close()
        assert server.sandboxes[-1].timeout == 7200

    def test_all_arms_are_in_one_sandbox(self, server, version):
        before = len(server.sandboxes)
        with ModalProvider(ContainerSettings()).open(NEEDS) as sandbox:
            for arm in ("baseline", "human", "agent"):
                sandbox.add(arm, version, Environment())
            assert len(server.sandboxes) == before + 1

    def test_arms_do_not_enter_each_other(self, server, version):
        with ModalProvider(ContainerSettings()).open(NEEDS) as sandbox:
            for arm in ("human", "agent"):
                sandbox.add(arm, version, Environment())
            human = self.tell(sandbox, "tell(os.getcwd())", arm="human")
            for path in (human, os.path.dirname(human), os.path.dirname(os.path.dirname(human))):
                assert b"PermissionError" in self.run(sandbox, "import os, sys; os.listdir(sys.argv[1])", path).stderr

    def test_no_variable_of_this_process_is_told(self, server, version, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_tell_nobody")
        with ModalProvider(ContainerSettings()).open(NEEDS) as sandbox:
            sandbox.add("agent", version, Environment())
            assert self.tell(sandbox, "tell('HF_TOKEN' in os.environ)") is False
        asked = server.sandboxes[-1]
        assert asked.secrets == {}
        assert "hf_tell" not in str([asked.image.history, *(entry.variables for entry in asked.execs.values())])


class TestFaults(ContractBase):
    """What the machine does wrong is never the patch's."""

    def open(self, needs: Needs = NEEDS, **settings: object):
        return ModalProvider(ContainerSettings(**settings)).open(needs)

    @pytest.mark.parametrize("needs", [NEEDS, ON_GPU], ids=["V2", "V1"])
    def test_a_moment_of_unavailability_is_waited_for(self, server, faults, needs):
        faults.refuse(CREATE, Status.UNAVAILABLE, times=5)
        self.open(needs).close()

    @pytest.mark.parametrize("needs", [NEEDS, ON_GPU], ids=["V2", "V1"])
    def test_unavailability_for_good(self, server, faults, needs, monkeypatch):
        monkeypatch.setattr("pytest_isobench.sandboxes.modal.PAUSE", 0.01)
        faults.refuse(CREATE, Status.UNAVAILABLE)
        with pytest.raises(SandboxError, match="could not make a sandbox on Modal: ServiceError"):
            self.open(needs)

    def test_sandbox_whose_making_was_never_confirmed_is_ended(self, server, faults, monkeypatch):
        monkeypatch.setattr("pytest_isobench.sandboxes.modal.ATTEMPTS", 1)
        faults.refuse(CREATE, Status.UNAVAILABLE, late=True)
        with pytest.raises(SandboxError):
            self.open()
        assert not server.sandboxes[-1].running

    def test_wrong_token_says_what_to_do(self, server, faults):
        faults.refuse(CREATE, Status.UNAUTHENTICATED)
        with pytest.raises(SandboxError, match=r"refuses the token.*modal token new"):
            self.open()

    def test_wrong_argument_is_not_tried_again(self, server, faults):
        faults.refuse(CREATE, Status.INVALID_ARGUMENT, message="no such GPU: H1000")
        before = server.calls.count("SandboxCreateV2")
        with pytest.raises(SandboxError, match="no such GPU: H1000"):
            self.open()
        assert server.calls.count("SandboxCreateV2") == before + 1

    def test_exhausted_resources_are_waited_for_only_so_long(self, server, faults):
        faults.refuse(CREATE, Status.RESOURCE_EXHAUSTED, times=1)
        self.open(wait=20).close()
        faults.refuse(CREATE, Status.RESOURCE_EXHAUSTED)
        with pytest.raises(SandboxError, match="ResourceExhaustedError"):
            self.open(wait=1.5)

    @pytest.mark.parametrize("needs", [NEEDS, ON_GPU], ids=["V2", "V1"])
    def test_no_capacity_has_our_own_limit_and_leaves_nothing(self, server, faults, needs):
        faults.no_capacity = True
        with pytest.raises(SandboxError, match="--isobench-wait"):
            self.open(needs, wait=1.5)
        assert server.sandboxes[-1].ended_for_good

    def test_image_that_is_nowhere(self, server, faults):
        faults.missing_images.add("none/such:1")
        with pytest.raises(SandboxError, match="the image could not be built"):
            self.open(image="none/such:1")

    def test_end_of_life_is_said(self, server, version):
        with self.open(life=4) as sandbox:
            sandbox.add("agent", version, Environment())
            with pytest.raises(SandboxError, match=r"its life of 4 s is over \(--isobench-life\)"):
                self.run(sandbox, "import time; time.sleep(60)")

    @pytest.mark.parametrize("needs", [NEEDS, ON_GPU], ids=["V2", "V1"])
    def test_sandbox_killed_from_outside(self, server, version, needs):
        with self.open(needs) as sandbox:
            sandbox.add("agent", version, Environment())
            server.sandboxes[-1].kill()
            with pytest.raises(SandboxError, match="the remote sandbox is lost: the sandbox ended with status 137"):
                self.run(sandbox, "pass")

    def test_killed_candidate_is_not_a_killed_sandbox(self, server, version):
        with self.open() as sandbox:
            sandbox.add("agent", version, Environment())
            assert self.run(sandbox, "import os; os.kill(os.getpid(), 9)").returncode in (-9, 137)
            assert self.tell(sandbox, "tell('alive')") == "alive"

    def test_broken_stream_is_taken_up_again(self, server, faults, version):
        with self.open() as sandbox:
            sandbox.add("agent", version, Environment())
            faults.break_stdio(2)
            assert self.run(sandbox, "print('x' * 500_000)").stdout == b"x" * 500_000 + b"\n"

    def test_full_slots_are_waited_for_only_so_long(self, server):
        with self.open(parallel=1), pytest.raises(SandboxError, match="--isobench-parallel"):
            self.open(parallel=1, wait=1)

    def test_gpu_that_is_not_there_is_nobodys_failure(self, server, monkeypatch):
        monkeypatch.setattr("pytest_isobench.sandboxes.containers.GPU_FACTS", ("no-such-program",))
        with pytest.raises(NotEvaluableError, match="the container has no GPU"):
            self.open(ON_GPU)
        assert server.sandboxes[-1].ended_for_good


class TestLeftovers:
    """A killed controller."""

    def test_sandbox_of_a_killed_controller_is_ended_at_the_next_start(self, server):
        with subprocess.Popen([sys.executable, "-c", CONTROLLER], stdout=subprocess.PIPE, text=True) as controller:
            assert controller.stdout
            assert controller.stdout.readline() == "ready\n"
            left = server.sandboxes[-1]
            os.kill(controller.pid, signal.SIGKILL)
        assert left.running
        with ModalProvider(ContainerSettings()).open(NEEDS):
            living = server.sandboxes[-1]
            assert ModalProvider(ContainerSettings()).clean() == [left.id]
            deadline = time.monotonic() + 10
            while left.running:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert living.running


def test_session_measures_there(server, tmp_path):
    """A whole session as a user starts it: the human's version of an example is as fast as itself, and no change is slower."""
    report, before = tmp_path / "report.json", len(server.sandboxes)
    options = ["--isobench-sandbox=modal", "--isobench-agent=human,nop", f"--isobench-report={report}", "-k", "life"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tasks" / "example.yaml"), *options]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **server.environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    results = {result.agent: result for result in read_report(report).results}
    assert results["human"].verdict.hard_success, done.stdout
    assert not results["nop"].verdict.hard_success, done.stdout
    assert results["human"].isolation.place.startswith("Modal sb-")
    assert [sandbox.running for sandbox in server.sandboxes[before:]] == [False]
