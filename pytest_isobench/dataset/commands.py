"""Trusted programs that build the cache: pip, git and set-up commands, run to their end with nobody to ask."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_isobench.errors import SourceError

TIMEOUT = 3600.0
"""Seconds that one program may take: compiling a large package does."""

_TAIL = 20
"""Lines of output that a message shows."""


@dataclass(frozen=True, slots=True)
class Done:
    """A program that came to its end."""

    returncode: int
    stdout: str
    stderr: str

    def tail(self) -> str:
        """Return the last lines of what it said, errors last."""
        lines = f"{self.stdout}\n{self.stderr}".splitlines()
        return "\n".join([line for line in lines if line.strip()][-_TAIL:])


def run(argv: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path | None = None, timeout: float = TIMEOUT) -> Done:
    """Run a program without input. What it creates is readable for all users.

    Raises:
        SourceError: it cannot be started, or takes too long; a failure is a value.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        returncode = _wait(argv, environment, folder, timeout, (stdout, stderr))
        return Done(returncode, _text(stdout), _text(stderr))


def _wait(
    argv: Sequence[str | Path], environment: Mapping[str, str], folder: Path | None, timeout: float, output: tuple[IO[bytes], IO[bytes]]
) -> int:
    stdout, stderr = output
    try:
        # Its own session: a program that is killed takes along what it started, and none of them can ask at the terminal.
        process = subprocess.Popen(
            argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True, umask=0o022
        )
    except OSError as error:
        raise SourceError(f"{argv[0]} cannot be started: {error.strerror or error}") from error
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise SourceError(f"{' '.join(map(str, argv[:4]))} ... took more than {timeout:.0f} s") from None
    finally:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
