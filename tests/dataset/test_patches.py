from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_isobench.dataset.patches import Patch, parse_patch, read_patch, vet

SHARED = Path(__file__).parents[2] / ".." / "shared" / "iso_bench_data"
SETS = {"claude_code": "claude_code", "codex": "codex_gpt5", "trae_gpt5": "trae_gpt5", "trae_sonnet45": "trae_sonnet45"}

needs_data = pytest.mark.skipif(not SHARED.exists(), reason="the folder `shared` with recorded patches is not beside the repository")


def diff(old: str = "a/m.py", new: str | None = None, *header: str, git: str | None = None) -> str:
    new = new or old.replace("a/", "b/", 1)
    lines = [f"diff --git {git or f'{old} {new}'}", *header, f"--- {old}", f"+++ {new}", "@@ -1 +1 @@", "-x = 1", "+x = 2", ""]
    return "\n".join(lines)


def try_apply(folder: Path, patch: Patch, *, check: bool = False) -> tuple[bool, bool]:
    """Whether git takes the patch as it is, and with counted lines."""
    taken = []
    for recount in (False, True):
        command = ["git", "--git-dir=/dev/null", "apply", "--whitespace=nowarn", f"-p{patch.strip}"]
        command += ["--recount"] * recount + ["--check"] * check
        taken.append(subprocess.run(command, cwd=folder, input=patch.data, capture_output=True).returncode == 0)
        if taken[-1] and not check:
            break
    return taken[0], taken[-1]


