"""Machines for sandboxes: namespaces of their own over this machine's system, which they see copy-on-write."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from modal_server.processes import Process

PATH = f"{sys.base_exec_prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The interpreter that runs the tests comes first, like an image's own; the tests' packages are not in it."""
DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL")
NAMESPACES = ("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child")
INIT = Path(__file__).with_name("init.sh")
TOOLS = Path(__file__).with_name("fs_tools.py")


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What a process in a sandbox sees: nothing of the test's own variables."""
    return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **variables}


class Machine:
    """One started machine; its first process is the sandbox's command, and all processes die with it."""

    def __init__(self, main: Process) -> None:
        self.main = main

    @classmethod
    async def start(
        cls, folder: Path, command: Sequence[str], variables: Mapping[str, str], *, binds: Mapping[str, Path], network: bool, gpu: str = ""
    ) -> Machine:
        """Start a machine in an empty folder; binds are folders of this machine at paths in the sandbox. A GPU is there by name only."""
        reader, ready = os.pipe()
        namespaces = NAMESPACES if network else (*NAMESPACES, "--net")
        mounts = [f"{source}={target}" for target, source in binds.items()]
        argv = [*DIE_WITH_US, *namespaces, "bash", str(INIT), str(folder), str(ready), str(TOOLS), *mounts, "--"]
        try:
            main = await Process.start(
                [*argv, *(command or ("sleep", "infinity"))], environment({**variables, "SERVER_GPU": gpu}), pass_fds=(ready,)
            )
        finally:
            os.close(ready)
        # the read ends when init is ready or, without an answer, when it has failed
        answer = await asyncio.to_thread(os.read, reader, 8)
        os.close(reader)
        if not answer:
            code = await main.wait()
            complaint = b"".join([part async for part in main.stderr.read(0)]).decode()
            await main.close()
            raise RuntimeError(f"init ended with {code}: {complaint}")
        return cls(main)

    async def run(self, command: Sequence[str], variables: Mapping[str, str], workdir: str, *, quiet: tuple[bool, bool]) -> Process:
        """Run a command in its own session; quiet says whether stdout and stderr are thrown away."""
        pid = self.main.pid
        enter = ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--root", f"--pid=/proc/{pid}/ns/pid_for_children"]
        script = 'cd "$0" && exec "$@"'
        argv = [*enter, "--", *DIE_WITH_US, "setsid", "sh", "-c", script, workdir, *command]
        return await Process.start(argv, environment(variables), quiet=quiet)

    def kill(self) -> None:
        """Kill the machine with everything in it; works from any thread."""
        self.main.kill()


@cache
def why_not() -> str | None:
    """Why no machine can be started here; None when it works."""
    if os.geteuid() != 0:
        return "sandboxes of the local Modal server need root"

    async def trial() -> int:
        with tempfile.TemporaryDirectory() as folder:
            machine = await Machine.start(Path(folder), ["true"], {}, binds={}, network=False)
            code = await machine.main.wait()
            await machine.main.close()
            return code

    try:
        code = asyncio.run(trial())
    except (OSError, RuntimeError) as error:
        return f"sandboxes of the local Modal server do not start here: {error}"
    return None if code == 0 else f"`true` ended with {code} in a sandbox of the local Modal server"
