"""Runs an agent's program inside of a sandbox; a program of its own, for the standard library only, started with its text as an argument.

It gets the job as JSON on stdin, and says on stdout, a line of JSON for each piece, what the program prints, when the work tree first
changed, how the program ended, and the files to bring back. It runs as the program's own user: nothing that it says decides a verdict.
"""

from __future__ import annotations

import base64
import codecs
import json
import os
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK = 65536
LOOK = 1.0
"""Seconds between two looks at the work tree."""
PATIENCE = 10.0
"""Seconds that the program has to end in when its time is over."""
LARGEST = 64 * 2**20
"""Bytes of all files that are brought back."""
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


SPEAKING = threading.Lock()


def say(**facts: Any) -> None:
    with SPEAKING:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


# The network: whatever the program connects to goes through a socket to somebody outside, who decides whether it may.


def tunnel(gate: str, target: str, client: socket.socket, greeting: bytes = b"", first: bytes = b"") -> None:
    """Join a client to HOST:PORT beyond the gate, after a greeting; what the client has said already goes first."""
    with client, socket.socket(socket.AF_UNIX) as beyond:
        try:
            beyond.connect(gate)
            beyond.sendall(target.encode() + b"\n")
            if beyond.recv(1) != b"+":
                return client.sendall(FORBIDDEN)
            client.sendall(greeting)
            beyond.sendall(first)
            pump(client, beyond)
        except OSError:
            return None


def pump(one: socket.socket, other: socket.socket) -> None:
    """Hand bytes on in both directions until both ends have said all."""
    ways = {one: other, other: one}
    while ways:
        for source in select.select(list(ways), [], [])[0]:
            data = source.recv(CHUNK)
            if data:
                ways[source].sendall(data)
            else:
                ways.pop(source).shutdown(socket.SHUT_WR)


def proxy(gate: str, client: socket.socket) -> None:
    """Serve one client of an HTTP proxy: `CONNECT HOST:PORT`, or a request that names its whole URL."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < CHUNK:
        data = client.recv(CHUNK)
        if not data:
            return client.close()
        head += data
    method, _, rest = head.partition(b" ")
    target = rest.partition(b" ")[0].decode("ascii", "replace")
    if method == b"CONNECT":
        return tunnel(gate, target, client, ESTABLISHED, head.partition(b"\r\n\r\n")[2])
    host, _, path = target.partition("://")[2].partition("/")
    first = head.replace(target.encode(), b"/" + path.encode(), 1)
    return tunnel(gate, host if ":" in host else host + ":80", client, b"", first)


def listen(port: int) -> socket.socket:
    server = socket.create_server(("127.0.0.1", port))
    server.listen(64)
    return server


def serve(server: socket.socket, handle: Any, *arguments: str) -> None:
    """Handle every client in a thread, for as long as this process lives."""

    def accept() -> None:
        while True:
            client, _ = server.accept()
            threading.Thread(target=handle, args=(*arguments, client), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def open_ways(gate: str, near: list[int]) -> dict[str, str]:
    """Offer the proxy, and services on this machine by their own ports; returns the variables that tell of the proxy."""
    for port in near:
        serve(listen(port), tunnel, gate, f"127.0.0.1:{port}")
    server = listen(0)
    serve(server, proxy, gate)
    url = f"http://127.0.0.1:{server.getsockname()[1]}"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    local = {"no_proxy": "localhost,127.0.0.1", "NO_PROXY": "localhost,127.0.0.1", "NODE_USE_ENV_PROXY": "1"}
    return {**dict.fromkeys(names, url), **local}


# The work tree.


def looks(folder: str) -> Iterator[tuple[str, int, int]]:
    """Yield what tells a file that was changed: without git's own folders."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = os.path.join(place, name)
            try:
                status = os.lstat(path)
            except OSError:
                continue
            yield path, status.st_mtime_ns, status.st_size


def watch(folder: str, before: set[tuple[str, int, int]], begin: float, over: threading.Event) -> None:
    """Say when something in a folder is different for the first time."""
    last = False
    while not last:
        last = over.wait(LOOK)
        if set(looks(folder)) != before:
            return say(first_edit=time.monotonic() - begin)
    return None


