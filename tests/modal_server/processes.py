"""Processes with all their output kept, so that a broken stream goes on where it stopped."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import AsyncIterator, Mapping, Sequence

CHUNK = 256 * 1024


class Spool:
    """Everything that a stream has said so far, on disk; readers come back to any offset."""

    def __init__(self, source: asyncio.StreamReader | None) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the process is known
        self._size = 0
        self._ended = source is None
        self._news = asyncio.Condition()
        self._filling = asyncio.create_task(self._fill(source)) if source else None

    async def _fill(self, source: asyncio.StreamReader) -> None:
        while not self._ended:
            data = await source.read(CHUNK)
            self._file.write(data)
            async with self._news:
                self._size += len(data)
                self._ended = not data
                self._news.notify_all()

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        """Yield what comes from an offset on, until the stream ends."""
        while offset < self._size or not self._ended:
            async with self._news:
                while offset >= self._size and not self._ended:
                    await self._news.wait()
            if data := os.pread(self._file.fileno(), min(CHUNK, self._size - offset), offset):
                yield data
                offset += len(data)

    async def close(self) -> None:
        """Wait for the stream's end and forget what it said."""
        if self._filling:
            await self._filling
        self._file.close()


class Ending(SubprocessStreamProtocol):
    """Notes the end of a process when it ends; asyncio's own `wait` also waits for whoever inherited its output."""

    def __init__(self) -> None:
        super().__init__(limit=CHUNK, loop=asyncio.get_running_loop())
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Process:
    """A running process, its input by offset and its output as spools."""

    @classmethod
    async def start(
        cls, argv: Sequence[str], variables: Mapping[str, str], *, quiet: tuple[bool, bool] = (False, False), pass_fds: tuple[int, ...] = ()
    ) -> Process:
        """Start a program in its own session; quiet says whether its stdout and stderr are thrown away."""
        output, errors = (subprocess.DEVNULL if silent else subprocess.PIPE for silent in quiet)
        loop = asyncio.get_running_loop()
        transport, ending = await loop.subprocess_exec(
            Ending, *argv, stdout=output, stderr=errors, env=dict(variables), cwd="/", pass_fds=pass_fds, start_new_session=True
        )
        return cls(asyncio.subprocess.Process(transport, ending, loop), ending)

    def __init__(self, process: asyncio.subprocess.Process, ending: Ending) -> None:
        self._process = process
        self._ending = ending
        self.pid = process.pid
        self.stdout = Spool(process.stdout)
        self.stderr = Spool(process.stderr)
        self.written = 0
        self.input_closed = False

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal's number; None while it runs."""
        return self._process.returncode

    async def write(self, offset: int, data: bytes, *, end: bool) -> None:
        """Give input that starts at an offset; what was given before (a repeated call) is left out."""
        if offset > self.written:
            raise ValueError(f"input at {offset}, but only {self.written} bytes came before it")
        stdin = self._process.stdin
        assert stdin is not None
        if self.returncode is not None or (self.input_closed and offset + len(data) > self.written):
            raise BrokenPipeError("the process has ended or its input is closed")
        fresh = data[self.written - offset :]
        if not self.input_closed:
            stdin.write(fresh)
            self.written += len(fresh)
            await stdin.drain()
        if end:
            self.input_closed = True
            stdin.close()

    async def wait(self) -> int:
        """Wait for the process's end, not for that of its output."""
        await self._ending.exited.wait()
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Kill it now; nothing happens when it has ended."""
        if self.returncode is None:
            self._process.kill()

    async def close(self) -> None:
        """Kill it if it runs, and forget its output."""
        self.kill()
        await self.wait()
        if self._process.stdin:
            self._process.stdin.close()
        await self.stdout.close()
        await self.stderr.close()
