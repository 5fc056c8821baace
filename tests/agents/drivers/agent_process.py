"""Runs what a driver describes as a plain process, for tests of drivers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pytest_isobench.agents.drivers.base import HOME, TREE, Call, Output

PATIENCE = 120
"""Seconds that a program may take."""


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def run(call: Call, folder: Path, path: str, stop_when: Callable[[], bool] | None = None) -> Output:
    """Run a call in the folders `home` and `tree`; stop it when something is the case."""
    home, tree = folder / "home", folder / "tree"

    def place(text: str) -> str:
        return text.replace(HOME, str(home)).replace(TREE, str(tree))

    for name, text in call.files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(place(text))
    variables = {"PATH": path, "LANG": "C.UTF-8", "HOME": str(home)} | {name: place(value) for name, value in call.variables.items()}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [place(text) for text in call.argv], cwd=tree, env=variables, text=True, encoding="utf-8", start_new_session=True, **pipes
    )
    if stop_when:
        threading.Thread(target=stop, args=(process, stop_when), daemon=True).start()
    try:
        stdout, stderr = process.communicate(call.stdin, PATIENCE)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    files = {str(path.relative_to(home)): path.read_bytes() for pattern in call.collect for path in home.glob(pattern)}
    return Output(returncode=process.returncode, stdout=stdout, stderr=stderr, timed_out=stop_when is not None, files=files)


def stop(process: subprocess.Popen[str], when: Callable[[], bool]) -> None:
    """End a program's group once something is the case."""
    while not when() and process.poll() is None:
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
