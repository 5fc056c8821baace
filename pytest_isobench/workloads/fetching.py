"""Runs a command in a sandbox and hands its files back; a program of its own, for the standard library only, started as `-I -S -c TEXT`.

It gets a request as JSON on stdin, reads it to its end before the command starts, and writes one answer to stdout: a line with
the HMAC-SHA-256 of the rest under the request's key, and the rest as JSON. The command's own stdin is empty, its output goes through
pipes of its own, and this process lets nobody look into its memory: the command can spoil the answer, but not fake one.

    argv: program and arguments; `{python}`, `{tree}` and `{scratch}` in them are filled in here
    key: a secret, as hex
    placed: files to write into the scratch folder before, name to base64
    files: names or globs, below the scratch folder, of files to hand back
    limit: bytes of stdout, of stderr, and of all files together
    variables: environment variables to add, filled in as argv is
    hidden: whether a Python program's arguments stay out of its command line, which other users' processes can read
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

CHUNK = 65536
PATIENCE = 2.0
"""Seconds that output is waited for which processes hold open that the command left behind."""
PR_SET_DUMPABLE = 4
HIDDEN = """
import json, os, runpy, sys
argv = json.loads(sys.stdin.buffer.read())
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
sys.argv = argv[1:] if argv[0] in ("-c", "-m") else argv
if argv[0] == "-c":
    sys.argv = ["-c", *argv[2:]]
    exec(compile(argv[1], "<string>", "exec"), {"__name__": "__main__"})
elif argv[0] == "-m":
    sys.path[0] = os.getcwd()
    runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
else:
    sys.path[0] = os.path.dirname(os.path.abspath(argv[0]))
    runpy.run_path(argv[0], run_name="__main__")
"""
"""Runs what an interpreter's arguments say that come over stdin: a module, a text or a file, with its own arguments."""


class Reader(threading.Thread):
    """Keeps what comes out of a pipe, up to a limit."""

    def __init__(self, pipe: BinaryIO, limit: int) -> None:
        super().__init__(daemon=True)
        self.pipe, self.limit = pipe, limit
        self.kept = bytearray()
        self.truncated = False
        self.start()

    def run(self) -> None:
        while data := os.read(self.pipe.fileno(), CHUNK):
            self.truncated = self.truncated or len(self.kept) + len(data) > self.limit
            self.kept += data[: max(0, self.limit - len(self.kept))]

    def result(self) -> str:
        self.join(PATIENCE)
        return base64.b64encode(bytes(self.kept)).decode()


def hide() -> None:
    """Let no other process of this user read this one's memory, or open its pipes."""
    with contextlib.suppress(ImportError, OSError, AttributeError):  # no Linux
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def filled(text: str, places: dict[str, str]) -> str:
    """Put this run's own places for what stands for them."""
    for name, place in places.items():
        text = text.replace(name, place)
    return text


def put(scratch: Path, placed: dict[str, str]) -> None:
    """Write the files that the command finds."""
    for name, data in placed.items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))


def collect(scratch: Path, patterns: list[str], limit: int) -> tuple[dict[str, str], list[str]]:
    """Return the files that fit, no links, and the names of what was left out."""
    files: dict[str, str] = {}
    left: list[str] = []
    found = {path for pattern in patterns for path in scratch.glob(pattern) if path.is_symlink() or not path.is_dir()}
    for path in sorted(found):
        data = read(path, limit)
        if data is None:
            left.append(str(path.relative_to(scratch)))
        else:
            files[str(path.relative_to(scratch))] = base64.b64encode(data).decode()
            limit -= len(data)
    return files, left


def read(path: Path, limit: int) -> bytes | None:
    """Return a file's bytes; None when it is no file, too large or gone."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            data = file.read(limit + 1)
            return data if len(data) <= limit else None
    except OSError:
        return None


def start(argv: list[str], variables: dict[str, str], hidden: bool) -> subprocess.Popen[bytes]:
    """Start the command in a group of its own. Raises OSError when it cannot be."""
    pipe = subprocess.PIPE
    told = json.dumps(argv[1:]).encode() if hidden and argv[0] == sys.executable and len(argv) > 1 else None
    command = argv if told is None else [argv[0], "-c", HIDDEN]
    process = subprocess.Popen(
        command, env={**os.environ, **variables}, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, bufsize=0
    )
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(told or b"")  # type: ignore[union-attr]
    process.stdin.close()  # type: ignore[union-attr]
    return process


def run(argv: list[str], variables: dict[str, str], limit: int, hidden: bool = False) -> dict[str, Any]:
    """Run the command to its end, and end what it left in its group."""
    begin = time.monotonic()
    try:
        process = start(argv, variables, hidden)
    except (OSError, ValueError) as error:
        said = base64.b64encode(f"{argv[0]}: {error}".encode(errors="replace")).decode()
        return {"returncode": 127, "seconds": 0.0, "stdout": "", "stderr": said, "truncated": False}
    assert process.stdout
    assert process.stderr
    readers = [Reader(pipe, limit) for pipe in (process.stdout, process.stderr)]  # type: ignore[arg-type]
    returncode = process.wait()
    seconds = time.monotonic() - begin
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    stdout, stderr = (reader.result() for reader in readers)
    truncated = any(reader.truncated for reader in readers)
    return {"returncode": returncode, "seconds": seconds, "stdout": stdout, "stderr": stderr, "truncated": truncated}


def main() -> int:
    hide()
    request: dict[str, Any] = json.load(sys.stdin)
    scratch = Path(tempfile.mkdtemp(prefix="isobench-"))
    put(scratch, request.get("placed", {}))
    places = {"{python}": sys.executable, "{tree}": os.getcwd(), "{scratch}": str(scratch)}
    variables = {name: filled(text, places) for name, text in request.get("variables", {}).items()}
    limit = int(request["limit"])
    answer = run([filled(item, places) for item in request["argv"]], variables, limit, request.get("hidden", False))
    answer["files"], answer["left"] = collect(scratch, request.get("files", []), limit)
    body = json.dumps(answer).encode()
    digest = hmac.new(bytes.fromhex(request["key"]), body, hashlib.sha256).hexdigest()
    sys.stdout.buffer.write(digest.encode() + b"\n" + body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
