"""The local sandbox: the contract with and without bubblewrap, and what it leaves behind: nothing."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.errors import NotEvaluableError, SandboxError
from pytest_isobench.gpus import Driver, Gpu
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes import cgroups, seccomp, users
from pytest_isobench.sandboxes.bubblewrap import Program
from pytest_isobench.sandboxes.local import LocalProvider, LocalSandbox
from pytest_isobench.sandboxes.probe import Abilities, isolation, probe
from pytest_isobench.sandboxes.session import OWNER, Owner
from pytest_isobench.testing import SandboxContract
from pytest_isobench.testing.base import NEEDS, PATCH, SMALL, ContractBase, free_core
from pytest_isobench.testing.isolating import CONNECT
from pytest_isobench.testing.limiting import FORKS

CONTROLLER = """
import sys
from pathlib import Path
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes.local import LocalProvider

tree, environment, confined, marker = sys.argv[1:]
sandbox = LocalProvider(bubblewrap=confined == "True").open()
version = Version(label="base", tree=Path(tree), environment=BuiltEnvironment(path=Path(environment), digest=""), digest="")
sandbox.add("agent", version, Environment())
start = "import os, time; [os.setsid() for _ in range(2) if os.fork() == 0]; print(os.getpid(), flush=True); time.sleep(600)"
process = sandbox.process("agent", ["{python}", "-c", start, marker], resources=Resources())
sandbox.supervisor.run(process, timeout=600, on_output=lambda stream, data: print(sandbox._session.path, flush=True))
"""


class LocalContract(SandboxContract):
    """What only the local sandbox promises."""

    def test_network_is_there_when_asked_for(self, sandbox: LocalSandbox) -> None:
        name = f"isobench-local-{os.getpid()}"
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
            local.bind("\0" + name)
            local.listen()
            assert self.tell(sandbox, CONNECT, str(server.getsockname()[1]), name, network=True) == [True, True]

    def test_nothing_is_left_after_closing(self, provider: LocalProvider, version: Version) -> None:
        with provider.open(NEEDS) as sandbox:
            sandbox.add("agent", version, Environment())
            mess = "import os; open(os.environ['TMPDIR'] + '/a', 'w'); os.makedirs('/'.join('d' * 50)); os.mkdir('x', 0)"
            assert self.run(sandbox, mess, writable=True).returncode == 0
            sandbox.supervisor.start("agent", sandbox.process("agent", ["{python}", "-I", "{worker}"], resources=SMALL))
            owner = owner_of(sandbox._session.path)
            assert all(Path(group).is_dir() for group in owner.cgroups)
            assert str(sandbox._session.path) not in Path("/proc/self/mountinfo").read_text()
        assert not sandbox._session.path.exists()
        assert [group for group in owner.cgroups if Path(group).exists()] == []
        assert [user for user in owner.users if (claim := users.Claim.take(user)) is None or claim.release()] == []
        assert processes_of(owner.users) == []

    @pytest.mark.parametrize("together", [False, True], ids=["alone", "with its supervisor"])
    def test_nothing_is_left_of_a_killed_controller(self, provider: LocalProvider, version: Version, together: bool) -> None:
        marker = f"marker-{uuid.uuid4()}"
        confined = provider.isolation().filesystem
        argv = [sys.executable, "-c", CONTROLLER, str(version.tree), str(version.environment.path), str(confined), marker]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as controller:
            assert controller.stdout
            folder = Path(controller.stdout.readline().strip())
            owner = owner_of(folder)
            assert len(with_marker(marker)) > 1
            for pid in (*(children(controller.pid) if together else ()), controller.pid):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: with_marker(marker) == [])
        provider.open(NEEDS).close()
        assert not folder.exists()
        assert [group for group in owner.cgroups if Path(group).exists()] == []
        assert processes_of(owner.users) == []

    def test_gpus_that_are_not_leased_are_refused(self, sandbox: LocalSandbox) -> None:
        with pytest.raises(NotEvaluableError, match=r"needs 1 GPU\(s\), and none are leased"):
            sandbox.process("agent", ["true"], resources=Resources(gpus=1))

    def test_control_groups_of_version_2_freeze_and_account(self, provider: LocalProvider, version: Version) -> None:
        groups = version2_groups()
        if not groups:
            pytest.skip("no writable control groups of version 2")
        with LocalSandbox(replace(probe(), groups=groups), provider._program(probe())) as sandbox:
            sandbox.add("agent", version, Environment())
            process = sandbox.process("agent", ["{python}", "-I", "{worker}"], resources=SMALL)
            assert [Path(group, "cgroup.freeze").exists() for group in process.cgroups] == [True]
            sandbox.supervisor.start("agent", process)
            replies = [sandbox.supervisor.ask("agent", "echo", b"", timeout=60) for _ in range(2)]
            assert [reply.status for reply in replies] == ["ok", "ok"]
        assert not Path(process.cgroups[0]).exists()


class TestBubblewrap(LocalContract):
    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls) -> LocalProvider:
        if isinstance(reason := probe().bubblewrap, str):
            pytest.skip(reason)
        return LocalProvider(bubblewrap=True)

    @pytest.mark.parametrize(
        "call",
        [
            "libc.unshare(0x10000000)",  # CLONE_NEWUSER
            "libc.ptrace(0, 0, 0, 0)",
            "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
            "libc.syscall(321 if os.uname().machine == 'x86_64' else 280, 0, 0, 0)",  # bpf
            "libc.socket(16, 3, 0)",  # AF_NETLINK
            "libc.socket(40, 1, 0)",  # AF_VSOCK
            "libc.socket(17, 3, 0)",  # AF_PACKET
        ],
    )
    def test_system_call_is_denied(self, sandbox: LocalSandbox, call: str) -> None:
        assert self.tell(sandbox, f"import ctypes; libc = ctypes.CDLL(None); tell({call})") == -1

    def test_works_without_overlays(self, version: Version) -> None:
        with LocalSandbox(replace(probe(), overlays=False), self.program()) as sandbox:
            for arm in ("baseline", "agent"):
                sandbox.add(arm, version, Environment(), patch=PATCH if arm == "agent" else None)
            assert [self.tell(sandbox, "import pkg; tell(pkg.VALUE)", arm=arm) for arm in ("baseline", "agent")] == ["pristine", "patched"]
            assert self.run(sandbox, "open('data.txt', 'w')").returncode == 1

    def test_works_without_control_groups_and_filter(self, version: Version) -> None:
        bare = replace(probe(), groups=(), no_filter="no filter here")
        with LocalSandbox(bare, self.program()) as sandbox:
            sandbox.add("agent", version, Environment())
            assert (sandbox.isolation.limits, "no filter here" in sandbox.isolation.notes) == (False, True)
            assert self.tell(sandbox, FORKS, resources=Resources(pids=40)) <= 60
            assert self.run(sandbox, "import os; os.sched_setaffinity(0, [0])").returncode == 0

    @pytest.mark.skipif(seccomp.obstacle() is not None, reason="no libseccomp")
    def test_cores_hold_even_without_control_groups(self, version: Version) -> None:
        with LocalSandbox(replace(probe(), groups=()), self.program()) as sandbox:
            sandbox.add("agent", version, Environment())
            assert b"PermissionError" in self.run(sandbox, "import os; os.sched_setaffinity(0, range(64))", cores=[free_core()]).stderr

    def test_hidden_interpreter_without_mounts_says_what_to_do(self, version: Version) -> None:
        if not probe().drops or users.reachable(version.environment.path):
            pytest.skip("needs root, and a folder that only root may enter")
        bare = replace(probe(), mounts=False, overlays=False)
        with LocalSandbox(bare, self.program()) as sandbox, pytest.raises(SandboxError, match="cannot reach"):
            sandbox.add("agent", version, Environment())

    def test_works_with_threads_and_subprocesses(self, sandbox: LocalSandbox) -> None:
        code = "import multiprocessing as m, subprocess as s; tell([m.Pool(2).map(abs, [-1, 2]), s.check_output(['echo', 'x'], text=True)])"
        assert self.tell(sandbox, code) == [[1, 2], "x\n"]

    def test_scripts_of_the_environment_start_by_its_own_name(self, sandbox: LocalSandbox, arm: str, version: Version) -> None:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            path = Path(folder) / "env"
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
            (path / "bin" / "hello").write_text(f"#!{path}/bin/python\nprint('hello')\n")
            (path / "bin" / "hello").chmod(0o755)
            sandbox.add(arm, replace(version, environment=BuiltEnvironment(path=path, digest="")), Environment())
            result = sandbox.supervisor.run(sandbox.process(arm, ["hello"], resources=SMALL), timeout=60)
        assert (result.stdout, result.returncode) == (b"hello\n", 0)

    def test_exactly_the_leased_gpus_are_seen(self, provider: LocalProvider, version: Version) -> None:
        with gpu_machine(version, LocalProvider(bubblewrap=True, driver=made_up_driver())) as sandbox:
            without = set(self.tell(sandbox, "tell(os.listdir('/dev'))"))
            inside = set(self.tell(sandbox, "tell(os.listdir('/dev'))", resources=GPU_USER))
            assert inside - without == {"nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-caps"}
            assert self.tell(sandbox, "tell(os.listdir('/dev/nvidia-caps'))", resources=GPU_USER) == ["nvidia-cap1"]
            assert self.tell(sandbox, SHOWN, resources=GPU_USER) == {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
            assert self.tell(sandbox, SHOWN) == self.tell(sandbox, SHOWN, writable=True) == {}
            assert b"Read-only" in self.run(sandbox, "open('/dev/other', 'w')", resources=GPU_USER).stderr

    def test_a_device_is_open_to_candidates_on_the_read_only_system(self, provider: LocalProvider, version: Version) -> None:
        driver = made_up_driver()
        (driver.devices / "nvidia1").unlink()
        try:
            os.mknod(driver.devices / "nvidia1", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # what /dev/zero is
            (driver.devices / "nvidia1").chmod(0o666)
            (driver.devices / "nvidia1").open("r+b").close()
        except OSError as error:
            pytest.skip(f"no device file can be made here: {error}")
        with gpu_machine(version, LocalProvider(bubblewrap=True, driver=driver)) as sandbox:
            code = "file = open('/dev/nvidia1', 'r+b', buffering=0); tell([file.write(b'x'), list(file.read(2))])"
            assert self.tell(sandbox, code, resources=GPU_USER) == [1, [0, 0]]

    @pytest.mark.skipif(seccomp.obstacle() is not None, reason="no libseccomp")
    def test_users_of_gpus_can_list_interfaces_and_no_more(self, provider: LocalProvider, version: Version) -> None:
        with gpu_machine(version, LocalProvider(bubblewrap=True, driver=made_up_driver())) as sandbox:
            assert self.tell(sandbox, "import socket; tell(socket.if_nameindex())", resources=GPU_USER) == [[1, "lo"]]
            for arguments in ("16, 3, 9", "16, 3, 16", "17, 3, 0", "15, 3, 2", "40, 1, 0"):
                code = f"import ctypes; tell(ctypes.CDLL(None).socket({arguments}))"
                assert self.tell(sandbox, code, resources=GPU_USER) == -1

    def test_a_machine_without_the_devices_cannot_evaluate(self, provider: LocalProvider, version: Version) -> None:
        driver = made_up_driver()
        (driver.devices / "nvidia-uvm").unlink()
        with gpu_machine(version, LocalProvider(bubblewrap=True, driver=driver)) as sandbox:
            with pytest.raises(NotEvaluableError, match=r"nvidia-uvm is not there .*nvidia-modprobe"):
                sandbox.process("agent", ["true"], resources=GPU_USER)
            assert sandbox.process("agent", ["true"], resources=SMALL)

    def program(self) -> Program:
        found = probe().bubblewrap
        return found if isinstance(found, Program) else pytest.skip(found)


class TestPlain(LocalContract):
    # Where there is bubblewrap, no session goes without it unless it is told to.
    pytestmark = [pytest.mark.soak] if isinstance(probe().bubblewrap, Program) else []

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls) -> LocalProvider:
        return LocalProvider(bubblewrap=False)

    def test_gpus_are_named_by_their_number(self, version: Version) -> None:
        with gpu_machine(version, LocalProvider(bubblewrap=False)) as sandbox:
            assert self.tell(sandbox, SHOWN, resources=GPU_USER) == {"CUDA_VISIBLE_DEVICES": "2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
            assert self.tell(sandbox, SHOWN) == {}


class TestArms(ContractBase):
    """What root keeps apart even without bubblewrap."""

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls) -> Iterator[LocalProvider]:
        if not probe().drops:
            pytest.skip("needs root")
        return LocalProvider(bubblewrap=False)

    def test_arms_do_not_enter_each_other(self, sandbox: LocalSandbox) -> None:
        baseline = sandbox._places["baseline"].tree
        stages = [stage.path for stage in sandbox._stages.values()]
        for path in (baseline, *stages):
            assert b"PermissionError" in self.run(sandbox, "import os, sys; os.listdir(sys.argv[1])", str(path)).stderr

    def test_home_is_hidden(self, sandbox: LocalSandbox) -> None:
        if not probe().mounts:
            pytest.skip("needs mounts")
        assert b"PermissionError" in self.run(sandbox, "import os, sys; os.listdir('/root')").stderr

    def test_users_differ(self, sandbox: LocalSandbox) -> None:
        kinds = [(arm, writable) for arm in ("baseline", "agent") for writable in (False, True)]
        assert len({self.tell(sandbox, "tell(os.getuid())", arm=arm, writable=writable) for arm, writable in kinds}) == 4


class TestProvider:
    def without(self, reason: str) -> Abilities:
        return replace(probe(), bubblewrap=reason)

    def test_missing_bubblewrap_is_said_loudly(self) -> None:
        told = isolation(self.without("bubblewrap is not installed (apt install bubblewrap)"), confined=False)
        assert (told.filesystem, told.network, told.processes) == (False, False, False)
        assert told.notes[0].startswith("NOT ISOLATED: bubblewrap is not installed (apt install bubblewrap); the patch under test can read")

    def test_missing_bubblewrap_is_an_error_when_wanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("pytest_isobench.sandboxes.local.probe", lambda: self.without("bubblewrap is not installed"))
        with pytest.raises(SandboxError, match="not installed"):
            LocalProvider(bubblewrap=True).open()
        assert LocalProvider().isolation().filesystem is False

    def test_missing_filter_is_noted(self) -> None:
        assert "no filter" in isolation(replace(probe(), no_filter="no filter"), confined=True).notes

    def test_missing_git_is_the_machines_failure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(SandboxError, match="apt install git"):
            LocalSandbox(probe(), None)


    @pytest.mark.parametrize("confined", [True, False])
    def test_what_is_open_to_users_of_gpus_is_noted(self, confined: bool) -> None:
        notes = isolation(probe(), confined=confined, gpus=True).notes
        assert "GPUs: the driver is open to candidates" in " ".join(notes)
        assert ("only CUDA_VISIBLE_DEVICES keeps" in " ".join(notes)) != confined
        assert "GPUs" not in " ".join(isolation(probe(), confined=confined).notes)


GPU_USER = SMALL.model_copy(update={"gpus": 1})
SHOWN = "tell({name: value for name, value in os.environ.items() if name.startswith('CUDA')})"


def made_up_driver() -> Driver:
    """Two GPUs, of which the second is /dev/nvidia1; plain files stand for the devices. Everybody may enter the folder."""
    folder = Path(tempfile.mkdtemp(prefix="driver-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "nvidia-caps").mkdir()
    for name in ("null", "sda", "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-caps/nvidia-cap1"):
        (folder / name).touch()
        (folder / name).chmod(0o666)
    folder.chmod(0o755)
    return Driver(devices=folder, facts=folder / "nothing")


@contextmanager
def gpu_machine(version: Version, provider: LocalProvider) -> Iterator[LocalSandbox]:
    """A sandbox to which the GPU with the number 2 is leased."""
    with provider.open(replace(NEEDS, resources=GPU_USER)) as sandbox:
        sandbox.gpus = (Gpu(index=2, uuid="GPU-2", name="H100", memory_mb=80_000, driver="1", minor=1),)
        sandbox.add("agent", version, Environment())
        yield sandbox


def owner_of(folder: Path) -> Owner:
    return Owner.model_validate_json((folder / OWNER).read_text())


def version2_groups() -> tuple[cgroups.Hierarchy, ...]:
    lines = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup2 " in line]
    return cgroups.find(mountinfo="\n".join(lines))


def processes_of(ids: tuple[int, ...]) -> list[str]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text(errors="replace").splitlines()
        except OSError:
            continue
        zombie = any(line.startswith("State:\tZ") for line in lines)
        found += [lines[0] for line in lines if not zombie and line.startswith("Uid:") and int(line.split()[1]) in ids]
    return found


def with_marker(marker: str) -> list[int]:
    """The candidates' processes; the controller itself carries the marker too."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if marker.encode() in arguments and CONTROLLER.encode() not in arguments:
            found.append(int(path.parent.name))
    return found


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
