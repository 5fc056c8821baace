"""Trusted programs that build the cache: pip, git and set-up commands, run to their end with nobody to ask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_isobench.errors import SourceError
from pytest_isobench.redaction import redact

TIMEOUT = 3600.0
"""Seconds that one program may take: compiling a large package does."""

_TAIL = 20
"""Lines of output that a message shows."""

_KEEPER = """
import _thread, os, signal, sys
null = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
try:
    child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, setpgroup=0, file_actions=null)
except OSError as error:
    sys.exit(f"{sys.argv[1]} cannot be started: {error.strerror}")
def watch():
    os.read(0, 1)
    os.killpg(child, signal.SIGKILL)
_thread.start_new_thread(watch, ())
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
os.killpg(child, signal.SIGKILL)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status if status >= 0 else 128 - status)
"""
"""Runs a program until it ends, or until the keeper's standard input does because its parent is no more, and kills what it left running."""


@dataclass(frozen=True, slots=True)
class Done:
    """A program that came to its end."""

    returncode: int
    output: bytes
    errors: bytes

    @property
    def stdout(self) -> str:
        return self.output.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return self.errors.decode("utf-8", "replace")

    def tail(self) -> str:
        """Return the last lines of what it said, errors last and secrets hidden."""
        lines = f"{self.stdout}\n{self.stderr}".splitlines()
        return redact("\n".join([line for line in lines if line.strip()][-_TAIL:]))


class OverdueError(SourceError):
    """A program that took too long."""


def run(
    argv: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
    timeout: float = TIMEOUT,
    keep: bool = True,
    stdin: IO[bytes] | None = None,
) -> Done:
    """Run a program without input, or with that of a file (`keep=False`). What it creates is readable for all users.

    Nothing that it starts outlives it, or this process, however that ends; `keep=False` saves 10 ms and this promise for short programs.

    Raises:
        SourceError: it cannot be started; a failure is a value.
        OverdueError: it takes too long.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        command = [sys.executable, "-I", "-S", "-c", _KEEPER, *argv] if keep else argv
        try:
            # Its own session: it can neither ask at the terminal nor be stopped there without us.
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE if keep else stdin or subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                umask=0o022,
            )
        except OSError as error:
            raise SourceError(f"{argv[0]} cannot be started: {error.strerror or error}") from error
        _wait(process, timeout, argv)
        return Done(process.returncode, _content(stdout), _content(stderr))


def _wait(process: subprocess.Popen[bytes], timeout: float, argv: Sequence[str | Path]) -> None:
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise OverdueError(f"{' '.join(map(str, argv[:4]))} ... took more than {timeout:.0f} s") from None
    finally:
        if process.stdin:
            process.stdin.close()
        elif process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
