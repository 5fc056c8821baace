"""What an agent could see: every kind of leak planted in a work tree, and the same work tree without it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.agents.expected import Expected, Package, expect, identities
from pytest_isobench.agents.leaks import LOOKING, SHOWN, audit
from pytest_isobench.agents.worktree import REPOSITORY, paths
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.models.task import Task

BASE = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result = result + number\n    return result\n"
HUMAN = "from operator import add\nfrom functools import reduce\n\ndef total(numbers):\n    return reduce(add, numbers, 0)\n"
PERSON = {f"GIT_{who}_{what}": "human" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
CLEAN = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@dataclass(frozen=True)
class Place:
    """A work tree and what is around it."""

    folder: Path
    expected: Expected

    @property
    def tree(self) -> Path:
        return self.folder / "sandbox" / "tree"

    @property
    def around(self) -> Path:
        return self.folder / "sandbox"

    @property
    def human(self) -> Path:
        return self.folder / "human"

    def git(self, *arguments: str, stdin: str = "") -> str:
        """Run git in the work tree as a person would."""
        variables = {**CLEAN, **PERSON, "HOME": str(self.around)}
        done = subprocess.run(["git", *arguments], cwd=self.tree, env=variables, input=stdin, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def change(self) -> str:
        """Commit the human's version beside the only branch and return the commit."""
        blob = self.git("hash-object", "-w", str(self.human / "total.py"))
        tree = self.git("mktree", stdin=f"100644 blob {blob}\ttotal.py\n")
        return self.git("commit-tree", tree, "-m", "Make it faster")

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file beside the work tree."""
        path = self.around / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def look(self, **variables: str) -> bytes:
        """Look around as in a sandbox that has nothing but this folder."""
        job = replace(self.expected, places=(str(self.around),)).job(seconds=30)
        variables = {**CLEAN, "HOME": str(self.around / "home"), "TMPDIR": str(self.around / "tmp"), **variables}
        for name in ("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL"):
            del variables[name]
        command = [sys.executable, "-I", "-c", LOOKING.read_text()]
        done = subprocess.run(command, cwd=self.tree, env=variables, input=json.dumps(job).encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    def leaks(self, **variables: str) -> list[tuple[str, str]]:
        """Return kind and place of each leak, places below the sandbox's folder."""
        found = audit(self.look(**variables), self.expected)
        assert all(leak.message for leak in found)
        return [(leak.kind, leak.where.removeprefix(f"{self.around}/")) for leak in found]


class Versions:
    """A source of two folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def baseline(self) -> Version:
        return self._version("base")

    def human(self) -> Version:
        return self._version("human")

    def named(self, name: str) -> Version:
        raise NotImplementedError

    def _version(self, name: str) -> Version:
        environment = BuiltEnvironment(path=self.folder, digest="")
        return Version(label=name, tree=self.folder / name, environment=environment, digest=name)


def a_task(**fields: object) -> Task:
    source = {"kind": "path", "base": "base", "human": "human"}
    workload = {"kind": "python", "code": "def run(x): pass"}
    return Task.model_validate({"id": "demo", "description": "Add.", "source": source, "workload": workload, **fields})


def tree(folder: Path, text: str) -> None:
    (folder / "package").mkdir(parents=True)
    (folder / "total.py").write_text(text)
    (folder / "package" / "__init__.py").write_text("")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("total.py")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A fair work tree; tests that change it get a copy."""
    folder = tmp_path_factory.mktemp("made")
    for path, text in (("base", BASE), ("human", HUMAN), ("sandbox/tree", BASE)):
        tree(folder / path, text)
    for name in ("home", "tmp"):
        (folder / "sandbox" / name).mkdir()
    for name, text in {"tasks.yaml": "tasks: []", "data.jsonl": "{}\n", "1.diff": "--- a/x\n+++ b/x\n"}.items():
        (folder / name).write_text(text)
    job = json.dumps({"files": paths(folder / "base")})
    command = [sys.executable, "-I", "-c", REPOSITORY.read_text()]
    subprocess.run(command, cwd=folder / "sandbox" / "tree", input=job, capture_output=True, text=True, check=True)
    task_files = [folder / "tasks.yaml", folder / "data.jsonl"]
    known = expect(a_task(), Versions(folder), task_files=task_files, attempts=[folder / "1.diff"], network=True)
    return Place(folder, replace(known, package=Package(name="Fast-Total", base="1.0", human="1.1")))


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    shutil.copytree(made.folder, tmp_path / "made", symlinks=True)
    return replace(made, folder=tmp_path / "made")


