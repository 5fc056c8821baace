"""One call of an agent's program in a work tree: started, accompanied to its end, and what it has changed brought back."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_isobench.agents import collecting, launching
from pytest_isobench.agents.drivers.base import Call, Output
from pytest_isobench.agents.gate import Gate
from pytest_isobench.agents.worktree import WorkTree, paths
from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes.base import Sandbox, Stream

LAUNCHING, COLLECTING = Path(launching.__file__), Path(collecting.__file__)
GRACE = 60.0
"""Seconds beyond the program's own time for the launcher to stop it and to bring back its files."""
OUTPUT = 192 * 2**20
"""Bytes of output that are kept."""
KEPT = 48 * 2**20
"""Characters of a program's output that are kept, the last ones: the record of the end is among them."""
SIGNALLED = 128
"""Added to the number of a signal in an exit status."""
AGAIN = 2.0
"""Seconds after which a cancelled command is cancelled once more: the first time it may not have begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known of a running attempt."""

    phase: str
    seconds: float = 0.0
    """Since the program started."""
    edited: bool = False
    """Whether the work tree has changed."""
    steps: int | None = None
    usd: float | None = None
    """Cost so far, where the program says it while it works."""


@dataclass(slots=True)
class Tail:
    """The end of a text that comes in pieces."""

    limit: int = KEPT
    pieces: deque[str] = field(default_factory=deque)
    size: int = 0

    def append(self, piece: str) -> None:
        """Add a piece, and forget the oldest ones when all are too much."""
        self.pieces.append(piece)
        self.size += len(piece)
        while self.size > self.limit:
            self.size -= len(self.pieces.popleft())

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(slots=True, kw_only=True)
class Ran:
    """What a call left behind."""

    stdout: Tail = field(default_factory=Tail)
    stderr: Tail = field(default_factory=Tail)
    files: dict[str, bytes] = field(default_factory=dict)
    returncode: int = -9
    timed_out: bool = False
    seconds: float = 0.0
    first_edit: float | None = None
    missing: str = ""
    """Why the program could not be started."""
    abandoned: bool = False
    """Whether what accompanies the program was killed: by the program, or with it, since it used too much memory."""

    @property
    def output(self) -> Output:
        """Return what a driver reads."""
        stdout, stderr = self.stdout.text, self.stderr.text
        return Output(returncode=self.returncode, stdout=stdout, stderr=stderr, timed_out=self.timed_out, files=self.files)

    def take(self, fact: Mapping[str, Any]) -> None:
        """Note one line of the launcher; what does not fit is left out, since whoever it launched may have written it."""
        match fact:
            case {"stdout": str(text)}:
                self.stdout.append(text)
            case {"stderr": str(text)}:
                self.stderr.append(text)
            case {"first_edit": float(seconds)} if seconds >= 0:
                self.first_edit = seconds
            case {"missing": str(reason)}:
                self.missing = reason
            case {"file": str(name), "data": str(data)}:
                with suppress(ValueError):
                    self.files[name] = base64.b64decode(data, validate=True)
            case {"returncode": int(code), "timed_out": bool(late)}:
                self.returncode, self.timed_out = code, late


def run(
    worktree: WorkTree, call: Call, *, seconds: float, gate: Gate | None, progress: Callable[[Progress], None], stop: threading.Event
) -> Ran:
    """Run a program in a work tree until it ends, its time is over, or somebody stops it.

    Raises:
        SandboxError: the machine failed.
    """
    ran, lines, begin = Ran(), _Lines(), time.monotonic()

    def hear(stream: Stream, data: bytes) -> None:
        if stream == "stdout":
            for fact in lines.feed(data):
                ran.take(fact)
            progress(Progress(phase="working", seconds=time.monotonic() - begin, edited=ran.first_edit is not None))

    options: dict[str, Any] = {"timeout": seconds + GRACE, "output_limit": OUTPUT, "network": gate is None, "on_output": hear}
    with _cancelling(worktree.sandbox, stop):
        done = worktree.program(LAUNCHING, _job(call, seconds, gate), **options)
    ran.seconds, ran.timed_out = done.wall, ran.timed_out or done.timed_out
    ran.abandoned = _is_killed(done.returncode) and not (done.timed_out or stop.is_set())
    if done.returncode and not _is_killed(done.returncode):
        said = done.stderr.decode(errors="replace")[-2000:]
        raise SandboxError(f"the agent's program could not be accompanied (status {done.returncode}):\n{said}")
    return ran


def _is_killed(returncode: int) -> bool:
    """Tell whether a signal ended a process; what confines it may say so as a shell does."""
    return returncode < 0 or returncode > SIGNALLED


def collect(worktree: WorkTree, base: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Return what differs from the base tree, whose files map path to mode and SHA-256, when nothing runs in the work tree any more.

    Each item has `path`, and `mode` with `data`, or `gone`, or the reason why it was `refused`. Raises `SandboxError`.
    """
    done = worktree.program(COLLECTING, {"base": base}, output_limit=OUTPUT)
    if done.returncode or done.truncated:
        said = done.stderr.decode(errors="replace")[-2000:] or "it says more than can be kept"
        raise SandboxError(f"the work tree could not be read (status {done.returncode}):\n{said}")
    changes: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    return [{**change, "data": base64.b64decode(change["data"])} if "data" in change else change for change in changes]


def manifest(tree: Path) -> dict[str, tuple[str, str]]:
    """Return mode and SHA-256 of a tree's files, by path."""
    return {name: _facts(tree / name) for name in paths(tree)}


def _facts(path: Path) -> tuple[str, str]:
    if path.is_symlink():
        return "120000", hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
    return "100755" if path.stat().st_mode & 0o100 else "100644", hashlib.sha256(path.read_bytes()).hexdigest()


def _job(call: Call, seconds: float, gate: Gate | None) -> dict[str, Any]:
    return {
        "argv": call.argv,
        "variables": dict(call.variables),
        "stdin": call.stdin,
        "files": dict(call.files),
        "collect": call.collect,
        "seconds": seconds,
        "gate": str(gate.path) if gate else "",
        "near": gate.near if gate else (),
    }


@contextmanager
def _cancelling(sandbox: Sandbox, stop: threading.Event) -> Iterator[None]:
    """Cancel what runs in the sandbox when somebody says stop."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if stop.wait(0.2):
                with suppress(SandboxError):
                    sandbox.supervisor.cancel()
                over.wait(AGAIN)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


class _Lines:
    """Lines of JSON out of pieces; what is none is left out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest if len(rest) < OUTPUT else b""
        for line in lines:
            with suppress(ValueError, RecursionError):
                fact = json.loads(line)
                if isinstance(fact, dict):
                    yield fact
