"""The sandbox contract: commands run to their end, in the right place, with a clean set of variables."""

from __future__ import annotations

import pytest

from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import SandboxError
from pytest_isobench.models.task import Environment
from pytest_isobench.sandboxes.base import Sandbox, SandboxProvider, Stream
from pytest_isobench.testing.base import NEEDS, SECRET, SMALL, ContractBase, free_core, require_processes

KNOWN = {"PATH", "HOME", "LANG", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PWD", "LC_CTYPE", "FROM_RECORD", "FROM_CALL"}
"""Variables that a candidate may have (`PWD` and `LC_CTYPE` come from the programs that start it)."""


class RunningContract(ContractBase):
    """How commands run."""

    @pytest.mark.parametrize("code", [0, 1, 42, 255])
    def test_exit_status_is_a_value(self, sandbox: Sandbox, code: int) -> None:
        assert self.run(sandbox, f"raise SystemExit({code})").returncode == code

    def test_death_by_signal_shows(self, sandbox: Sandbox) -> None:
        assert self.run(sandbox, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)").returncode in (-9, 128 + 9)

    def test_missing_program_is_no_lost_machine(self, sandbox: Sandbox) -> None:
        require_processes(sandbox)
        result = sandbox.supervisor.run(sandbox.process("agent", ["no-such-program"], resources=SMALL), timeout=60)
        assert result.returncode != 0
        assert b"no-such-program" in result.stderr

    def test_bytes_go_in_and_come_out(self, sandbox: Sandbox) -> None:
        data = bytes(range(256)) * 4096
        result = self.run(sandbox, "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])", stdin=data)
        assert result.stdout == data[::-1]
        assert (result.timed_out, result.truncated) == (False, False)

    def test_output_is_handed_on_as_it_comes(self, sandbox: Sandbox) -> None:
        require_processes(sandbox)
        heard: list[tuple[Stream, bytes]] = []
        script = "echo first; sleep 0.2; echo second; sleep 0.2; echo oops >&2"
        process = sandbox.process("agent", ["/bin/sh", "-c", script], resources=SMALL)
        result = sandbox.supervisor.run(process, timeout=60, on_output=lambda stream, data: heard.append((stream, data)))
        assert heard == [("stdout", b"first\n"), ("stdout", b"second\n"), ("stderr", b"oops\n")]
        assert (result.stdout, result.stderr) == (b"first\nsecond\n", b"oops\n")

    def test_endless_output_is_cut(self, sandbox: Sandbox) -> None:
        require_processes(sandbox)
        process = sandbox.process("agent", ["{python}", "-c", "print('x' * 5_000_000)"], resources=SMALL)
        result = sandbox.supervisor.run(process, timeout=60, output_limit=1000)
        assert (len(result.stdout), result.truncated, result.returncode) == (1000, True, 0)

    def test_running_command_can_be_cancelled(self, sandbox: Sandbox) -> None:
        require_processes(sandbox)
        process = sandbox.process("agent", ["/bin/sh", "-c", "echo started; sleep 300 & sleep 300"], resources=SMALL)
        result = sandbox.supervisor.run(process, timeout=200, on_output=lambda *_: sandbox.supervisor.cancel())
        assert (result.stdout, result.timed_out) == (b"started\n", False)
        assert result.returncode != 0
        assert result.wall < 100
        sandbox.supervisor.cancel()  # with nothing to cancel
        assert self.run(sandbox, "raise SystemExit(7)").returncode == 7

    def test_costs_are_told(self, sandbox: Sandbox) -> None:
        result = self.run(sandbox, "data = b'x' * 50_000_000\nfor _ in range(2_000_000): pass")
        assert 0 < result.user <= result.wall
        assert result.max_rss > 50_000_000

    def test_variables_are_clean(self, sandbox: Sandbox) -> None:
        seen = self.tell(sandbox, "tell(dict(os.environ))", variables={"FROM_CALL": "too"})
        assert set(seen) <= KNOWN
        assert SECRET not in seen
        assert (seen["FROM_RECORD"], seen["FROM_CALL"]) == ("yes", "too")

    def test_starts_in_its_tree(self, sandbox: Sandbox) -> None:
        facts = self.tell(sandbox, "tell([os.getcwd(), sys.argv[1], sys.argv[2], sys.executable])", "{tree}", "{python}")
        assert facts[0] == facts[1]
        assert facts[2] == facts[3]

    def test_tree_is_importable_where_the_record_says(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        sandbox.add(arm, version, Environment(pythonpath=("pkg",)))
        assert self.run(sandbox, "import broken", arm=arm).stderr.rstrip().endswith(b"SyntaxError: invalid syntax")

    def test_cores_are_pinned(self, sandbox: Sandbox) -> None:
        core = free_core()
        assert self.tell(sandbox, "tell(sorted(os.sched_getaffinity(0)))", cores=[core]) == [core]

    def test_resident_worker_answers(self, sandbox: Sandbox) -> None:
        require_processes(sandbox)
        process = sandbox.process("agent", ["{python}", "-I", "{worker}"], resources=SMALL)
        sandbox.supervisor.start("agent", process)
        replies = [sandbox.supervisor.ask("agent", "echo", b"", timeout=60) for _ in range(3)]
        remains = sandbox.supervisor.stop(["agent"])["agent"]
        assert [reply.status for reply in replies] == ["ok"] * 3, remains.log
        assert all(reply.stolen < 0.01 for reply in replies[1:]), "seconds of work while it was frozen"

    def test_sandboxes_do_not_disturb_each_other(self, provider: SandboxProvider, sandbox: Sandbox, version: Version) -> None:
        with provider.open(NEEDS) as other:
            other.add("agent", version, Environment())
            assert self.tell(other, "import pkg; tell(pkg.VALUE)") == "pristine"
            assert self.tell(sandbox, "import pkg; tell(pkg.VALUE)") == "patched"
        assert self.tell(sandbox, "import pkg; tell(pkg.VALUE)") == "patched"

    def test_closing_twice_is_allowed_and_using_it_then_is_not(self, provider: SandboxProvider, version: Version) -> None:
        sandbox = provider.open(NEEDS)
        sandbox.add("agent", version, Environment())
        process = sandbox.process("agent", ["true"], resources=SMALL)
        sandbox.close()
        sandbox.close()
        with pytest.raises(SandboxError):
            sandbox.supervisor.run(process, timeout=60)
