"""A sandbox that measures nothing: for tests of what users build around this plugin, and of this plugin itself.

`--isobench-sandbox=fake` places arms for real: it copies their trees and applies their patches with git. But it starts no process and,
unless it is told to, lets no time pass. How fast a tree is, and what it answers, stands in a file `fake.json` at its root:

    {"speed": 1.5, "noise": 0.01, "answer": 42, "seconds": 0, "fail": null}

`speed` is relative to a tree without the file, `noise` the standard deviation of its times, `answer` what every call returns, and `fail`
one of crash, timeout, exit, cheat, build, or machine (which is the machine's failure and ends as a test error). `seconds` is the one
thing that takes time: placing the tree sleeps so long, as if a machine elsewhere were at work. Times are drawn
by a hash of the inputs, the arm and its script, so that the same run gives the same figures, whether or not it was cut off in between;
a command without inputs has no noise.
The agent `fake:SPEED` makes patches for such a file. So a whole session, with every verdict and the report, runs in a fraction of a
second:

    pytest my_tasks.yaml --isobench-sandbox=fake --isobench-agent=fake:0.8,fake:1.5,fake:crash

It isolates nothing: the trees are only read, never run.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import DoesNotBuildError, SandboxError
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.models.fake import FILE, FakeScript
from pytest_isobench.models.result import Isolation
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes import building
from pytest_isobench.sandboxes.base import (
    STANDARD,
    ExecResult,
    Needs,
    Process,
    Remains,
    Reply,
    Sandbox,
    SandboxProvider,
    Stream,
    Supervisor,
    Turn,
    no_arm,
)

CALL = 0.05
"""Seconds of one call at speed 1."""
REQUEST = 1e-4
"""Seconds of any other request."""
LABEL = "ISOBENCH_FAKE_ARM"


class FakeProvider(SandboxProvider):
    """Makes fake sandboxes."""

    name = "fake"
    exclusive = False

    def __init__(self, settings: ContainerSettings | None = None) -> None:
        """Make it; there is nothing that could be set."""

    def open(self, needs: Needs = STANDARD) -> FakeSandbox:  # noqa: ARG002 - there is room for everything
        return FakeSandbox(self.isolation())

    def isolation(self) -> Isolation:
        note = "nothing is run and no time passes: every figure comes from a script"
        return Isolation(sandbox=self.name, filesystem=True, network=True, processes=True, user=True, limits=True, notes=(note,))


class FakeSandbox(Sandbox):
    """Holds the arms' trees in a temporary folder."""

    supervisor: FakeSupervisor
    runs = False

    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation
        self.supervisor = FakeSupervisor()
        self._folder = Path(tempfile.mkdtemp(prefix="isobench-fake-"))
        self._arms: set[str] = set()

    def add(
        self,
        arm: str,
        version: Version,
        environment: Environment,  # noqa: ARG002 - nothing is installed
        *,
        patch: str | None = None,
        beside: str | None = None,  # noqa: ARG002
    ) -> None:
        tree = self._folder / arm
        try:
            shutil.copytree(version.tree, tree, symlinks=True)
        except (OSError, shutil.Error) as error:
            raise SandboxError(f"cannot place {arm}: {error}") from error
        for text in (version.patch, patch):
            building.apply(_run_in(tree), text or "")
        script = read_script(tree)
        time.sleep(script.seconds)
        self.supervisor.broken |= script.fail == "machine"
        if script.fail == "build":
            raise DoesNotBuildError(f"{FILE} says that this tree does not build")
        self._arms.add(arm)

    def process(
        self,
        arm: str,
        argv: Sequence[str],
        *,
        resources: Resources,  # noqa: ARG002
        variables: Mapping[str, str] | None = None,
        cores: Sequence[int] = (),
        writable: bool = False,  # noqa: ARG002
        network: bool = False,  # noqa: ARG002
        joint: bool = False,  # noqa: ARG002
    ) -> Process:
        if arm not in self._arms:
            raise no_arm(arm, sorted(self._arms))
        return Process(
            argv=tuple(argv), environment={**(variables or {}), LABEL: arm}, directory=str(self._folder / arm), cores=tuple(cores)
        )

    def close(self) -> None:
        self.supervisor.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class FakeSupervisor(Supervisor):
    """Answers from the scripts."""

    def __init__(self) -> None:
        self._residents: dict[str, Process] = {}
        self.broken = False
        """Whether the machine fails, whoever is run on it."""
        self._closed = False

    def start(self, name: str, process: Process) -> None:
        self._require_machine()
        self._residents[name] = process

    def serve(self, name: str, process: Process) -> None:
        self.start(name, process)

    def is_serving(self, name: str) -> bool:
        return self._script(self._residents[name]).fail not in ("crash", "exit", "cheat")

    def ask(self, name: str, operation: str, payload: bytes, *, timeout: float) -> Reply:  # noqa: ARG002 - no time passes
        script = self._script(self._residents[name])
        if operation == "load" and script.fail == "exit":
            return Reply(status="exited", seconds=REQUEST, detail="ended with status 0 while it was loading")
        if operation == "inputs":
            request = json.loads(payload)
            return _ok([f"{request['seed']}:{index}" for index in range(request["count"])])
        return _ok({"prepare": False, "check": False} if operation == "load" else None)

    def turns(self, turns: Sequence[Turn], *, timeout: float) -> list[dict[str, Reply]]:
        alive = list(self._residents)
        played: list[dict[str, Reply]] = []
        for turn in turns:
            replies = {name: self._take_turn(name, turn, timeout) for name in turn.order if name in alive}
            alive = [name for name in alive if name not in replies or replies[name].status == "ok"]
            played.append(replies)
        return played

    def stop(self, names: Sequence[str]) -> dict[str, Remains]:
        stopped = [name for name in names if self._residents.pop(name, None) is not None]
        return {name: Remains(returncode=None, log="", processes=0) for name in stopped}

    def run(
        self,
        process: Process,
        *,
        stdin: bytes = b"",
        timeout: float,
        output_limit: int = 2**20,  # noqa: ARG002
        on_output: Callable[[Stream, bytes], None] | None = None,
    ) -> ExecResult:
        self._require_machine()
        script = self._script(process)
        late, failed = script.fail == "timeout", script.fail in ("crash", "exit", "cheat")
        wall = timeout if late else draw(script, process, stdin, calls=1)
        stdout = b"" if failed or late else f"{json.dumps(script.answer)}\n".encode()
        if on_output is not None and stdout:
            on_output("stdout", stdout)
        stderr = f"{FILE} says {script.fail}\n".encode() if failed else b""
        return _finished(-9 if late else int(failed), stdout, stderr, wall, late=late)

    def cancel(self) -> None:
        """Do nothing: no time passes here, so nothing runs."""

    def close(self) -> None:
        self._residents.clear()
        self._closed = True

    def _take_turn(self, name: str, turn: Turn, timeout: float) -> Reply:
        process = self._residents[name]
        script = self._script(process)
        if script.fail == "crash":
            return Reply(status="exception", payload=f"RuntimeError: {FILE} says crash".encode(), seconds=REQUEST)
        if script.fail == "timeout":
            return Reply(status="timed_out", seconds=timeout, detail=f"no answer after {timeout:g} s")
        if script.fail == "cheat":
            return Reply(status="protocol", seconds=REQUEST, detail=f"{FILE} says cheat")
        calls = len(json.loads(turn.inputs))
        seconds = draw(script, process, turn.inputs, calls)
        return Reply(status="ok", payload=json.dumps([script.answer] * calls).encode(), seconds=seconds, cpu=seconds)

    def _require_machine(self) -> None:
        if self._closed:
            raise SandboxError("the sandbox is closed")
        if self.broken:
            raise SandboxError(f"{FILE} says that the machine fails here")

    def _script(self, process: Process) -> FakeScript:
        return read_script(Path(process.directory))


