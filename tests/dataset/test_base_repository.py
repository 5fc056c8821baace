"""Base trees as repositories: what goes in comes out, and what does not fit changes nothing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_isobench.dataset.base_repository import BaseRepository, Change, Changed
from pytest_isobench.dataset.cache import Cache, tree_digest
from pytest_isobench.dataset.patches import parse_patch
from pytest_isobench.errors import DoesNotApplyError, SourceError

SHARED = Path(__file__).parents[2] / ".." / "shared" / "iso_bench_data"
SETS = {"claude_code": "claude_code", "codex": "codex_gpt5", "trae_gpt5": "trae_gpt5", "trae_sonnet45": "trae_sonnet45"}

Files = Mapping[str, Change]

LINES = "".join(f"line {number}\n" for number in range(30)).encode()


def write(files: Files, folder: Path) -> Path:
    """Write files into a folder."""
    folder.mkdir()
    for name, change in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(change.mode):
            path.symlink_to(os.fsdecode(change.content))
        else:
            path.write_bytes(change.content)
            path.chmod(stat.S_IMODE(change.mode))
    return folder


def read(folder: Path) -> dict[str, Change]:
    """Read them back."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return {str(path.relative_to(folder)): entry(path) for path in paths}


def entry(path: Path) -> Change:
    if path.is_symlink():
        return Change(os.fsencode(os.readlink(path)), 0o120000)
    return Change(path.read_bytes(), 0o100755 if path.stat().st_mode & 0o111 else 0o100644)


def base_of(files: Files | Mapping[str, bytes], tmp_path: Path) -> BaseRepository:
    changes = {name: file if isinstance(file, Change) else Change(file) for name, file in files.items()}
    tree = write(changes, Path(str(tmp_path / "tree") + str(len(list(tmp_path.iterdir())))))
    return BaseRepository.of(tree, tree_digest(tree), Cache(tmp_path / "cache"))


