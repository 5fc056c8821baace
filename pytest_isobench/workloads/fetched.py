"""A command's run in an arm, with the files that it left; the controller's end of `fetching`."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_isobench.models.task import Task
from pytest_isobench.sandboxes.base import ExecResult
from pytest_isobench.workloads import fetching
from pytest_isobench.workloads.base import Bench

SCRATCH, RESULT = "{scratch}", "result.json"
"""Stands for the folder of a run's files, and the name of the one that holds a benchmark's results."""
RESULT_PLACES = {"output": f"{SCRATCH}/{RESULT}", "output_folder": SCRATCH, "output_name": RESULT}
"""What a benchmark's command calls that file."""
LIMIT = 32 * 2**20
"""Bytes of stdout, of stderr, and of all files together."""
SPARE = 2**16
"""Bytes of the answer beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a command left behind."""

    returncode: int
    """Exit status; minus the signal's number when a signal ended it."""
    wall: float
    """Seconds of the whole run on the supervisor's clock, the start of the sandbox included."""
    cpu: float = 0.0
    stdout: bytes = b""
    stderr: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """By the name below the scratch folder."""
    left: tuple[str, ...] = ()
    """Files that were asked for and are none, or too large."""
    timed_out: bool = False
    truncated: bool = False
    """Whether output beyond the limit was thrown away."""
    spoiled: str = ""
    """Why there is no answer that can be believed, if so: the command ended or disturbed the program that answers."""


def fetch(
    bench: Bench,
    task: Task,
    arm: str,
    argv: Sequence[str],
    *,
    files: Sequence[str] = (),
    placed: Mapping[str, bytes] | None = None,
    variables: Mapping[str, str] | None = None,
    timeout: float | None = None,
    limit: int = LIMIT,
    cores: Sequence[int] | None = None,
    joint: bool = False,
    hidden: bool = False,
) -> Fetched:
    """Run a command in an arm. Raises `SandboxError` when the machine fails.

    In `argv` and `variables`, `{python}`, `{tree}` and `{scratch}` stand for the arm's own, also within items. `placed` are files of the
    scratch folder before the command starts, `files` names or globs of those to bring back; `timeout` is in seconds, by default the
    bench's, and so are the cores. A `joint` command reaches the arms' servers; the arguments of a
    `hidden` one, if it is `{python}`, are in no command line that a server could read.
    """
    key = secrets.token_bytes(32)
    request = {
        "argv": list(argv),
        "key": key.hex(),
        "placed": {name: base64.b64encode(data).decode() for name, data in (placed or {}).items()},
        "files": list(files),
        "limit": limit,
        "variables": dict(variables or {}),
        "hidden": hidden,
    }
    process = bench.sandbox.process(
        arm,
        ["{python}", "-I", "-S", "-c", Path(fetching.__file__).read_text("utf-8")],
        resources=task.resources,
        variables=task.environment.variables,
        cores=bench.cores if cores is None else cores,
        joint=joint,
    )
    room = 3 * limit * 4 // 3 + SPARE
    stdin = json.dumps(request).encode()
    result = bench.sandbox.supervisor.run(process, stdin=stdin, timeout=timeout or bench.timeout, output_limit=room)
    return _read(result, key)


def _read(result: ExecResult, key: bytes) -> Fetched:
    """Believe an answer that is signed, and no other."""
    cpu, said = result.user + result.system, result.stderr.decode(errors="replace").strip()
    if result.timed_out:
        return Fetched(returncode=result.returncode, wall=result.wall, cpu=cpu, timed_out=True)
    signature, _, body = result.stdout.partition(b"\n")
    if not hmac.compare_digest(signature, hmac.new(key, body, "sha256").hexdigest().encode()):
        spoiled = f"ended the program that hands its files back (status {result.returncode}), or wrote into its answer\n{said}".strip()
        return Fetched(returncode=result.returncode, wall=result.wall, cpu=cpu, stderr=result.stderr, spoiled=spoiled)
    answer: dict[str, Any] = json.loads(body)
    return Fetched(
        returncode=answer["returncode"],
        wall=result.wall,
        cpu=cpu,
        stdout=base64.b64decode(answer["stdout"]),
        stderr=base64.b64decode(answer["stderr"]),
        files={name: base64.b64decode(data) for name, data in answer["files"].items()},
        left=tuple(answer["left"]),
        truncated=answer["truncated"],
    )