def draw(script: FakeScript, process: Process, inputs: bytes, calls: int) -> float:
    """Return the seconds of some calls: the same for the same inputs, arm and script, and without noise where there are no inputs."""
    if not inputs:
        return CALL * calls / script.speed
    told = script.model_dump_json(exclude={"seconds"}).encode()
    key = hashlib.sha256(b"\0".join((process.environment[LABEL].encode(), told, inputs))).digest()
    return CALL * calls / script.speed * random.Random(key).lognormvariate(0.0, script.noise)


def read_script(tree: Path) -> FakeScript:
    """Return a tree's script. A broken one is the patch's failure: the tree crashes."""
    try:
        return FakeScript.model_validate_json((tree / FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return FakeScript()
    except (ValidationError, OSError):
        return FakeScript(fail="crash")


def _run_in(tree: Path) -> building.Run:
    """Return what runs git in a tree."""

    def run(argv: Sequence[str], *, variables: Mapping[str, str] | None = None, stdin: bytes = b"", timeout: float) -> ExecResult:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **(variables or {})}
        try:
            done = subprocess.run(argv, cwd=tree, input=stdin, capture_output=True, env=environment, check=False, timeout=timeout)
        except (OSError, subprocess.SubprocessError) as error:
            raise SandboxError(f"cannot run {argv[0]}: {error}") from error
        return _finished(done.returncode, done.stdout, done.stderr)

    return run


def _finished(code: int, stdout: bytes, stderr: bytes, wall: float = 0.0, *, late: bool = False) -> ExecResult:
    return ExecResult(returncode=code, stdout=stdout, stderr=stderr, wall=wall, user=wall, system=0.0, max_rss=2**20, timed_out=late)


def _ok(value: object) -> Reply:
    return Reply(status="ok", payload=json.dumps(value).encode(), seconds=REQUEST, cpu=REQUEST)