@pytest.fixture(scope="module")
def seen(made: Place) -> bytes:
    """What there is to be seen in a fair work tree."""
    return made.look()


def test_a_fair_work_tree_leaks_nothing(made: Place, seen: bytes) -> None:
    assert audit(seen, made.expected) == ()
    commit, of_tree = made.git("rev-parse", "HEAD", "HEAD^{tree}").split()
    assert (commit, of_tree) == (made.expected.commit, made.expected.tree)


def branch(place: Place) -> None:
    place.git("branch", "faster", place.change())


def tag(place: Place) -> None:
    place.git("tag", "-a", "v2", "-m", "Faster", place.change())


def packed_ref(place: Place) -> None:
    branch(place)
    place.git("pack-refs", "--all")


def reflog(place: Place) -> None:
    (place.tree / ".git/logs").mkdir()
    (place.tree / ".git/logs/HEAD").write_text(f"{'0' * 40} {place.change()} human <human> 1 +0000\tcommit\n")


def pseudo_ref(place: Place) -> None:
    (place.tree / ".git/ORIG_HEAD").write_text(place.change())


def detached(place: Place) -> None:
    place.git("update-ref", "--no-deref", "HEAD", place.change())
    (place.tree / ".git/HEAD").write_text(place.change())


def stash(place: Place) -> None:
    (place.tree / "total.py").write_text(HUMAN)
    place.git("stash")


def alternates(place: Place) -> None:
    other = place.folder / "other"
    subprocess.run(["git", "init", "-q", "--bare", other], check=True, env=CLEAN)
    (place.tree / ".git/objects/info").mkdir(exist_ok=True)
    (place.tree / ".git/objects/info/alternates").write_text(f"{other}/objects\n")


def unreachable(place: Place) -> None:
    place.git("hash-object", "-w", str(place.human / "total.py"))


def unrelated_object(place: Place) -> None:
    place.git("hash-object", "-w", "--stdin", stdin="a hint\n")


def packed_object(place: Place) -> None:
    name = place.git("hash-object", "-w", str(place.human / "total.py"))
    place.git("pack-objects", "-q", ".git/objects/pack/pack", stdin=f"{name}\n")
    (place.tree / ".git/objects" / name[:2] / name[2:]).unlink()


def garbage(place: Place) -> None:
    (place.tree / ".git/objects/12").mkdir(exist_ok=True)
    (place.tree / ".git/objects/12/tmp_obj_x").write_text("broken")


def hook(place: Place) -> None:
    (place.tree / ".git/hooks").mkdir()
    (place.tree / ".git/hooks/post-checkout").write_text("#!/bin/sh\n")


def remote(place: Place) -> None:
    place.git("remote", "add", "origin", "https://example.invalid/total.git")


def worktrees(place: Place) -> None:
    (place.tree / ".git/worktrees/faster").mkdir(parents=True)
    (place.tree / ".git/worktrees/faster/HEAD").write_text(place.change())


def notes(place: Place) -> None:
    (place.tree / ".git/description").write_text("The fast one uses reduce.")


def ignored(place: Place) -> None:
    with (place.tree / ".git/info/exclude").open("a") as file:
        file.write("# use reduce\n")


def nested(place: Place) -> None:
    subprocess.run(["git", "init", "-q", place.tree / "package"], check=True, env=CLEAN)


def clone_nearby(place: Place) -> None:
    place.change()
    subprocess.run(["cp", "-r", place.tree / ".git", place.around / "mirror.git"], check=True)
    for path in sorted((place.tree / ".git/objects").glob("??/*")):
        if (name := path.parent.name + path.name) not in place.expected.objects:
            (place.tree / ".git/objects" / name[:2] / name[2:]).unlink()


def written(target: str, content: str) -> Callable[[Place], None]:
    return lambda place: place.write(target, content)


def installed(folder: str, name: str, version: str) -> Callable[[Place], None]:
    return written(f"{folder}/{name}-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n")