def hash_of(folder: Path) -> str:
    """Hash a folder with git itself, as a work tree without any filter."""
    attributes = folder.parent / "no-filters"
    attributes.write_text("* -text -filter -ident -working-tree-encoding !eol\n")
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str) -> str:
        command = ["git", f"--git-dir={folder.parent / 'reference'}", f"--work-tree={folder}", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (folder.parent / "reference" / "info").mkdir(exist_ok=True)
    attributes.rename(folder.parent / "reference" / "info" / "attributes")
    git("add", "--all", "--force")
    return git("write-tree")


BASE = {
    "m.py": b"x = 1\n",
    "long.py": LINES,
    "crlf.py": b"a\r\nb\r\nc\r\n",
    "unended.py": b"a\nb",
    "data.bin": bytes(range(256)),
    "latin.py": "\xe9\n".encode("latin-1"),
    "folder/deep/file.py": b"a\n",
    "folder/other.py": b"b\n",
    "empty": b"",
    "with blank.py": b"a\n",
    'quo"te\\.py': b"a\n",
    "\xfcn\xef.py": b"a\n",
    "[x]*?.py": b"a\n",
}


def test_a_tree_is_taken_as_it_is(tmp_path: Path) -> None:
    files = {name: Change(content) for name, content in BASE.items()}
    files |= {"program": Change(b"#!/bin/sh\n", 0o100755), "link": Change(b"nowhere/at/all", 0o120000), "-n": Change(b"x")}
    files |= {".gitignore": Change(b"*\n"), ".gitattributes": Change(b"* text=auto eol=crlf\n"), os.fsdecode(b"\xff\ny"): Change(b"x")}
    base = base_of(files, tmp_path)
    assert base.names == set(files)
    assert base.tree == hash_of(next(tmp_path.glob("tree*")))
    assert base.after({}) == Changed(tree=base.tree, diff="")


def test_a_tree_without_files(tmp_path: Path) -> None:
    base = base_of({}, tmp_path)
    assert (base.names, base.tree) == (frozenset(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904")
    changed = base.after({"a": Change(b"")})
    assert base.resolve(changed.diff).tree == changed.tree


def test_a_repository_inside_of_the_tree_is_left_out(tmp_path: Path) -> None:
    tree = write({"m.py": Change(b"x\n"), "sub/n.py": Change(b"y\n")}, tmp_path / "tree")
    for folder in (tree, tree / "sub"):
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
        (folder / ".git" / "hooks").mkdir(exist_ok=True)
    base = BaseRepository.of(tree, "nested", Cache(tmp_path / "cache"))
    assert base.names == {"m.py", "sub/n.py"}


def test_the_import_happens_once(tmp_path: Path) -> None:
    base = base_of(BASE, tmp_path)
    again = BaseRepository.of(tmp_path / "nothing", tree_digest(next(tmp_path.glob("tree*"))), Cache(tmp_path / "cache"))
    assert again.tree == base.tree


CHANGES: dict[str, dict[str, Change | None]] = {
    "edit": {"m.py": Change(b"x = 2\n")},
    "edit a middle": {"long.py": Change(LINES.replace(b"line 7\n", b"changed\n"))},
    "new": {"new/a/b.py": Change(b"y\n"), "new empty": Change(b"")},
    "delete": {"m.py": None, "empty": None, "data.bin": None},
    "delete what is not there": {"nowhere": None},
    "delete all": dict.fromkeys(BASE),
    "mode": {"m.py": Change(b"x = 1\n", 0o100755)},
    "mode and content": {"m.py": Change(b"x = 2", 0o100755)},
    "new program": {"run": Change(b"#!/bin/sh\n", 0o100755)},
    "line ends": {"crlf.py": Change(b"a\r\nB\r\nc\r\n")},
    "line ends gone": {"crlf.py": Change(b"a\nb\nc\n")},
    "line ends mixed": {"long.py": Change(LINES.replace(b"3\n", b"3\r\n"))},
    "carriage returns": {"new": Change(b"\r\r\n\r")},
    "no last line end": {"m.py": Change(b"x = 1"), "unended.py": Change(b"a\nb\n"), "new": Change(b"z")},
    "binary": {"data.bin": Change(bytes(range(255, -1, -1))), "new.bin": Change(b"\0" * 3000)},
    "binary to text": {"data.bin": Change(b"text\n")},
    "a NUL byte far inside": {"long.py": Change(b"a\n" * 9000 + b"b\0b\n" + b"c\n" * 9000), "m.py": Change(b"x = 2\n")},
    "NUL bytes far inside and odd names": {name: Change(b"a\n" * 9000 + b"\0\n") for name in ("[x]*?.py", "with blank.py", 'quo"te\\.py')},
    "names": {name: Change(b"changed\n") for name in ("with blank.py", "\xfcn\xef.py", "[x]*?.py", " a", "b ", "-p1", "a/b/a/b", "#")},
    "not UTF-8": {"latin.py": Change(b"\xe8\n"), os.fsdecode(b"\xff.py"): Change(b"\xfe\n")},
    "file to folder": {"m.py": None, "m.py/inside/file.py": Change(b"y\n")},
    "folder to file": {"folder/deep/file.py": None, "folder/other.py": None, "folder": Change(b"now a file\n")},
    "what looks like a diff": {"long.py": Change(b"-- a/../x\n++ b/../x\n@@ -1 +1 @@\ndiff --git a/x b/x\n"), "m.py": Change(b"--- a\n")},
    "attributes": {".gitattributes": Change(b"* -diff text eol=crlf filter=x\n"), "m.py": Change(b"x = 2\r\n")},
    "ignored": {".gitignore": Change(b"*\n"), "new.py": Change(b"y\n")},
}
REFUSED = {'quo"te\\.py'}
"""Names that patches must not have."""


@pytest.fixture(scope="module")
def shared_base(tmp_path_factory: pytest.TempPathFactory) -> BaseRepository:
    return base_of(BASE, tmp_path_factory.mktemp("base"))


@pytest.mark.soak
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_diff_says_is_what_was_changed(shared_base: BaseRepository, name: str, tmp_path: Path) -> None:
    changes = {name: change for name, change in CHANGES[name].items() if change is None or name not in REFUSED}
    expected = {name: Change(content) for name, content in BASE.items()} | changes
    changed = shared_base.after(changes)
    assert changed.tree == hash_of(write({name: change for name, change in expected.items() if change}, tmp_path / "tree"))
    parsed = parse_patch(changed.diff)
    if "\\" not in "".join(parsed.files):
        resolved = shared_base.resolve(changed.diff)
        assert (resolved.tree, resolved.diff, resolved.strategy) == (changed.tree, changed.diff, "strict")
    assert set(parsed.files) == {name for name in changes if changes[name] or name in BASE}
    assert "\0" not in changed.diff


@pytest.mark.parametrize("name", CHANGES)
def test_a_work_tree_takes_the_same(shared_base: BaseRepository, name: str, tmp_path: Path) -> None:
    """As sandboxes apply a diff: without any repository."""
    changed = shared_base.after(CHANGES[name])
    folder = write({name: Change(content) for name, content in BASE.items()}, tmp_path / "tree")
    environment = {**os.environ, "GIT_DIR": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    command = ["git", "apply", "--whitespace=nowarn", "--allow-empty", "-p1"]
    subprocess.run(command, cwd=folder, env=environment, input=parse_patch(changed.diff).data, check=True)
    assert hash_of(folder) == changed.tree


ATTRIBUTES = ["* text=auto", "* -diff", "* filter=planted", "* working-tree-encoding=UTF-16", "* text eol=crlf", "* ident", "* binary"]


@pytest.mark.parametrize("line", [*ATTRIBUTES, "* diff=planted", "* merge=union", "* whitespace=trailing-space", "* export-ignore"])
def test_attributes_of_a_tree_mean_nothing(tmp_path: Path, line: str) -> None:
    content = b"a\r\n$Id$\nb\n \t\nc\n"
    attributes = {".gitattributes": line.encode() + b"\n", "sub/.gitattributes": line.encode()}
    base = base_of({"m.py": content, "sub/m.py": content, **attributes}, tmp_path)
    changed = base.after({name: Change(content.replace(b"b\n", b"b \r\n")) for name in ("m.py", "sub/m.py")})
    assert changed.diff.count("+b \r\n") == 2
    assert "$Id$" in changed.diff
    assert base.resolve(changed.diff).tree == changed.tree


def test_nobody_is_asked_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's settings nor the variables that pytest was started with."""
    expected = base_of(BASE, tmp_path).after(CHANGES["edit"])
    (tmp_path / "home").mkdir()
    settings = "[diff]\nnoprefix = true\n[apply]\nwhitespace = error\n[core]\nautocrlf = true\n[diff]\nexternal = false\n"
    (tmp_path / "home" / ".gitconfig").write_text(settings)
    planted = {"HOME": tmp_path / "home", "XDG_CONFIG_HOME": tmp_path / "home", "GIT_DIR": "/nonexistent", "GIT_EXTERNAL_DIFF": "false"}
    planted |= {"GIT_INDEX_FILE": tmp_path / "i", "GIT_CONFIG_COUNT": "1"}
    planted |= {"GIT_CONFIG_KEY_0": "apply.whitespace", "GIT_CONFIG_VALUE_0": "error"}
    for name, value in planted.items():
        monkeypatch.setenv(name, str(value))
    base = base_of(BASE, tmp_path)
    assert base.after(CHANGES["edit"]) == expected
    trailing = base.after({"m.py": Change(b"x = 2  \t\n\n\n")})
    assert base.resolve(trailing.diff).tree == trailing.tree


def diff(old: str = "x = 1", new: str = "x = 2", *, name: str = "m.py", hunk: str = "@@ -1 +1 @@") -> str:
    return f"--- a/{name}\n+++ b/{name}\n{hunk}\n-{old}\n+{new}\n"


SAME = {
    "as it is": (diff(), "strict"),
    "without a last line end": (diff().removesuffix("\n"), "strict"),
    "without prefixes": (diff().replace("a/", "").replace("b/", ""), "strict"),
    "in a mail": (f"From: a\nSubject: b\n\n---\n m.py | 2 +-\n\n{diff()}-- \n2.39.5\n", "strict"),
    "wrong lengths": (diff(hunk="@@ -1,7 +1,7 @@"), "recount"),
    "wrong places": (diff(hunk="@@ -70 +90 @@"), "strict"),
}


@pytest.mark.parametrize("name", SAME)
def test_ways_to_say_the_same(shared_base: BaseRepository, name: str) -> None:
    text, strategy = SAME[name]
    resolved = shared_base.resolve(text)
    expected = shared_base.after(CHANGES["edit"])
    assert (resolved.tree, resolved.diff, resolved.strategy) == (expected.tree, expected.diff, strategy)


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_no_change(shared_base: BaseRepository, text: str) -> None:
    resolved = shared_base.resolve(text)
    assert (resolved.tree, resolved.diff, resolved.strategy) == (shared_base.tree, "", "strict")


def test_renames_and_copies_become_plain(shared_base: BaseRepository) -> None:
    text = "diff --git a/long.py b/moved.py\nsimilarity index 100%\nrename from long.py\nrename to moved.py\n"
    text += "diff --git a/m.py b/n.py\nsimilarity index 100%\ncopy from m.py\ncopy to n.py\n"
    expected = shared_base.after({"long.py": None, "moved.py": Change(LINES), "n.py": Change(BASE["m.py"])})
    assert shared_base.resolve(text).diff == expected.diff
    assert "rename" not in expected.diff


def test_a_merge_starts_from_what_the_base_holds(tmp_path: Path) -> None:
    """A patch that was made for a file which the base holds twice, once changed."""
    changed = LINES.replace(b"line 2\n", b"line two\n")
    base = base_of({"kept.py": LINES, "m.py": changed}, tmp_path)
    other = base_of({"m.py": LINES}, tmp_path)
    patch = other.after({"m.py": Change(LINES.replace(b"line 5\n", b"line five\n"))}).diff
    assert " line 2\n" in patch
    resolved = base.resolve(patch)
    assert resolved.strategy == "3way"
    assert resolved.tree == base.after({"m.py": Change(changed.replace(b"line 5\n", b"line five\n"))}).tree
    clash = other.after({"m.py": Change(LINES.replace(b"line 2\n", b"line deux\n"))}).diff
    with pytest.raises(DoesNotApplyError, match=r"m\.py: patch does not apply"):
        base.resolve(clash)


def test_a_new_file_that_is_there_already(tmp_path: Path) -> None:
    base, other = base_of({"m.py": b"x\n", "n.py": b"y\n"}, tmp_path), base_of({"m.py": b"x\n"}, tmp_path)
    changes = {"m.py": Change(b"z\n"), "n.py": Change(b"y\n")}
    resolved = base.resolve(other.after(changes).diff)
    assert (resolved.strategy, resolved.tree) == ("3way", base.after(changes).tree)
    with pytest.raises(DoesNotApplyError, match="already exists"):
        base.resolve(other.after({"n.py": Change(b"another\n")}).diff)


def test_no_merge_starts_from_elsewhere(tmp_path: Path) -> None:
    """Neither from what another patch left behind, nor for the one file of two whose origin is here."""
    changed = LINES.replace(b"line 2\n", b"line two\n")
    base, other = base_of({"m.py": changed, "n.py": b"a\n"}, tmp_path), base_of({"m.py": LINES, "n.py": b"b\n"}, tmp_path)
    patch = other.after({"m.py": Change(LINES.replace(b"line 5\n", b"line five\n"))}).diff
    assert base.after({"kept.py": Change(LINES)}).tree == base.resolve(base.after({"kept.py": Change(LINES)}).diff).tree
    with pytest.raises(DoesNotApplyError):
        base.resolve(patch)


def test_half_of_a_patch_is_none(shared_base: BaseRepository) -> None:
    for bad in (diff("y = 1", name="folder/other.py"), diff(name="nowhere.py")):
        with pytest.raises(DoesNotApplyError):
            shared_base.resolve(diff() + bad)
    assert shared_base.after({}).tree == shared_base.tree


WRONG = {
    "context": (diff("y = 1"), r"error: patch failed: m\.py:1\nerror: m\.py: patch does not apply"),
    "missing": (diff(name="nowhere.py"), "does not exist in index"),
    "exists": ("--- /dev/null\n+++ b/m.py\n@@ -0,0 +1 @@\n+y\n", "already exists in index"),
    "folder": ("--- /dev/null\n+++ b/folder\n@@ -0,0 +1 @@\n+y\n", "refuses the patch"),
    "below a file": ("--- /dev/null\n+++ b/m.py/x\n@@ -0,0 +1 @@\n+y\n", "refuses the patch"),
    "line ends": (diff("b", "B", name="crlf.py"), "patch does not apply"),
    "corrupt": (diff(hunk="@@ -1,2 +1,2 @@").replace("-x", "*x"), "git apply refuses the patch"),
    "escape": (diff(name="../m.py"), "the patch is refused: .* leads out of the tree"),
    "prose": ("I could not make it faster.\n", "is not a diff"),
    "link": ("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+x\n", "symbolic link"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_with_the_reason(shared_base: BaseRepository, name: str) -> None:
    text, message = WRONG[name]
    with pytest.raises(DoesNotApplyError, match=message):
        shared_base.resolve(text)


def test_a_link_cannot_be_moved_unseen(tmp_path: Path) -> None:
    """The diff shows no mode, and the same link leads elsewhere from another folder."""
    base = base_of({"a/b/link": Change(b"../../x", 0o120000)}, tmp_path)
    text = "diff --git a/a/b/link b/link\nsimilarity index 100%\nrename from a/b/link\nrename to link\n"
    assert parse_patch(text).objections == ""
    with pytest.raises(DoesNotApplyError, match="'link' is a symbolic link"):
        base.resolve(text)


@pytest.mark.soak
def test_a_small_patch_cannot_ask_for_much(tmp_path: Path) -> None:
    base = base_of({"large": os.urandom(2**20).hex().encode()}, tmp_path)
    copies = "".join(f"diff --git a/large b/{i}\nsimilarity index 100%\ncopy from large\ncopy to {i}\n" for i in range(100))
    with pytest.raises(DoesNotApplyError, match=r"too much for a diff|larger than 8 MiB"):
        base.resolve(copies)
    huge = "diff --git a/x b/x\nnew file mode 100644\nindex 0..1\nGIT binary patch\nliteral 99999999999\nIcmZPo000310RR91\n\n"
    with pytest.raises(DoesNotApplyError, match="git apply refuses the patch"):
        base.resolve(huge)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (".git/hooks/post-checkout", Change(b"x"), "cannot stand in a tree"),
        ("sub/.git", Change(b"gitdir: /elsewhere"), "cannot stand in a tree"),
        ("../x", Change(b"x"), "cannot stand in a tree"),
        ("/x", Change(b"x"), "cannot stand in a tree"),
        ("fifo", Change(b"", stat.S_IFIFO | 0o644), "'fifo' is no file"),
        ("folder", Change(b"", stat.S_IFDIR | 0o755), "'folder' is no file"),
    ],
)
def test_what_cannot_stand_in_a_tree(shared_base: BaseRepository, name: str, change: Change, message: str) -> None:
    with pytest.raises(DoesNotApplyError, match=message):
        shared_base.after({name: change})


def test_a_link_can_be_seen_in_a_diff_and_not_be_applied(shared_base: BaseRepository) -> None:
    changed = shared_base.after({"link": Change(b"/etc", 0o120000)})
    assert "new file mode 120000" in changed.diff
    with pytest.raises(DoesNotApplyError, match="symbolic link"):
        shared_base.resolve(changed.diff)


def test_a_broken_repository_is_not_the_patchs_failure(tmp_path: Path) -> None:
    base = base_of(BASE, tmp_path)
    for pack in (tmp_path / "cache").rglob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(b"")
    for text in (diff(), diff("y = 1")):
        with pytest.raises(SourceError, match="git does not work on base trees"):
            base.resolve(text)


def test_no_room_is_not_the_patchs_failure(shared_base: BaseRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(SourceError, match="there is no room"):
        shared_base.resolve(diff())


def test_threads_and_processes_do_not_meet(shared_base: BaseRepository) -> None:
    def work(number: int) -> bool:
        changed = shared_base.after({"m.py": Change(b"%d\n" % number), f"new {number}": Change(b"x")})
        return shared_base.resolve(changed.diff).tree == changed.tree

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(24)))


def test_processes_share_one_import(tmp_path: Path) -> None:
    tree = write({name: Change(content) for name, content in BASE.items()}, tmp_path / "tree")
    code = (
        "import sys; from pathlib import Path; from pytest_isobench.dataset.cache import Cache;"
        "from pytest_isobench.dataset.base_repository import BaseRepository, Change;"
        "base = BaseRepository.of(Path(sys.argv[1]), 'd', Cache(Path(sys.argv[2])));"
        "print(base.tree, base.after({'m.py': Change(b'x')}).tree)"
    )
    command = [sys.executable, "-c", code, str(tree), str(tmp_path / "cache")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in started}) == 1
    assert [process.returncode for process in started] == [0] * 4
    assert len(list((tmp_path / "cache" / "bases").rglob("*.pack"))) == 1


def test_nothing_stays_behind(shared_base: BaseRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shared_base.resolve(diff())
    with pytest.raises(DoesNotApplyError):
        shared_base.resolve(diff("y"))
    assert list(tmp_path.iterdir()) == []


PARTS = st.sampled_from(["a", "b", "c d", "\xfc", "x.py", "y.PY", "\u65e5\u672c", "-", "'", "[a]", "#", "tree.o d", "a.b"])
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
PIECES = st.sampled_from([b"a", b"b", b"\n", b"\r\n", b"\xff", b"\0", b" \t", b"--- a/x\n", b"@@ -1 +1 @@\n", b"line\n"])
TEXT = st.lists(PIECES, max_size=12)
CONTENTS = TEXT.map(b"".join) | st.binary(max_size=40) | st.integers(0, 30).map(lambda at: LINES.replace(b"%d\n" % at, b"x\n"))
ENTRIES = st.builds(Change, CONTENTS, st.sampled_from([0o100644, 0o100755]))


def sound(files: dict[str, Change]) -> dict[str, Change]:
    """Leave out files that lie below another file."""
    return {name: file for name, file in files.items() if not any(name.startswith(f"{other}/") for other in files)}


TREES = st.dictionaries(NAMES, ENTRIES, max_size=6).map(sound)


@pytest.mark.soak
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TREES, after=TREES)
@example(before={"a": Change(b"x\n")}, after={"a/a": Change(b"x\n")})
@example(before={"a/a": Change(b"x\n")}, after={"a": Change(b"x\n")})
def test_any_change_comes_back(tmp_path_factory: pytest.TempPathFactory, before: dict[str, Change], after: dict[str, Change]) -> None:
    base = base_of(before, tmp_path_factory.mktemp("random"))
    changed = base.after({**dict.fromkeys(before), **after})
    assert changed.tree == base_of(after, tmp_path_factory.mktemp("random")).tree
    resolved = base.resolve(changed.diff)
    assert (resolved.tree, resolved.diff, resolved.strategy) == (changed.tree, changed.diff, "strict")


def truths() -> Iterator[dict[str, Any]]:
    if SHARED.exists():
        yield from map(json.loads, (SHARED / "patches" / "apply_truth.jsonl").read_text().splitlines())


TRUTHS = [pytest.param(truth, marks=[pytest.mark.soak] * bool(number % 4), id=truth["commit"]) for number, truth in enumerate(truths())]


@pytest.fixture(scope="module")
def extractions() -> dict[str, list[dict[str, Any]]]:
    records = (json.loads(path.read_text()) for path in (SHARED / "datasets" / "commit_extractions").glob("*.json"))
    return {record["commit_hash"][:8]: record["files_changed"] for record in records}


def verdict(base: BaseRepository, text: str) -> str:
    try:
        return base.resolve(text).strategy
    except DoesNotApplyError as error:
        return str(error)


@pytest.mark.soak
@pytest.mark.skipif(not SHARED.exists(), reason="the folder with recorded patches is not beside the repository")
@pytest.mark.parametrize("truth", TRUTHS)
def test_recorded_patches_resolve_as_recorded(tmp_path: Path, extractions: dict[str, list[dict[str, Any]]], truth: dict[str, Any]) -> None:
    changes = extractions[truth["commit"]]
    old = {change["file_path"]: change["old_content"] for change in changes if change["change_type"] != "added"}
    base = base_of({name: content.encode() for name, content in old.items() if content is not None}, tmp_path)
    human = verdict(base, "\n".join(change["diff"] for change in changes))
    assert (human == "strict", human in ("strict", "recount", "3way")) == (truth["human_strict"], truth["human_lenient"]), human
    for agent, recorded in truth["agents"].items():
        text = (SHARED / "patches" / "vllm" / SETS[agent] / f"{truth['commit']}.diff").read_bytes().decode("utf-8", "surrogateescape")
        found = verdict(base, text)
        assert (found in ("strict", "recount", "3way")) == recorded["applies"], found
