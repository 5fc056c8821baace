"""The hub's client runs for real, in a fresh process, against a server that speaks the hub's protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from pytest_isobench.dataset.hub import fetch
from pytest_isobench.errors import MissingExtraError, UsageError

pytest.importorskip("huggingface_hub")

COMMIT = "c0ffee" + "0" * 34


def line(name: str) -> bytes:
    source = {"kind": "path", "base": "a", "human": "b"}
    return json.dumps({"id": name, "source": source, "workload": {"kind": "python", "file": "workloads/w.py"}}).encode()


FILES = {
    "README.md": b"# data",
    "train.jsonl": line("train-1") + b"\n" + line("train-2"),
    "data/test-00000-of-00002.jsonl": line("test-1"),
    "data/test-00001-of-00002.jsonl": line("test-2") + b"\n" + line("test-1"),
    "workloads/w.py": b"def run(x): return x",
    "../../outside.jsonl": line("outside"),
    "weights.bin": b"not wanted",
}


class Hub(BaseHTTPRequestHandler):
    requested: list[str]

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.requested.append(path)
        for prefix in ("/api/datasets/org/name", "/datasets/org/name/resolve/"):
            if path.startswith(prefix):
                self.answer(path.removeprefix(prefix), prefix)
                return
        self.give(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})

    def answer(self, rest: str, prefix: str) -> None:
        if "/resolve/" in prefix:
            body = FILES[rest.split("/", 1)[1]]
            self.give(200, body, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(body).hexdigest()}"'})
        elif "no-such" in rest:
            self.give(404, b'{"error": "Revision not found"}', {"X-Error-Code": "RevisionNotFound"})
        elif "/tree/" in rest:
            tree = [{"type": "file", "path": name, "size": len(body), "oid": "0" * 40} for name, body in FILES.items()]
            self.give(200, json.dumps(tree).encode())
        else:
            siblings = [{"rfilename": name} for name in FILES]
            self.give(200, json.dumps({"id": "org/name", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}).encode())

    def give(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


SCRIPT = """
import json, sys
from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.errors import IsobenchError

for name in sys.argv[1:]:
    try:
        stubs = list(read_stubs(name))
        folders = {next(parent for parent in stub.path.parents if parent.parent.name == "snapshots") for stub in stubs}
        beside = [(folder / "workloads/w.py").exists() for folder in folders]
        print(json.dumps([[stub.id for stub in stubs], beside]))
    except IsobenchError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[ThreadingHTTPServer]:
    Hub.requested = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def read(home: Path, endpoint: str, *names: str) -> list[list[object]]:
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, *names], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(text) for text in done.stdout.splitlines()]


def test_data_sets_of_the_hub(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    names = ("hub:org/name", "hub:org/name:train", "hub:org/name@main:test", "hub:org/name:tset", "hub:org/name@no-such", "hub:org/other")
    names += ("hub:org/a--b",)
    everything, train, test, no_split, no_revision, no_data, no_name = read(tmp_path, f"http://127.0.0.1:{hub.server_port}", *names)
    assert everything == [["test-1", "test-2", "test-1-line-2", "train-1", "train-2"], [True]]
    assert train[0] == ["train-1", "train-2"]
    assert test[0] == ["test-1", "test-2", "test-1-line-2"]
    assert no_split == ["UsageError", "hub:org/name:tset: the data set has no split 'tset' (did you mean 'test'?); it has: test, train"]
    assert no_revision == ["UsageError", "hub:org/name@no-such: the data set has no revision 'no-such'"]
    assert no_data[0] == "UsageError"
    assert "no such data set" in str(no_data[1])
    assert no_name[0] == "UsageError"
    assert not any("weights" in path for path in Hub.requested)


def test_a_hub_that_cannot_be_reached_is_the_machines_failure(tmp_path: Path) -> None:
    ((kind, message),) = read(tmp_path, "http://127.0.0.1:9", "hub:org/name")
    assert kind == "SourceError"
    assert "hub:org/name: the hub did not give it" in str(message)


@pytest.mark.parametrize("name", ["hub:", "hub:name", "hub:a/b/c", "hub:a/b@", "hub:a/b@x@y", "hub:a/b:", "hub:../x y"])
def test_a_wrong_name_says_how_to_write_it(name: str) -> None:
    with pytest.raises(UsageError, match="write hub:ORG/NAME"):
        fetch(name)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pytest-isobench\[hub\]'"):
        fetch("hub:org/name")