def cached_wheel(place: Place) -> None:
    place.write("home/.cache/pip/http-v2/a/b/body", b"")
    with zipfile.ZipFile(place.around / "home/.cache/pip/http-v2/a/b/body", "w") as archive:
        archive.writestr("fast_total-1.1.dist-info/METADATA", "Name: fast-total\n")


def copied(source: str, target: str) -> Callable[[Place], None]:
    return lambda place: place.write(target, (place.folder / source).read_bytes())



SITE = "venv/lib/python3.12/site-packages"
OBJECTS = {"human_object", "object"}
PLANTED = [
    (branch, {"ref", *OBJECTS}),
    (tag, {"ref", *OBJECTS}),
    (packed_ref, {"ref", *OBJECTS}),
    (reflog, {"reflog", *OBJECTS}),
    (pseudo_ref, {"pseudo_ref", *OBJECTS}),
    (detached, {"pseudo_ref", *OBJECTS}),
    (stash, {"stash", "pseudo_ref", *OBJECTS}),
    (alternates, {"alternates"}),
    (unreachable, {"human_object"}),
    (unrelated_object, {"object"}),
    (packed_object, {"human_object", "object"}),
    (garbage, {"object"}),
    (hook, {"hook"}),
    (remote, {"config"}),
    (worktrees, {"repository", *OBJECTS}),
    (notes, {"git_file"}),
    (ignored, {"git_file"}),
    (nested, {"repository", "tree_file"}),
    (clone_nearby, {"human_object"}),
    (copied("human/total.py", "tree/total.py"), {"human_file"}),
    (copied("human/total.py", "tree/package/new.py"), {"human_file"}),
    (copied("human/total.py", "tmp/cache/x.bin"), {"human_file"}),
    (written("home/answer.md", "Write this:\n\n>     from functools import reduce\n> + return reduce(add, numbers, 0)\n"), {"human_file"}),
    (written("tree/hint.txt", "Use reduce.\n"), {"tree_file"}),
    (written("tree/total.py", BASE + "# slow\n"), {"tree_file"}),
    (lambda place: (place.tree / "run").unlink(), {"tree_file"}),
    (installed(SITE, "fast_total", "1.1"), {"release"}),
    (installed("uv/archive-v0/abc", "fast.total", "2.0rc1"), {"release"}),
    (written(f"{SITE}/Fast_Total.egg-info", "Name: Fast_Total\nVersion: 1.0.1\n"), {"release"}),
    (written("home/.cache/pip/wheels/1/fast_total-1.1-py3-none-any.whl", "x"), {"wheel"}),
    (written("tmp/fast-total-1.1.tar.gz", "x"), {"wheel"}),
    (cached_wheel, {"wheel"}),
    (written("conda/pkgs/fast-total-1.1-py_0/info", "x"), {"wheel"}),
    (written("home/.cache/huggingface/hub/datasets--me--tasks/refs/main", "x"), {"hub_cache"}),
    (written("home/.cache/torch/hub/me_total_main/total.py", "x"), {"hub_cache"}),
    (copied("data.jsonl", "home/d"), {"data_set"}),
    (copied("tasks.yaml", "tmp/t"), {"task_file"}),
    (copied("1.diff", "tmp/last"), {"attempt"}),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "kinds"), PLANTED, ids=[getattr(plant, "__name__", "") for plant, _ in PLANTED])
def test_a_planted_leak_is_found(place: Place, plant: Callable[[Place], None], kinds: set[str]) -> None:
    plant(place)
    assert {kind for kind, _ in place.leaks()} == kinds


HARMLESS = [
    installed(SITE, "fast_total", "1.0"),
    installed(SITE, "fast_total", "0.9"),
    installed(SITE, "other", "3.0"),
    written("home/.cache/pip/wheels/1/other-1.1-py3-none-any.whl", "x"),
    written("home/.cache/huggingface/hub/models--me--small/refs/main", "x"),
    written("tree/__pycache__/total.cpython-312.pyc", "x"),
    written("tmp/notes.txt", "Adding numbers takes long.\n"),
    copied("base/total.py", "tmp/total.py"),
]


