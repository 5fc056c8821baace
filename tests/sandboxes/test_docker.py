"""The sandbox docker: the contract on a real engine, and what only containers have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import docker
import psutil
import pytest
from containers.engine import Engine

from pytest_isobench.errors import NotEvaluableError, SandboxError, UsageError
from pytest_isobench.gpus import Gpu
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes.artifacts import read_artifact
from pytest_isobench.sandboxes.base import Needs
from pytest_isobench.sandboxes.docker import LABEL, DockerProvider, container_options, cores_of
from pytest_isobench.testing import SandboxContract
from pytest_isobench.testing.base import NEEDS, SMALL, ContractBase

pytestmark = pytest.mark.engine

CONTROLLER = """
import sys, time
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.sandboxes.docker import DockerProvider
from pytest_isobench.testing.base import NEEDS
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.models.task import Environment
from pathlib import Path
environment = BuiltEnvironment(path=Path(sys.argv[3]), digest="")
with DockerProvider(ContainerSettings(image=sys.argv[1])).open(NEEDS) as sandbox:
    sandbox.add("agent", Version(label="base", tree=Path(sys.argv[2]), environment=environment, digest=""), Environment())
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module", autouse=True)
def _engine(engine: Engine) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def client(engine: Engine) -> Iterator[docker.DockerClient]:
    with closing(engine.client()) as client:
        yield client


def ours(client: docker.DockerClient, label: str) -> list[str]:
    return [container.id for container in client.containers.list(all=True, filters={"label": f"{LABEL}={label}"})]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class DockerCase(ContractBase):
    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls, engine: Engine) -> DockerProvider:
        return DockerProvider(ContainerSettings(image=engine.image))

    def open(self, engine: Engine, label: str, *, resources: Resources = SMALL, environment: Environment | None = None, **settings: object):
        needs = Needs(resources=resources, label=label, environment=environment or Environment())
        return DockerProvider(ContainerSettings(image=engine.image, **settings)).open(needs)


class TestDocker(DockerCase, SandboxContract):
    """The whole contract."""


