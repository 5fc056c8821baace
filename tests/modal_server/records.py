"""What the server knows of images, secrets, volumes and sandboxes; a test reads these after the act."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from modal_server.machine import Machine
from modal_server.processes import Process

KILLED = 137
_numbers = itertools.count(1)


def identifier(kind: str, ending: str = "") -> str:
    """Make an id with the 22 letters and digits of a V1 object; an ending makes it longer."""
    return f"{kind}-{next(_numbers):022d}{ending}"


class State(StrEnum):
    """Where a sandbox is in its life."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    TERMINATED = "terminated"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class Image:
    """An image and the lines that it would be built from."""

    id: str
    commands: tuple[str, ...]
    base: Image | None
    secrets: tuple[str, ...]
    registry_secret: str
    error: str = ""

    @property
    def history(self) -> tuple[str, ...]:
        """All lines, those of the images below first."""
        return (*(self.base.history if self.base else ()), *self.commands)


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume: a folder of this machine that sandboxes share."""

    id: str
    name: str
    folder: Path


@dataclass(slots=True)
class Exec:
    """A command that was run in a sandbox, and the variables that only it was given."""

    command: tuple[str, ...]
    variables: Mapping[str, str]
    workdir: str
    timeout: int
    process: Process | None = None

    @property
    def returncode(self) -> int | None:
        return self.process.returncode if self.process else None


@dataclass(slots=True, eq=False)
class Sandbox:
    """A sandbox as it was asked for, and what became of it."""

    id: str
    task_id: str
    version: int
    app_id: str
    command: tuple[str, ...]
    image: Image
    gpu: str
    tags: dict[str, str]
    timeout: int
    secrets: Mapping[str, str]
    volumes: Mapping[str, Volume]
    workdir: str
    network_blocked: bool
    folder: Path
    state: State = State.WAITING
    returncode: int | None = None
    execs: dict[str, Exec] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    machine: Machine | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _life: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self.state is State.RUNNING

    @property
    def ended_for_good(self) -> bool:
        return self.state not in {State.WAITING, State.RUNNING}

    @property
    def cost_seconds(self) -> float:
        """Seconds that somebody pays for."""
        return (self.ended or time.time()) - self.started if self.started else 0.0

    def kill(self) -> None:
        """End the sandbox from outside, as a failing worker would; works from any thread."""
        if self.machine:
            self.machine.kill()

    async def start(self) -> None:
        """Get a machine, unless the sandbox has one or had."""
        async with self._starting:
            if self.state is not State.WAITING:
                return
            self.folder.mkdir()
            binds = {target: volume.folder for target, volume in self.volumes.items()}
            network = not self.network_blocked
            self.machine = await Machine.start(self.folder, self.command, self.secrets, binds=binds, network=network, gpu=self.gpu)
            self.state, self.started = State.RUNNING, time.time()
            self._life = asyncio.create_task(self._live(self.machine))

    async def _live(self, machine: Machine) -> None:
        try:
            code = await asyncio.wait_for(machine.main.wait(), self.timeout)
            self._end(State.FINISHED, code if code >= 0 else 128 - code)
        except TimeoutError:
            await self.stop(State.TIMED_OUT, 124)

    async def stop(self, state: State = State.TERMINATED, code: int = KILLED) -> None:
        """End the sandbox and all that runs in it."""
        self._end(state, code)
        if self.machine:
            self.machine.kill()
            await self.machine.main.wait()

    def _end(self, state: State, code: int) -> None:
        if not self.ended_for_good:
            self.state, self.returncode, self.ended = state, code, time.time()
            self.over.set()

    async def run(
        self, key: str, command: Sequence[str], variables: Mapping[str, str], workdir: str, *, timeout: int, quiet: tuple[bool, bool]
    ) -> None:
        """Run a command once for each key: a repeated call starts nothing."""
        if key in self.execs or not self.machine:
            return
        entry = self.execs[key] = Exec(tuple(command), variables, workdir or self.workdir or "/", timeout)
        entry.process = await self.machine.run(command, {**self.secrets, **variables}, entry.workdir, quiet=quiet)
        if timeout:
            # later than the client's own clock says, which makes it a time-out and no kill
            asyncio.get_running_loop().call_later(timeout + 0.5, entry.process.kill)

    async def close(self) -> None:
        """End the sandbox and forget the output of its processes."""
        await self.stop()
        processes = [entry.process for entry in self.execs.values() if entry.process]
        for process in [*processes, *([self.machine.main] if self.machine else [])]:
            await process.close()
        if self._life:
            await self._life