HOSTILE = {
    "absolute": diff("/etc/passwd", "/etc/passwd"),
    "absolute behind the prefix": diff("a//etc/passwd"),
    "absolute new": diff("a/m.py", "/etc/cron.d/x"),
    "device": diff("/dev/sda", "/dev/sda"),
    "device by mode": diff("a/x", None, "new file mode 020644"),
    "escape": diff("a/../m.py"),
    "escape inside": diff("a/x/../../m.py"),
    "escape quoted": diff('"a/\\056\\056/m.py"', '"b/\\056\\056/m.py"'),
    "escape in the first line": "diff --git a/../x b/../x\nnew file mode 100644\n",
    "escape by rename": "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to ../y\n",
    "escape by copy": "diff --git a/x b/y\nsimilarity index 100%\ncopy from ../x\ncopy to y\n",
    "escape by old rename": "diff --git a/x b/y\nrename old x\nrename new ../y\n",
    "escape without git": "--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n",
    "escape behind an honest file": diff() + diff("a/../x"),
    "escape behind a hunk that lies": diff().replace("@@ -1 +1 @@", "@@ -1,9 +1,9 @@") + diff("a/../x"),
    "escape with a date": diff("a/../x\t2024-01-01 00:00:00", "b/../x\t2024-01-01 00:00:00"),
    "backslash": diff("a/..\\m.py"),
    "backslash quoted": diff('"a/x\\\\m.py"', '"b/x\\\\m.py"'),
    "control": diff('"a/x\\033[2Jm.py"', '"b/x\\033[2Jm.py"'),
    "control newline": diff('"a/x\\nm.py"', '"b/x\\nm.py"'),
    "git_folder": diff("a/.git/hooks/post-checkout"),
    "git_folder config": diff("a/.git/config"),
    "git_folder in capitals": diff("a/x/.GIT/config"),
    "git_folder short": diff("a/GIT~1/config"),
    "git_folder with a dot": diff("a/.git./config"),
    "git_folder unseen": diff("a/.g\u200bit/config"),
    "submodule": diff("a/.gitmodules"),
    "submodule by mode": diff("a/lib", None, "index 1234567..2345678 160000"),
    "symlink": diff("a/link", None, "new file mode 120000"),
    "symlink changed": diff("a/link", None, "index 1234567..2345678 120000"),
    "symlink from a file": diff("a/link", None, "old mode 100644", "new mode 120000"),
    "symlink in octal": diff("a/link", None, "new file mode 0000120000"),
    "nul": diff().replace("x = 2", "x = \0"),
    "encoding": diff().replace("x = 2", "x = '\ud800'"),
    "too_large": diff() + "x" * 9_000_000,
    "not_a_diff": "I could not make it faster.\n",
    "not_a_diff JSON": '{"patch": null}',
    "no_content": "diff --git a/x.bin b/x.bin\nindex 1..2 100644\nBinary files a/x.bin and b/x.bin differ\n",
    "bytecode": diff("a/m.cpython-311.pyc"),
    "bytecode in its folder": diff("a/__pycache__/m"),
    "bytecode of C": diff("a/m.cpython-311-x86_64-linux-gnu.so"),
    "bytecode with a version": diff("a/libm.so.6"),
    "bytecode by rename": "diff --git a/x b/m.pyc\nsimilarity index 100%\nrename from x\nrename to m.pyc\n",
    "bytecode deleted and renamed": "diff --git a/x b/m.pyc\ndeleted file mode 100644\nrename from x\nrename to m.pyc\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_patch_is_refused_by_kind(name: str) -> None:
    refused = [problem for problem in vet(HOSTILE[name]) if problem.severity == "refuse"]
    assert name.split()[0] in {problem.kind for problem in refused}
    assert all(problem.message.isprintable() for problem in refused)


NOTED = {
    "startup": diff("a/sitecustomize.py"),
    "startup deep": diff("a/src/usercustomize.py"),
    "startup path": diff("a/x.pth"),
    "startup of pytest": diff("a/tests/conftest.py"),
    "binary": "diff --git a/x b/x\nindex 1..2 100644\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n\nliteral 1\nIcmZPo000310RR91\n\n",
}


@pytest.mark.parametrize("name", NOTED)
def test_what_is_remarkable_is_noted_and_allowed(name: str) -> None:
    assert {(problem.kind, problem.severity) for problem in vet(NOTED[name])} == {(name.split()[0], "note")}


HONEST = {
    "plain": diff(),
    "names like bad ones": diff("a/git/x..y/.gitignore/.github/so.py"),
    "removed bytecode": "diff --git a/m.pyc b/m.pyc\ndeleted file mode 100644\nindex 1..0\nGIT binary patch\n",
    "a removed link": diff("a/l", "/dev/null", "deleted file mode 120000", git="a/l b/l"),
    "a removed file": diff("a/m.py", "/dev/null", "deleted file mode 100644", git="a/m.py b/m.py"),
    "headers inside a hunk": "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n--- a/../y\n+++ b/../y\n x\n-rename from .git/x\n+z\n x\n",
    "headers in a mail": f"From: a\nSubject: b\n\nrename from .git/x\nnew file mode 120000\n---\n m.py | 2 +-\n\n{diff()}-- \n2.39.5\n",
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_patch_has_no_problems(name: str) -> None:
    patch = parse_patch(HONEST[name])
    assert [problem for problem in patch.problems if problem.kind != "binary"] == []
    assert len(patch.files) == 1


@pytest.mark.parametrize("text", ["", "\n", " \t\n\r\n"])
def test_no_change_is_allowed(text: str) -> None:
    patch = parse_patch(text)
    assert (patch.files, patch.problems, patch.added, patch.removed) == ((), (), 0, 0)


def test_what_a_patch_says_is_counted() -> None:
    patch = parse_patch(diff() + diff("/dev/null", "b/new file.py", "new file mode 100644", git="a/new file.py b/new file.py"))
    assert (patch.files, patch.added, patch.removed, patch.strip) == (("m.py", "new file.py"), 2, 2, 1)
    assert re.fullmatch("[0-9a-f]{64}", patch.digest)
    assert parse_patch(diff()).digest != patch.digest


def test_a_last_line_without_an_end_gets_one() -> None:
    assert parse_patch(diff().removesuffix("\n")) == parse_patch(diff())


def test_what_matters_is_not_buried() -> None:
    notes = "".join(diff(f"a/{number}.pth") for number in range(200))
    patch = parse_patch(notes + diff("a/../x"))
    assert [problem.kind for problem in patch.refusals] == ["escape"]
    assert len(patch.problems) == 101


def test_a_large_hostile_header_is_read_in_time() -> None:
    lines = "diff --git a/x b/x\n" + "".join(f"--- a/{number}\n+++ b/{number}\nrename from {number}\n" for number in range(40_000))
    assert len(parse_patch(lines).files) > 40_000


def edit(repository: Any) -> None:
    (repository.path / "m.py").write_text("x = 2\n")


def make_new(repository: Any) -> None:
    (repository.path / "new").mkdir()
    (repository.path / "new" / "file.py").write_text("y\n")
    (repository.path / "new" / "empty.py").touch()


def delete(repository: Any) -> None:
    (repository.path / "m.py").unlink()


def rename(repository: Any) -> None:
    repository.git("mv", "m.py", "other.py")


def rename_and_edit(repository: Any) -> None:
    repository.git("mv", "long.py", "moved.py")
    (repository.path / "moved.py").write_text((repository.path / "moved.py").read_text().replace("line 7\n", "changed\n"))


def make_executable(repository: Any) -> None:
    (repository.path / "m.py").chmod(0o755)


def edit_line_ends(repository: Any) -> None:
    (repository.path / "crlf.py").write_bytes(b"a\r\nB\r\nc\r\n")


def drop_last_line_end(repository: Any) -> None:
    (repository.path / "m.py").write_text("x = 2")


def edit_odd_names(repository: Any) -> None:
    for name in ("ünï.py", "with blank.py", 'quo"te.py', "tab\there.py".replace("\t", " "), "a/b/a/b"):
        (repository.path / name).parent.mkdir(parents=True, exist_ok=True)
        (repository.path / name).write_text("changed\n")


def edit_latin(repository: Any) -> None:
    (repository.path / "latin.py").write_bytes("ü\n".encode("latin-1"))


def edit_binary(repository: Any) -> None:
    (repository.path / "data.bin").write_bytes(bytes(range(255, -1, -1)))


def edit_headers(repository: Any) -> None:
    (repository.path / "long.py").write_text("-- a/../x\n++ b/../x\n@@ -1 +1 @@\ndiff --git a/x b/x\n")


CHANGES = [edit, make_new, delete, rename, rename_and_edit, make_executable, edit_line_ends, drop_last_line_end]
CHANGES += [edit_odd_names, edit_latin, edit_binary, edit_headers]


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o111) for path in files}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    lines = "".join(f"line {number}\n" for number in range(20))
    return {
        "m.py": b"x = 1\n",
        "long.py": lines.encode(),
        "crlf.py": b"a\r\nb\r\nc\r\n",
        "latin.py": "é\n".encode("latin-1"),
        "data.bin": bytes(range(256)),
        "ünï.py": b"a\n",
        "with blank.py": b"a\n",
        'quo"te.py': b"a\n",
        "a/b/a/b": b"a\n",
    }