# The program.


def relay(name: str, descriptor: int) -> None:
    """Say what comes out of a pipe, until its end."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := os.read(descriptor, CHUNK):
        if text := decoder.decode(data):
            say(**{name: text})
    os.close(descriptor)


def end(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of the program; whether its time was over before."""
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return True


def feed(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin
    try:
        process.stdin.write(text.encode())
        process.stdin.close()
    except OSError:  # it does not read, or not all
        pass


def collect(home: Path, patterns: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the files that fit, no links, until they are too many."""
    room = LARGEST
    for path in sorted({path for pattern in patterns for path in home.glob(pattern)}):
        if stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_size <= room:
            data = path.read_bytes()
            room -= len(data)
            yield str(path.relative_to(home)), data


def start(job: dict[str, Any], home: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the program in a group of its own. Raises OSError when it cannot be."""
    for name, text in job["files"].items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    pipe = subprocess.PIPE
    return subprocess.Popen(job["argv"], env=variables, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, bufsize=0)


def main() -> int:
    job: dict[str, Any] = json.load(sys.stdin)
    temporary = Path(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108 - inside of the sandbox
    home, scratch = temporary / "home", temporary / "scratch"
    for folder in (home, scratch):
        folder.mkdir(mode=0o700)
    variables = {**os.environ, "HOME": str(home), "TMPDIR": str(scratch), "PWD": os.getcwd()}
    variables["PATH"] = wrapped(temporary / "bin", variables)
    if job["gate"]:
        variables |= open_ways(job["gate"], job["near"])
    places = {"{home}": str(home), "{tree}": os.getcwd()}
    job |= {name: place(job[name], places) for name in ("argv", "variables", "files")}
    variables |= job["variables"]
    before, begin = set(looks(".")), time.monotonic()
    try:
        process = start(job, home, variables)
    except OSError as error:
        say(missing=f"{job['argv'][0]}: {error.strerror or error}")
        return 0
    run(process, job, before, begin)
    for name, data in collect(home, job["collect"]):
        say(file=name, data=base64.b64encode(data).decode())
    return 0


def wrapped(folder: Path, variables: dict[str, str]) -> str:
    """Make `python` find the task's modules, and no other program that is written in Python; returns the PATH that leads there."""
    path = variables.pop("PYTHONPATH", "")
    found = shutil.which("python", path=variables["PATH"])
    if not path or not found:
        return variables["PATH"]
    folder.mkdir()
    script = f'#!/bin/sh\nPYTHONPATH={shlex.quote(path)}${{PYTHONPATH:+:$PYTHONPATH}} exec {shlex.quote(found)} "$@"\n'
    for name in ("python", "python3"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return f"{folder}:{variables['PATH']}"


def place(value: Any, places: dict[str, str]) -> Any:
    """Put this run's own folders for what stands for them."""
    if isinstance(value, dict):
        return {key: place(inner, places) for key, inner in value.items()}
    if isinstance(value, list):
        return [place(inner, places) for inner in value]
    if isinstance(value, str):
        for name, path in places.items():
            value = value.replace(name, path)
    return value


def run(process: subprocess.Popen[bytes], job: dict[str, Any], before: set[tuple[str, int, int]], begin: float) -> None:
    """Accompany the program to its end, and say how it was; `before` is what was in the work tree."""
    assert process.stdout
    assert process.stderr
    over = threading.Event()
    pipes = [("stdout", os.dup(process.stdout.fileno())), ("stderr", os.dup(process.stderr.fileno()))]
    relays = [threading.Thread(target=relay, args=pipe, daemon=True) for pipe in pipes]
    watcher = threading.Thread(target=watch, args=(".", before, begin, over), daemon=True)
    for thread in (*relays, watcher, threading.Thread(target=feed, args=(process, job["stdin"]), daemon=True)):
        thread.start()
    timed_out = end(process, job["seconds"])
    seconds = time.monotonic() - begin
    for thread in relays:  # what it left running may hold its pipes for ever
        thread.join(PATIENCE)
    over.set()
    watcher.join()
    say(returncode=process.returncode, timed_out=timed_out, seconds=seconds)


if __name__ == "__main__":
    sys.exit(main())