class TestContainers(DockerCase):
    """What an engine is asked for."""

    def test_nothing_privileged_is_in_a_container(self, sandbox, client):
        [container, *_] = [client.containers.get(name) for name in ours(client, "contract")]
        asked = container.attrs["HostConfig"]
        assert (asked["Privileged"], asked["CapDrop"], asked["ReadonlyRootfs"]) == (False, ["ALL"], True)
        assert sorted(asked["CapAdd"]) == ["KILL", "SETGID", "SETUID"]
        assert asked["SecurityOpt"] == ["no-new-privileges"]
        assert asked["NetworkMode"] == "none"
        assert not any("docker.sock" in str(mount) for mount in container.attrs["Mounts"])
        assert self.tell(sandbox, "tell(os.path.exists('/var/run/docker.sock'))") is False

    def test_every_arm_has_a_container_and_closing_removes_it(self, engine, client, version):
        with self.open(engine, "removal") as sandbox:
            for arm in ("baseline", "human"):
                sandbox.add(arm, version, Environment())
            volumes = {mount["Name"] for name in ours(client, "removal") for mount in client.containers.get(name).attrs["Mounts"]}
            assert (len(ours(client, "removal")), len(volumes)) == (2, 2)
        assert ours(client, "removal") == []
        assert volumes.isdisjoint(volume.name for volume in client.volumes.list())

    def test_options_reach_the_engine(self, engine, client, version, tmp_path):
        (tmp_path / "weights").write_text("0.5")
        settings = {"cpus": 0.5, "cpuset": "0", "memory_mb": 300, "pids": 77, "shm_mb": 20, "mounts": (f"{tmp_path}:/models",)}
        tmp_path.chmod(0o755)
        with self.open(engine, "options", **settings) as sandbox:
            sandbox.add("agent", version, Environment())
            [container] = [client.containers.get(name) for name in ours(client, "options")]
            asked = container.attrs["HostConfig"]
            assert (asked["NanoCpus"], asked["CpusetCpus"], asked["ShmSize"]) == (500_000_000, "0", 20 * 2**20)
            assert asked["Memory"] == (300 + 64) * 2**20
            assert self.tell(sandbox, "tell(open('/models/weights').read())") == "0.5"
            assert b"Read-only" in self.run(sandbox, "open('/models/new', 'w')").stderr

    @pytest.mark.parametrize(
        ("policy", "building", "measured"), [("off", False, False), ("on_for_prepare", True, False), ("on", True, True)]
    )
    def test_network_is_there_when_the_policy_says(self, engine, version, policy, building, measured):
        environment = Environment(install=("ls /sys/class/net >data.txt",))
        with self.open(engine, "network", environment=environment, network=policy) as sandbox:
            sandbox.add("agent", version, environment)
            assert (b"eth0" in read_artifact(sandbox, "agent", "data.txt")) is building
            assert ("eth0" in self.tell(sandbox, "tell(os.listdir('/sys/class/net'))")) is measured
            assert sandbox.isolation.network is (policy != "on")

    def test_gpus_that_the_engine_cannot_give_are_nobodys_failure(self, engine, version):
        with self.open(engine, "gpus", gpus="all") as sandbox, pytest.raises(NotEvaluableError, match="GPU"):
            sandbox.add("agent", version, Environment())

    def test_gpus_are_asked_for_by_number(self, engine):
        gpus = [Gpu(index=number, name="H100", uuid=f"GPU-{number}", memory_mb=81559, driver="550") for number in (0, 3)]
        needs = Needs(resources=Resources(gpus=2))
        [request] = container_options(ContainerSettings(image=engine.image), needs, "image", gpus)["device_requests"]
        assert (request["DeviceIDs"], request["Capabilities"]) == (["GPU-0", "GPU-3"], [["gpu"]])

    def test_processes_of_a_container_are_known(self, engine, version):
        with self.open(engine, "owner") as sandbox:
            sandbox.add("agent", version, Environment())
            found: list[bool] = []
            process = sandbox.process("agent", ["sh", "-c", "echo started; sleep 1"], resources=SMALL)
            sandbox.supervisor.run(process, timeout=20, on_output=lambda *_: found.append(any(map(sandbox.owns, psutil.pids()))))
            assert found == [True]
            assert not sandbox.owns(os.getpid())

    def test_no_variable_of_this_process_is_in_a_container(self, engine, client, version, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_tell_nobody")
        with self.open(engine, "described") as sandbox:
            sandbox.add("agent", version, Environment(install=("env >data.txt",)))
            assert "hf_tell" not in str([client.containers.get(name).attrs for name in ours(client, "described")])
            assert b"hf_tell" not in read_artifact(sandbox, "agent", "data.txt")

    def test_variables_of_the_records_own_image_are_there(self, engine, client, version):
        archive = client.containers.create(engine.image, ["true"])
        image = archive.commit("isobench-test", "variables", changes=["ENV FROM_IMAGE=yes", "ENV PATH=/opt/tools:/usr/bin:/bin"])
        archive.remove()
        environment = Environment(image="isobench-test:variables")
        with DockerProvider(ContainerSettings(pull="never")).open(Needs(resources=SMALL, environment=environment)) as sandbox:
            sandbox.add("agent", version, environment)
            seen = self.tell(sandbox, "tell(dict(os.environ))")
        assert (seen["FROM_IMAGE"], seen["PATH"].split(":")[:2]) == ("yes", ["/box/envs/0/bin", "/opt/tools"])
        client.images.remove(image.id, force=True)

    def test_another_image_is_another_campaign(self, engine, client):
        client.images.get(engine.image).tag("isobench-test", "other-name")
        same, other = (DockerProvider(ContainerSettings(image=name)).identity(NEEDS) for name in (engine.image, "isobench-test:other-name"))
        assert same == other
        with pytest.raises(SandboxError):
            DockerProvider(ContainerSettings(image="none-such:1", pull="never")).identity(NEEDS)

    def test_a_task_runs_in_its_own_image(self, engine, client, version):
        archive = client.containers.create(engine.image, ["true"])
        built = archive.commit("isobench-test", "own", conf={"Labels": {"isobench.task": "own-image"}})
        archive.remove()
        with DockerProvider(ContainerSettings(pull="never")).open(Needs(resources=SMALL, label="own-image")) as sandbox:
            assert "isobench-test:own" in sandbox.isolation.place
            sandbox.add("agent", version, Environment())
        client.images.remove(built.id, force=True)


class TestFailures(DockerCase):
    """The machine's failures, with their causes."""

    def test_missing_image(self):
        with pytest.raises(SandboxError, match="none-such:1 is not here, and --isobench-pull=never"):
            DockerProvider(ContainerSettings(image="none-such:1", pull="never")).open(NEEDS)

    def test_image_that_cannot_be_pulled(self):
        with pytest.raises(SandboxError, match="could not pull the image none-such:1"):
            DockerProvider(ContainerSettings(image="none-such:1")).open(NEEDS)

    def test_no_image_at_all(self):
        with pytest.raises(UsageError, match="--isobench-image"):
            DockerProvider(ContainerSettings()).open(NEEDS)

    def test_no_engine(self, monkeypatch):
        monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        with pytest.raises(SandboxError, match=r"no container engine answers at DOCKER_HOST=unix:///nonexistent/.*: start docker"):
            DockerProvider(ContainerSettings(image="any")).open(NEEDS)

    def test_wrong_cpuset_is_said_in_the_engines_words(self, engine, version):
        with self.open(engine, "cpuset", cpuset="999") as sandbox, pytest.raises(SandboxError, match="Requested CPUs are not available"):
            sandbox.add("agent", version, Environment())

    def test_image_with_another_python(self, engine, version, tmp_path):
        (tmp_path / "pyvenv.cfg").write_text("version = 3.99.1\n")
        (tmp_path / "bin").mkdir()
        other = replace(version, environment=replace(version.environment, path=tmp_path))
        with self.open(engine, "python") as sandbox, pytest.raises(NotEvaluableError, match=r"Python 3\.99, and the image Python 3\.\d+"):
            sandbox.add("agent", other, Environment())

    @pytest.mark.parametrize("how", ["kill", "remove"])
    def test_lost_container_says_how_it_ended(self, engine, client, version, how):
        with self.open(engine, "lost") as sandbox:
            sandbox.add("agent", version, Environment())
            [container] = [client.containers.get(name) for name in ours(client, "lost")]
            container.kill() if how == "kill" else container.remove(force=True)
            with pytest.raises(SandboxError, match=r"the container is lost: .*(137|No such container)"):
                self.run(sandbox, "pass")

    def test_full_disk_is_the_commands_failure_and_the_sandbox_goes_on(self, engine, version):
        with self.open(engine, "full") as sandbox:
            sandbox.add("agent", version, Environment())
            result = self.run(sandbox, "import os\nfor i in range(99): open(os.environ['TMPDIR'] + f'/{i}', 'wb').write(bytes(10**6))")
            assert b"No space left on device" in result.stderr
            assert self.tell(sandbox, "tell('alive')") == "alive"

    def test_using_up_the_memory_is_no_loss(self, engine, version):
        resources = Resources(memory_mb=200, pids=64, disk_mb=16)
        with self.open(engine, "memory", resources=resources) as sandbox:
            sandbox.add("agent", version, Environment())
            hog = "import os; children = [os.fork() for _ in range(3)]; data = bytearray(150_000_000); import time; time.sleep(3)"
            self.run(sandbox, hog, resources=resources)
            assert self.tell(sandbox, "tell('alive')", resources=resources) == "alive"


class TestLeftovers(DockerCase):
    """A killed controller."""

    def end(self, number: int, engine, client, version) -> str:
        """End a controller with a signal; the container that it had."""
        before = set(ours(client, "contract"))
        argv = [sys.executable, "-c", CONTROLLER, engine.image, str(version.tree), str(version.environment.path)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as controller:
            assert controller.stdout
            assert controller.stdout.readline() == "ready\n"
            [left] = set(ours(client, "contract")) - before
            os.kill(controller.pid, number)
        return left

    def test_nothing_is_left_after_an_interrupt(self, engine, client, version):
        assert self.end(signal.SIGINT, engine, client, version) not in ours(client, "contract")

    def test_containers_of_a_killed_controller_are_removed_at_the_next_start(self, provider, engine, client, version):
        left = self.end(signal.SIGKILL, engine, client, version)
        wait_until(lambda: client.containers.get(left).status == "exited")
        assert any(left[:12] in text for text in provider.clean())
        assert left not in ours(client, "contract")

    def test_doctor_cleans_and_leaves_the_living_alone(self, engine, version):
        with self.open(engine, "living") as sandbox:
            sandbox.add("agent", version, Environment())
            command = [Path(sys.executable).with_name("isobench"), "doctor", "--clean"]
            told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            assert "leftovers of docker: none" in told
            assert self.tell(sandbox, "tell('alive')") == "alive"


@pytest.mark.parametrize(("text", "cores"), [("0", {0}), ("0-3,8", {0, 1, 2, 3, 8}), ("5,7-8", {5, 7, 8})])
def test_cpuset(text, cores):
    assert cores_of(text) == cores


@pytest.mark.parametrize(("host", "here"), [("", True), ("unix:///x", True), ("tcp://far:2376", False), ("ssh://me@far", False)])
def test_cores_are_leased_for_an_engine_on_this_machine(monkeypatch, host, here):
    monkeypatch.setenv("DOCKER_HOST", host)
    assert DockerProvider(ContainerSettings(image="any")).exclusive is here