def everything(repository: Any) -> None:
    for change in (rename_and_edit, make_new, edit, make_executable, edit_line_ends, edit_odd_names, edit_latin, edit_binary):
        change(repository)


OPTIONS = [("--no-prefix",), ("--no-renames", "-U1"), ("--src-prefix=i/", "--dst-prefix=w/", "--full-index"), ("--patience", "-U20")]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("change", "options"),
    [*((change, ()) for change in CHANGES), *((everything, options) for options in OPTIONS), (rename_and_edit, ("--no-prefix",))],
)
def test_honest_diffs_of_every_shape_pass_and_apply(
    repository: Any, tmp_path: Path, template: dict[str, bytes], change: Callable[[Any], None], options: tuple[str, ...]
) -> None:
    repository.commit(template)
    copy = tmp_path / "inside" / "of" / "another"
    for name, content in template.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
    change(repository)
    repository.git("add", "--all")
    command = ["git", "diff", "--cached", "--binary", *options]
    (tmp_path / "x.diff").write_bytes(subprocess.run(command, cwd=repository.path, capture_output=True, check=True).stdout)
    patch = read_patch(tmp_path / "x.diff")
    assert patch.refusals == ()
    changed = repository.git("diff", "--cached", "--name-only", "-z", "--no-renames").split("\0")
    assert set(patch.files) == set(filter(None, changed))
    assert try_apply(copy, patch) == (True, True)
    assert tree(copy) == tree(repository.path)


def test_a_patch_from_a_mail(repository: Any, tmp_path: Path) -> None:
    repository.commit({"m.py": "x = 1\n"})
    repository.commit({"m.py": "x = 2\n"}, "Make it faster\n\n--- a/.git/x\n+++ b/.git/x\nnot a patch")
    patch = parse_patch(repository.git("format-patch", "--stdout", "-1"))
    assert (patch.files, patch.problems) == (("m.py",), ())
    (tmp_path / "m.py").write_text("x = 1\n")
    assert try_apply(tmp_path, patch)[0]
    assert (tmp_path / "m.py").read_text() == "x = 2\n"


def test_a_patch_of_gnu_diff(tmp_path: Path) -> None:
    for name, text in (("old", "x = 1\n"), ("new", "x = 2\n")):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "m.py").write_text(text)
    text = subprocess.run(["diff", "-ruN", "old", "new"], cwd=tmp_path, capture_output=True, text=True).stdout
    patch = parse_patch(text)
    assert (patch.files, patch.problems, patch.strip) == (("deep/m.py",), (), 1)
    assert try_apply(tmp_path / "old", patch)[0]
    assert (tmp_path / "old" / "deep" / "m.py").read_text() == "x = 2\n"