@pytest.mark.parametrize("put", HARMLESS)
def test_what_gives_nothing_away_is_no_leak(place: Place, put: Callable[[Place], None]) -> None:
    put(place)
    assert place.leaks() == []


@pytest.mark.parametrize(("name", "kind"), [("HF_TOKEN", "secret"), ("EDITOR", "variable")])
def test_variables_that_nobody_gave(made: Place, name: str, kind: str) -> None:
    seen = made.look(**{name: "x"})
    assert [(leak.kind, leak.where) for leak in audit(seen, made.expected)] == [(kind, name)]
    assert audit(seen, replace(made.expected, variables=made.expected.variables | {name})) == ()


@contextmanager
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_host_that_can_be_reached(made: Place) -> None:
    with listening() as host:
        found = replace(made, expected=replace(made.expected, hosts=(host, "127.0.0.1:1"), network=False)).leaks()
    assert ("network", host) in found
    assert ("network", "127.0.0.1:1") not in found


def test_what_install_commands_left_is_theirs(place: Place) -> None:
    (place.tree / "build").mkdir()
    (place.tree / "build" / "total.so").write_text("x")
    seen = place.look()
    assert [leak.where for leak in audit(seen, place.expected)] == ["build/total.so"]
    assert audit(seen, replace(place.expected, built=True)) == ()


def test_a_leak_tells_what_to_do(place: Place) -> None:
    branch(place)
    told = {leak.kind: leak.message for leak in audit(place.look(), place.expected)}
    assert told["human_object"] == "this blob is the human's total.py; make the repository anew, of the base version's files alone"
    assert "names further commits" in told["ref"]


def test_many_leaks_are_counted(place: Place) -> None:
    for number in range(SHOWN + 7):
        (place.tree / f"extra-{number}").write_text("x")
    leaks = audit(place.look(), place.expected)
    assert (len(leaks), leaks[-1].message) == (SHOWN + 1, "7 more of this kind")


@pytest.mark.parametrize("made_up", [b"", b"{}", b"[" * 100_000, b'{"version": 1', b"\xff", b"null"])
def test_an_inventory_that_cannot_be_read_is_a_leak(made: Place, made_up: bytes) -> None:
    (leak,) = audit(made_up, made.expected)
    assert leak.kind == "inventory"


@pytest.mark.parametrize(("lie", "kind"), [
    (lambda seen: seen["repositories"].clear(), "inventory"),
    (lambda seen: seen["repositories"][0]["objects"].clear(), "inventory"),
    (lambda seen: seen["tree"].clear(), "tree_file"),
    (lambda seen: seen.update(complete=False), "unseen"),
    (lambda seen: seen.update(notes=["/x: Input/output error"]), "unseen"),
    (lambda seen: seen["repositories"][0].update(complete=False), "unseen"),
    (lambda seen: seen.update(extra=1), "inventory"),
    (lambda seen: seen["files"].append({"path": "x" * 10**6, "size": 1, "sha256": "", "lines": 0}), "inventory"),
])  # fmt: skip
def test_what_was_left_out_or_made_up_shows(made: Place, seen: bytes, lie: Callable[[dict], object], kind: str) -> None:
    told = json.loads(seen)
    lie(told)
    assert {leak.kind for leak in audit(json.dumps(told).encode(), made.expected)} == {kind}


PLAIN = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
NOTHING = Expected(commit="", tree="", objects=frozenset(), blobs={})


@given(JSON)
def test_whatever_comes_is_judged(value: object) -> None:
    assert audit(json.dumps(value).encode(), NOTHING)


def test_names_of_any_bytes_are_told(place: Place) -> None:
    (place.tree / os.fsdecode(b"\xff\n")).write_text("x")
    assert place.leaks() == [("tree_file", "\\xff\n")]


def test_a_look_that_takes_too_long_says_so(place: Place) -> None:
    job = replace(place.expected, places=(str(place.around),)).job(entries=3)
    command = [sys.executable, "-I", "-c", LOOKING.read_text()]
    done = subprocess.run(command, cwd=place.tree, input=json.dumps(job), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["complete"] is False


def test_a_file_that_cannot_be_read_is_nobody_s_secret(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert list(identities([tmp_path / "a", tmp_path / "none"]).values()) == ["a"]
