"""Programs in a work tree: started, accompanied, stopped, and what they changed brought back; the only way out is the gate."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from test_worktree import environment, task, version  # noqa: F401 - fixtures

from pytest_isobench.agents.drivers.base import Call
from pytest_isobench.agents.gate import Gate, open_gate
from pytest_isobench.agents.running import Progress, Ran, Tail, collect, manifest, run
from pytest_isobench.agents.worktree import WorkTree, open_worktree
from pytest_isobench.dataset.versions import Version
from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.sandboxes.probe import probe

needs_bubblewrap = pytest.mark.skipif(isinstance(probe().bubblewrap, str), reason="no bubblewrap, so no sandbox without a network")
SECONDS = 120.0


@pytest.fixture
def worktree(version: Version) -> Iterator[WorkTree]:  # noqa: F811
    with open_worktree(LocalProvider(), task(), version) as opened:
        yield opened


def play(worktree: WorkTree, script: str, *, seconds: float = SECONDS, stop: threading.Event | None = None, **call: Any) -> Ran:
    stop, heard = stop or threading.Event(), call.pop("progress", lambda _: None)
    shell = Call(argv=("/bin/sh", "-c", script), **call)
    return run(worktree, shell, seconds=seconds, gate=None, progress=heard, stop=stop)


def changed(worktree: WorkTree, version: Version) -> dict[str, Any]:  # noqa: F811
    return {change["path"]: change for change in collect(worktree, manifest(version.tree))}


def test_what_a_program_says_and_leaves(worktree: WorkTree) -> None:
    script = 'cat; cat "$HOME/in/a.txt" >&2; echo "$KEY $(pwd) $HOME" >"$HOME/out.txt"; ln -s /etc/passwd "$HOME/link.txt"; exit 7'
    files = {"in/a.txt": "home {home}, tree {tree}\n"}
    ran = play(worktree, script, stdin="prompt ü\n", files=files, variables={"KEY": "v"}, collect=("*.txt", "in/*"))
    key, tree, home = ran.files["out.txt"].decode().split()
    assert (ran.output.stdout, ran.output.stderr) == ("prompt ü\n", f"home {home}, tree {tree}\n")
    assert (ran.returncode, ran.timed_out, ran.missing, key) == (7, False, "", "v")
    assert sorted(ran.files) == ["in/a.txt", "out.txt"]


def test_variables_are_an_allow_list(worktree: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hidden")
    ran = play(worktree, "env | sed 's/=.*//' | sort", variables={"GIVEN": "1"})
    assert set(ran.output.stdout.split()) == {"GIVEN", "HOME", "LANG", "PATH", "PWD", "PYTHONDONTWRITEBYTECODE", "TMPDIR"}


def test_a_program_that_is_not_there(worktree: WorkTree) -> None:
    ran = run(worktree, Call(argv=("/no/such",)), seconds=9, gate=None, progress=lambda _: None, stop=threading.Event())
    assert ran.missing == "/no/such: No such file or directory"


@pytest.mark.soak
@pytest.mark.parametrize("script", ["sleep 300", "trap '' TERM; echo x > new; sleep 300 & sleep 300; sleep 300"])
def test_time_is_over(worktree: WorkTree, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(__file__).parents[2].joinpath("pytest_isobench/agents/launching.py").read_text()
    quick = worktree.sandbox, text.replace("PATIENCE = 10.0", "PATIENCE = 0.5")
    monkeypatch.setattr(WorkTree, "program", impatient(quick[1]))
    ran = play(worktree, f"echo kept > $HOME/kept; {script}", seconds=1, collect=("kept",))
    assert (ran.timed_out, ran.files) == (True, {"kept": b"kept\n"})
    assert ran.seconds < SECONDS


def impatient(text: str) -> Any:
    """Return `WorkTree.program` with another text of the launcher."""

    def program(self: WorkTree, file: Path, job: Any, **options: Any) -> Any:
        return self.run(["{python}", "-I", "-c", text], stdin=json.dumps(job).encode(), **options)

    return program


@pytest.mark.soak
def test_stop_ends_it_and_keeps_what_it_made(worktree: WorkTree, version: Version) -> None:  # noqa: F811
    stop, seen = threading.Event(), list[Progress]()

    def progress(now: Progress) -> None:
        seen.append(now)
        if now.edited:
            stop.set()

    ran = play(worktree, "echo started; echo 1 > new; while :; do echo working; sleep 0.3; done", stop=stop, progress=progress)
    assert ran.output.stdout.startswith("started\nworking\n")
    assert ran.first_edit is not None
    assert seen[0].phase == "working"
    assert changed(worktree, version)["new"]["data"] == b"1\n"


def test_changes_are_found(worktree: WorkTree, version: Version) -> None:  # noqa: F811
    script = """
