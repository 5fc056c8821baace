"""The sandbox contract: what a candidate cannot see, reach or become."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pytest_isobench.dataset.versions import Version
from pytest_isobench.sandboxes.base import Sandbox
from pytest_isobench.testing.base import ContractBase, require

TRY_TO_WRITE = """
def can_write(folder):
    try:
        with open(os.path.join(folder, 'isobench-contract'), 'w'):
            pass
        os.remove(os.path.join(folder, 'isobench-contract'))
        return True
    except OSError:
        return False
tell([folder for folder in sys.argv[1:] if can_write(folder)])
"""
LEAVE_A_FILE = """
path = os.path.join(sys.argv[1], 'isobench-contract-left')
seen = os.path.exists(path)
if os.access(sys.argv[1], os.W_OK):
    open(path, 'w').close()
tell(seen)
"""
LEAVE_A_SEGMENT = """
import ctypes
libc = ctypes.CDLL(None)
seen = libc.shmget(0x15B, 4096, 0) != -1
libc.shmget(0x15B, 4096, 0o1666)
tell(seen)
"""
CONNECT = """
import socket
def reaches(family, address):
    try:
        with socket.socket(family) as there:
            there.settimeout(5)
            there.connect(address)
        return True
    except OSError:
        return False
tell([reaches(socket.AF_INET, ('127.0.0.1', int(sys.argv[1]))), reaches(socket.AF_UNIX, chr(0) + sys.argv[2])])
"""


class IsolatingContract(ContractBase):
    """What a candidate is kept from."""

    def test_is_not_privileged(self, sandbox: Sandbox) -> None:
        facts = dict(line.split(":\t", 1) for line in self.tell(sandbox, "tell(open('/proc/self/status').read())").splitlines())
        assert "0" not in facts["Uid"].split()
        assert {int(facts[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}

    def test_inherits_nothing_open(self, sandbox: Sandbox) -> None:
        assert self.tell(sandbox, "tell(sorted(int(name) for name in os.listdir('/proc/self/fd')))") == [0, 1, 2, 3]

    def test_system_is_read_only(self, sandbox: Sandbox) -> None:
        require(sandbox, "filesystem")
        places = ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc", "/proc/sys", "/sys", "/var", "/home", "/root", "/run", "/env"]
        assert self.tell(sandbox, TRY_TO_WRITE, *places, "{tree}", os.path.dirname("{python}") or "/") == []

    def test_temporary_folder_is_its_own_and_new_every_time(self, sandbox: Sandbox) -> None:
        code = "folder = os.environ['TMPDIR']; before = os.listdir(folder); open(folder + '/left', 'w').close(); tell(before)"
        assert [self.tell(sandbox, code) for _ in range(2)] == [[], []]

    @pytest.mark.parametrize("place", ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"])  # noqa: S108 - inside the sandbox
    def test_no_folder_connects_two_runs(self, sandbox: Sandbox, place: str) -> None:
        require(sandbox, "filesystem")
        assert [self.tell(sandbox, LEAVE_A_FILE, place, arm=arm) for arm in ("agent", "agent", "baseline")] == [False] * 3

    def test_no_shared_memory_connects_two_runs(self, sandbox: Sandbox) -> None:
        require(sandbox, "filesystem")
        assert [self.tell(sandbox, LEAVE_A_SEGMENT, arm=arm) for arm in ("agent", "agent", "baseline")] == [False] * 3

    def test_what_started_it_cannot_be_traced(self, sandbox: Sandbox) -> None:
        assert self.tell(sandbox, "import ctypes; tell(ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0))") == -1

    def test_other_folders_are_not_there(self, sandbox: Sandbox, version: Version, tmp_path: Path) -> None:
        require(sandbox, "filesystem")
        (tmp_path / "reference").touch()
        hidden = [str(tmp_path / "reference"), str(version.tree)]
        assert self.tell(sandbox, "tell([path for path in sys.argv[1:] if os.path.lexists(path)])", *hidden) == []
        assert self.tell(sandbox, "tell([os.access('/etc/shadow', os.R_OK), os.uname().nodename])") != [True, socket.gethostname()]

    def test_arms_cannot_tell_which_one_they_are(self, sandbox: Sandbox) -> None:
        require(sandbox, "processes")
        about_me = "open('/proc/self/cgroup').read(), sorted(os.listdir('/')), sorted(os.listdir('/etc'))"
        code = f"tell([os.getcwd(), sys.prefix, sys.path, os.uname().nodename, {about_me}])"
        assert self.tell(sandbox, code, arm="baseline") == self.tell(sandbox, code, arm="agent")

    def test_there_is_no_network(self, sandbox: Sandbox) -> None:
        require(sandbox, "network")
        name = f"isobench-contract-{os.getpid()}"
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
            local.bind("\0" + name)
            local.listen()
            assert self.tell(sandbox, CONNECT, str(server.getsockname()[1]), name) == [False, False]

    def test_other_processes_are_not_seen(self, sandbox: Sandbox) -> None:
        require(sandbox, "processes")
        seen = self.tell(sandbox, "tell(sorted(int(name) for name in os.listdir('/proc') if name.isdigit()))")
        assert len(seen) <= 3

    def test_controller_cannot_be_signalled(self, sandbox: Sandbox) -> None:
        require(sandbox, "user")
        result = self.run(sandbox, "import os, sys; os.kill(int(sys.argv[1]), 0)", str(os.getpid()))
        assert result.returncode == 1
        assert b"ProcessLookupError" in result.stderr or b"PermissionError" in result.stderr
