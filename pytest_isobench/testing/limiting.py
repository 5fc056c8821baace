"""The sandbox contract: time, memory, processes and disk have an end, and nothing outlives its command."""

from __future__ import annotations

import pytest

from pytest_isobench.dataset.versions import Version
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes.base import Needs, Sandbox, SandboxProvider
from pytest_isobench.testing.base import ContractBase, require

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in 0, 1, 2:
            os.close(descriptor)
        while True:
            with open('heartbeat', 'a') as file:
                file.write('.')
            time.sleep(0.01)
    os._exit(0)
os.wait()
while not os.path.exists('heartbeat'):
    time.sleep(0.01)
"""
"""Leaves a daemon behind that has left its session and lost its parent."""
FORKS = """
import time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(600)
        count += 1
except OSError:
    pass
tell(count)
"""
TOGETHER = """
import subprocess
code = "import sys; data = bytearray(120_000_000); print('full', flush=True); sys.stdin.read()"
children = [subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
for child in children:
    child.stdout.readline()
for child in children:
    child.stdin.close()
tell([child.wait() for child in children])
"""


class LimitingContract(ContractBase):
    """What stops a candidate that does not stop by itself."""

    def assert_silent(self, sandbox: Sandbox, arm: str) -> None:
        code = "import time; size = lambda: os.path.getsize('heartbeat'); tell([size(), time.sleep(0.2), size()])"
        sizes = self.tell(sandbox, code, arm=arm)
        assert sizes[0] == sizes[2] > 0

    def test_time_limit_kills_everything(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        sandbox.add(arm, version, Environment())
        result = self.run(sandbox, DAEMON + "time.sleep(600)", arm=arm, timeout=1.5, writable=True)
        assert result.timed_out
        assert result.returncode != 0
        self.assert_silent(sandbox, arm)

    def test_daemon_does_not_outlive_its_command(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        sandbox.add(arm, version, Environment())
        assert self.run(sandbox, DAEMON, arm=arm, writable=True).returncode == 0
        self.assert_silent(sandbox, arm)

    def test_memory_of_a_process_has_an_end(self, sandbox: Sandbox) -> None:
        small = Resources(memory_mb=256, pids=64, disk_mb=16)
        assert self.run(sandbox, "data = bytearray(2_000_000_000)", resources=small).returncode != 0
        assert self.run(sandbox, "data = bytearray(100_000_000)", resources=small).returncode == 0

    def test_memory_of_all_processes_together_has_an_end(self, provider: SandboxProvider, version: Version) -> None:
        resources = Resources(memory_mb=300, pids=64, disk_mb=16)
        with provider.open(Needs(resources=resources, arms=1)) as sandbox:
            require(sandbox, "limits")
            sandbox.add("agent", version, Environment())
            assert -9 in self.tell(sandbox, TOGETHER, resources=resources)

    def test_number_of_processes_has_an_end(self, sandbox: Sandbox) -> None:
        count = self.tell(sandbox, FORKS, resources=Resources(memory_mb=1024, pids=40, disk_mb=16))
        assert 10 <= count <= 60

    def test_fork_bomb_ends_with_its_command(self, sandbox: Sandbox) -> None:
        bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
        assert self.run(sandbox, bomb, timeout=0.5).timed_out
        assert self.tell(sandbox, "tell('alive')") == "alive"

    def test_file_has_an_end(self, sandbox: Sandbox) -> None:
        assert self.run(sandbox, "import os; open(os.environ['TMPDIR'] + '/big', 'wb').write(bytes(64_000_000))").returncode != 0

    @pytest.mark.parametrize("place", ["$TMPDIR", "/tmp", "/dev/shm", "/dev"])  # noqa: S108 - inside the sandbox
    def test_disk_has_an_end(self, sandbox: Sandbox, place: str) -> None:
        require(sandbox, "filesystem")
        require(sandbox, "limits")
        code = """
            import os, sys
            folder = os.path.expandvars(sys.argv[1])
            for number in range(64):
                open(f'{folder}/{number}', 'wb').write(bytes(1_000_000))
        """
        result = self.run(sandbox, code, place)
        assert result.returncode == 1
        assert b"OSError" in result.stderr or b"PermissionError" in result.stderr

    def test_no_core_is_dumped(self, sandbox: Sandbox) -> None:
        assert self.tell(sandbox, "import resource; tell(resource.getrlimit(resource.RLIMIT_CORE))") == [0, 0]