echo 'x = 2' > a.py; rm id; chmod +x sub/ignored.log; mkdir -p deep/er; printf '\\0\\377' > deep/er/data; mkfifo pipe
ln -sf script link; git init -q deep/nested; git config core.fsmonitor 'touch /tmp/x'; rm -rf .git/hooks; mkdir -p __pycache__
echo x > __pycache__/a.pyc; truncate -s 20M huge; touch -d 2001-01-01 script
"""
    assert play(worktree, script).output.stderr == ""
    found = changed(worktree, version)
    assert found["a.py"] == {"path": "a.py", "mode": "100644", "data": b"x = 2\n"}
    assert found["id"] == {"path": "id", "gone": True}
    assert found["sub/ignored.log"]["mode"] == "100755"
    assert found["deep/er/data"]["data"] == b"\0\xff"
    assert found["link"] == {"path": "link", "mode": "120000", "data": b"script"}
    assert found["pipe"]["refused"] == "is neither a file nor a link"
    assert found["huge"]["refused"] == f"has {20 * 2**20} bytes"
    assert len(found) == 7


def test_what_is_hidden_from_the_collector_is_found(worktree: WorkTree, version: Version) -> None:  # noqa: F811
    script = "echo 1 > a.py; chmod 000 a.py; mkdir dark; echo 2 > dark/new; chmod 000 dark sub script; chmod 000 ."
    play(worktree, script)
    found = changed(worktree, version)
    assert (found["a.py"]["data"], found["dark/new"]["data"]) == (b"1\n", b"2\n")
    assert sorted(found) == ["a.py", "dark/new", "script"]
    assert found["script"]["mode"] == "100644", "who may not be run any more is no program"


@pytest.mark.soak
def test_folders_may_be_deep(worktree: WorkTree, version: Version) -> None:  # noqa: F811
    script = "import os\nfor _ in range(3000):\n    os.mkdir('d'); os.chdir('d')\nopen('x', 'w').close()"
    assert play(worktree, f'python -c "{script}"; echo 1 > new').output.stderr == ""
    found = changed(worktree, version)
    assert found.pop("new")["data"] == b"1\n"
    assert [change["refused"].partition(":")[0] for change in found.values()] == ["cannot be read"]


@pytest.mark.soak
@pytest.mark.parametrize(("number", "whole"), [(100, True), (20_100, False)])
def test_changes_may_be_too_many(worktree: WorkTree, version: Version, number: int, whole: bool) -> None:  # noqa: F811
    play(worktree, f"mkdir many; cd many; seq {number} | xargs touch")
    found = changed(worktree, version)
    assert ("." not in found) is whole
    assert len(found) == min(number, 20_001)


@pytest.mark.soak
@pytest.mark.parametrize(("script", "abandoned"), [("kill -9 $PPID; sleep 300", True), ("kill -9 $$", False)])
def test_the_launcher_may_be_killed(worktree: WorkTree, version: Version, script: str, abandoned: bool) -> None:  # noqa: F811
    ran = play(worktree, f"echo 1 > new; {script}")
    assert ran.abandoned is abandoned
    assert changed(worktree, version)["new"]["data"] == b"1\n"


def test_the_end_of_much_output_is_kept() -> None:
    tail = Tail(10)
    for number in range(100):
        tail.append(f"{number:03}")
    assert tail.text == "097098099"


def test_lines_of_the_launcher_may_be_made_up() -> None:
    ran = Ran()
    for fact in ({"file": 1, "data": "x"}, {"file": "a", "data": "?"}, {"first_edit": -1.0}, {"returncode": "x", "timed_out": 1}, {}):
        ran.take(fact)
    assert ran == Ran()


class Hello(BaseHTTPRequestHandler):
    """Answers with the path that it was asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"hello {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


FETCH = """
import sys, urllib.request
for url, proxy in (line.split() for line in sys.stdin):
    handler = urllib.request.ProxyHandler(None if proxy == "proxy" else {})
    try:
        print(urllib.request.build_opener(handler).open(url, timeout=20).read().decode())
    except OSError as error:
        print(type(error).__name__, getattr(error, "code", ""))
"""


@needs_bubblewrap
def test_the_gate_is_the_only_way_out(version: Version, service: int) -> None:  # noqa: F811
    other = socket.create_server(("127.0.0.1", 0))
    with other, open_gate([f"127.0.0.1:{service}", f"localhost:{service}", "nosuch.invalid"]) as gate:
        wanted = [
            f"http://127.0.0.1:{service}/near direct",
            f"http://localhost:{service}/via proxy",
            f"http://127.0.0.1:{other.getsockname()[1]}/other direct",
            "http://upstream.example:80/fix proxy",
            "https://upstream.example/fix proxy",
        ]
        with open_worktree(LocalProvider(), task(), version, folders=(gate.folder,)) as worktree:
            call = Call(argv=("/usr/bin/env", "python3", "-c", FETCH), stdin="".join(f"{line}\n" for line in wanted))
            call = Call(argv=call.argv, stdin=call.stdin, variables={"no_proxy": ""})
            ran = run(worktree, call, seconds=SECONDS, gate=gate, progress=lambda _: None, stop=threading.Event())
    lines = ran.output.stdout.splitlines()
    assert lines[:2] == ["hello /near", "hello /via"], ran.output.stderr
    assert lines[2].startswith("URLError")
    assert lines[3] == "HTTPError 403"
    assert lines[4].startswith(("URLError", "OSError"))
    assert gate.refused == {"upstream.example:80": 1, "upstream.example:443": 1}


@pytest.mark.parametrize(
    ("hosts", "near"),
    [((), ()), (("api.example",), ()), (("127.0.0.1:81", "localhost:80", "127.0.0.2:82"), (81, 80))],
)
def test_services_of_this_machine(hosts: tuple[str, ...], near: tuple[int, ...]) -> None:
    with open_gate(hosts) as gate:
        assert gate.near == near


@pytest.mark.parametrize("said", [b"", b"nonsense", b"\xff\n", b"a" * 5000, b"127.0.0.1:99999\n"])
def test_the_gate_survives_nonsense(said: bytes) -> None:
    with open_gate(["127.0.0.1:99999"]) as gate:
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(str(gate.path))
                client.sendall(said)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) in (b"", b"-")
    assert not gate.folder.exists()
    assert isinstance(gate, Gate)