def test_wrong_counts_apply_at_the_second_try(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("x = 1\n")
    patch = parse_patch(diff().replace("@@ -1 +1 @@", "@@ -1,7 +1,7 @@"))
    assert patch.problems == ()
    assert try_apply(tmp_path, patch) == (False, True)


def test_a_patch_applies_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("x = 1\n")
    (tmp_path / "n.py").write_text("something else\n")
    assert try_apply(tmp_path, parse_patch(diff() + diff("a/n.py"))) == (False, False)
    assert (tmp_path / "m.py").read_text() == "x = 1\n"


def test_git_refuses_to_leave_the_tree_by_itself(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "m.py").write_text("x = 1\n")
    (tmp_path / "tree" / "link").symlink_to("..")
    for name in ("a/../m.py", "a/link/m.py"):
        assert try_apply(tmp_path / "tree", parse_patch(diff(name))) == (False, False)
    assert (tmp_path / "m.py").read_text() == "x = 1\n"


def test_what_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("nothing", "fifo", "."):
        with pytest.raises(OSError, match=r"No such file|not a regular file"):
            read_patch(tmp_path / name)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    assert [problem.kind for problem in read_patch(tmp_path / "huge").problems] == ["too_large"]


def truths() -> Iterator[dict[str, Any]]:
    if SHARED.exists():
        yield from map(json.loads, (SHARED / "patches" / "apply_truth.jsonl").read_text().splitlines())


@pytest.fixture(scope="module")
def extractions() -> dict[str, dict[str, Any]]:
    records = (json.loads(path.read_text()) for path in (SHARED / "datasets" / "commit_extractions").glob("*.json"))
    return {record["commit_hash"][:8]: record for record in records}


@needs_data
@pytest.mark.parametrize("truth", list(truths())[::3], ids=lambda truth: truth["commit"])
def test_recorded_patches_apply_as_recorded(tmp_path: Path, extractions: dict[str, dict[str, Any]], truth: dict[str, Any]) -> None:
    changes = extractions[truth["commit"]]["files_changed"]
    for changed in changes:
        if changed["old_content"] is not None and changed["change_type"] != "added":
            path = tmp_path / changed["file_path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(changed["old_content"], newline="")
    human = parse_patch("\n".join(changed["diff"] for changed in changes))
    assert human.refusals == ()
    assert try_apply(tmp_path, human, check=True) == (truth["human_strict"], truth["human_lenient"])
    for agent, recorded in truth["agents"].items():
        patch = read_patch(SHARED / "patches" / "vllm" / SETS[agent] / f"{truth['commit']}.diff")
        assert any(try_apply(tmp_path, patch, check=True)) == recorded["applies"]


@needs_data
def test_recorded_patches_touch_the_recorded_files() -> None:
    rows = map(json.loads, (SHARED / "patches" / "index.jsonl").read_text().splitlines())
    for row in (row for row in rows if "file" in row):
        patch = read_patch(SHARED / row["file"])
        assert patch.refusals == ()
        assert sorted(patch.files) == sorted(row["files"])


@needs_data
def test_recorded_patches_are_counted_as_git_counts_them() -> None:
    for path in sorted((SHARED / "patches").glob("*/*/*.diff"))[::15]:
        patch = read_patch(path)
        done = subprocess.run(["git", "apply", "--numstat", "-"], cwd="/", input=patch.data, capture_output=True, check=True)
        rows = [row.split("\t") for row in done.stdout.decode().splitlines()]
        assert (patch.added, patch.removed) == (sum(int(row[0]) for row in rows), sum(int(row[1]) for row in rows))


HEADERS = r"""
diff --git a/m.py b/m.py
diff --git a/../x b/../x
diff --git x y z x y z
diff --git "a/x\ty" b/n
--- a/m.py
+++ b/m.py
--- /dev/null
+++ /dev/null
--- a/.git/x
+++ "b/\056\056/x"
--- /etc/x
+++ b//etc/x
rename from a
rename to ../b
copy from .git/a
copy to b
new file mode 100644
new file mode 0120000
old mode 100644
new mode 160000
deleted file mode 100644
index 1..2 120000
similarity index 90%
GIT binary patch
literal 1
@@ -1 +1 @@
@@ -0,0 +1 @@
@@ -1,3 +1,2 @@ x
-a
+a
 a

\ No newline at end of file
diff --git a/m.pyc b/m.pyc
""".strip("\n").split("\n")


@example(text="diff --git ")
@example(text="diff --git \n--- ")
@given(text=st.text() | st.lists(st.sampled_from(HEADERS)).map("\n".join))
def test_nothing_crashes_the_parser(text: str) -> None:
    patch = parse_patch(text)
    assert patch.data.decode("utf-8", "surrogateescape" if patch.data else "strict") or not text.strip() or patch.refusals
    assert bool(text.strip()) == bool(patch.files or patch.problems)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.sampled_from(HEADERS), min_size=2, max_size=12))
def test_git_touches_nothing_that_was_not_seen(lines: list[str]) -> None:
    patch = parse_patch("\n".join(lines) + "\n")
    if patch.refusals:
        return
    for recount in ([], ["--recount"]):
        command = ["git", "--git-dir=/dev/null", "apply", "--numstat", "--summary", "-z", f"-p{patch.strip}", *recount, "-"]
        done = subprocess.run(command, input=patch.data, capture_output=True)
        touched = {row.split(b"\t")[2].decode() for row in done.stdout.split(b"\0") if row.count(b"\t") == 2}
        assert touched <= set(patch.files)
        assert b"mode 12" not in done.stdout
        assert b"mode 16" not in done.stdout
