from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.mirror import Mirror, locate
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.dataset.versions import Version, VersionSource
from pytest_isobench.errors import NotEvaluableError, SourceError, UsageError
from pytest_isobench.models.task import Task

DIFF = "--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@\n-x = 1\n+x = 100\n"


@pytest.fixture
def source(tmp_path: Path, cache: Cache) -> Callable[..., VersionSource]:
    def made(repository: str = "repository", **fields: Any) -> VersionSource:
        record = {"kind": "git", "repository": repository, **fields}
        task = Task.model_validate({"id": "t", "source": record, "workload": {"kind": "python", "code": "x"}})
        return make_source(task, tmp_path, cache)

    return made


def content(version: Version) -> str:
    return (version.tree / "m.py").read_text()


@pytest.fixture
def history(repository: Any) -> list[str]:
    return [repository.commit({"m.py": f"x = {number}\n"}) for number in (1, 2, 3)]


def test_the_base_is_the_humans_parent(source: Callable[..., VersionSource], history: list[str]) -> None:
    versions = source(human=history[2])
    assert (versions.baseline().label, versions.human().label) == (history[1], history[2])
    assert (content(versions.baseline()), content(versions.human())) == ("x = 2\n", "x = 3\n")
    assert versions.baseline().digest != versions.human().digest
    assert versions.baseline().environment == versions.human().environment


def test_a_tree_has_no_history(source: Callable[..., VersionSource], history: list[str]) -> None:
    tree = source(human=history[2]).baseline().tree
    assert [path.name for path in tree.iterdir()] == ["m.py"]
    assert not any(path.name == ".git" for parent in tree.parents for path in [parent / ".git"] if path.exists())


NAMES = {"main": 3, "HEAD": 3, "@": 3, "main^": 2, "main~2": 1, "HEAD^^": 1, "main~1^": 1, "v1": 1, "{2}": 2, "{2}^": 1, "{2:.8}": 2}


def test_names_of_commits(repository: Any, history: list[str], cache: Cache) -> None:
    repository.git("tag", "--annotate", "--message=v1", "v1", history[0])
    mirror = Mirror(str(repository.path), cache)
    resolved = {name: mirror.resolve(name.format(*["", *history])) for name in NAMES}
    assert resolved == {name: history[number - 1] for name, number in NAMES.items()}


def test_base_and_human_may_be_names(source: Callable[..., VersionSource], history: list[str]) -> None:
    versions = source(human="main^", base=f"{history[1]}~1")
    assert (versions.baseline().label, versions.human().label, versions.named("main").label) == tuple(history)


def test_the_second_parent_of_a_merge(source: Callable[..., VersionSource], repository: Any, history: list[str]) -> None:
    repository.git("checkout", "--quiet", "-b", "side", history[0])
    side = repository.commit({"other.py": "y = 1\n"})
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-edit", "side")
    assert source(human="main").baseline().label == history[2]
    assert source(human="main", parent=2).baseline().label == side
    assert source(human="main", base="main^2").baseline().label == side


def test_a_patch_stands_for_the_human(source: Callable[..., VersionSource], tmp_path: Path, history: list[str]) -> None:
    (tmp_path / "human.diff").write_text(DIFF)
    versions = source(base=history[0], patch="human.diff")
    human = versions.human()
    assert (human.label, human.tree) == (f"{history[0]}+human.diff", versions.baseline().tree)
    assert human.patch
    assert human.patch.endswith(DIFF)
    assert human.digest != versions.baseline().digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file"),
        ("", "changes nothing"),
        ("hello", "is not a diff"),
        (DIFF.replace("b/m.py", "b/../m.py"), "leads out of the tree"),
        (DIFF.replace("-x", "-y"), r"human\.diff does not fit the base [0-9a-f]{40}: .*\n.*m\.py"),
    ],
)
def test_a_humans_patch_that_cannot_be_used(
    source: Callable[..., VersionSource], tmp_path: Path, history: list[str], text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "human.diff").write_text(text)
    with pytest.raises(UsageError, match=message):
        source(base=history[0], patch="human.diff").human()


def test_a_commit_made_later_is_fetched(source: Callable[..., VersionSource], repository: Any, history: list[str]) -> None:
    versions = source(human=history[2])
    versions.human()
    later = repository.commit({"m.py": "x = 4\n"})
    assert versions.named("main").label == later
    repository.git("checkout", "--quiet", "--detach")
    detached = repository.commit({"m.py": "x = 5\n"})
    assert versions.named("HEAD").label == detached
    repository.git("checkout", "--quiet", "main")
    assert versions.named(detached).label == detached


def test_a_branch_in_the_place_of_another(source: Callable[..., VersionSource], repository: Any, history: list[str]) -> None:
    versions = source(human=history[2])
    repository.git("branch", "topic", history[0])
    assert versions.named("topic").label == history[0]
    repository.git("branch", "--delete", "--force", "topic")
    repository.git("branch", "topic/part", history[1])
    assert versions.named("topic/part").label == history[1]
    with pytest.raises(UsageError, match="no commit 'topic'"):
        versions.named("topic")


def test_a_known_commit_needs_no_repository_any_more(source: Callable[..., VersionSource], repository: Any, history: list[str]) -> None:
    assert content(source(human=history[2]).human()) == "x = 3\n"
    shutil.rmtree(repository.path)
    repository.path.mkdir()
    assert content(source(human=history[2]).baseline()) == "x = 2\n"
    with pytest.raises(SourceError, match="git failed"):
        source(human="main").human()


@pytest.mark.parametrize("name", ["nope", "f" * 40, "1234567", "FETCH_HEAD"])
def test_a_missing_commit_says_what_to_do(source: Callable[..., VersionSource], history: list[str], name: str) -> None:
    with pytest.raises(UsageError, match=f"has no commit '{name}', .* push or fetch it there first"):
        source(human=history[2]).named(name)


@pytest.mark.parametrize("name", ["", "-x", "--upload-pack=touch x", "main:m.py", "a b", "a\nb", ":/fix", "a\0", "main@{u}^{/x}", "^main"])
def test_what_is_no_name_of_a_commit(cache: Cache, name: str) -> None:
    with pytest.raises(UsageError, match="names no commit; allowed: a hash, branch or tag"):
        Mirror("/nowhere", cache).resolve(name)


def test_an_abbreviation_of_several_commits(repository: Any, cache: Cache) -> None:
    commits = "".join(
        f"commit refs/heads/main\ncommitter a <a@b> {number} +0000\ndata 1\nx\n"
        for number in range(1, 900)
    )
    repository.git("fast-import", "--quiet", stdin=commits)
    starts = Counter(commit[:4] for commit in repository.git("rev-list", "main").split())
    with pytest.raises(UsageError, match="is the beginning of several commits; write more of the hash"):
        Mirror(str(repository.path), cache).resolve(starts.most_common(1)[0][0])


def test_the_first_commit_has_no_parent(source: Callable[..., VersionSource], history: list[str]) -> None:
    with pytest.raises(UsageError, match=rf"commit {history[0][:12]} has no \^1: it has fewer parents, or none"):
        source(human=history[0]).baseline()


def test_a_shallow_clone_is_named(source: Callable[..., VersionSource], tmp_path: Path, repository: Any, history: list[str]) -> None:
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.path}", str(tmp_path / "shallow"))
    assert content(source("shallow", human=history[2], base=history[2]).human()) == "x = 3\n"
    with pytest.raises(UsageError, match="is a shallow clone; run git fetch --unshallow in it"):
        source("shallow", human=history[2]).baseline()


def test_a_bare_repository_whose_head_leads_nowhere(
    source: Callable[..., VersionSource], tmp_path: Path, repository: Any, history: list[str]
) -> None:
    repository.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    (tmp_path / "bare.git" / "HEAD").write_text("ref: refs/heads/gone\n")
    assert source("bare.git", human="main").human().label == history[2]
    with pytest.raises(SourceError, match="git failed"):
        source("bare.git", human="HEAD").human()


def test_an_empty_repository(source: Callable[..., VersionSource], repository: Any) -> None:
    with pytest.raises(UsageError, match="has no commit 'main'"):
        source(human="main").human()


def test_a_folder_that_is_no_repository(source: Callable[..., VersionSource], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match="does not appear to be a git repository"):
        source("folder", human="main").human()


@pytest.mark.parametrize(
    "place", ["-x", "--upload-pack=touch /tmp/x", "ext::sh -c true", "nowhere", "a\0b", "fd::17", "x\ny"]
)
def test_what_is_no_repository(tmp_path: Path, place: str) -> None:
    with pytest.raises(UsageError, match=r"is no repository; allowed|there is no repository .*; a relative path starts at the task file"):
        locate(place, tmp_path)


@pytest.mark.parametrize("place", ["https://example.org/a.git", "ssh://git@[::1]:22/a", "git@example.org:a/b.git", "file:///a"])
def test_urls_stay_as_they_are(tmp_path: Path, place: str) -> None:
    assert locate(place, tmp_path) == place


def test_a_host_that_is_not_there_is_the_machines_failure(source: Callable[..., VersionSource]) -> None:
    with pytest.raises(SourceError, match="git failed"):
        source("http://127.0.0.1:9/a.git", human="main").human()


def test_without_git(source: Callable[..., VersionSource], history: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(NotEvaluableError, match="need git, and this machine has none on PATH"):
        source(human=history[2]).human()


def test_nothing_of_a_repository_runs(
    source: Callable[..., VersionSource], tmp_path: Path, repository: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    for name in ("post-checkout", "post-index-change", "reference-transaction", "pre-auto-gc"):
        hook = tmp_path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
        hook.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(f'[core]\n\thooksPath = {tmp_path / "hooks"}\n[filter "lfs"]\n\tsmudge = touch {trap}\n\trequired = true\n')
    head = repository.commit({"m.py": "x = 1\n", ".gitattributes": "*.py filter=lfs\n"})
    repository.git("config", "core.fsmonitor", f"touch {trap}")
    repository.git("config", "uploadpack.packObjectsHook", f"touch {trap}; false")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert content(source(human=head, base=head).human()) == "x = 1\n"
    assert not trap.exists()


def test_the_surroundings_do_not_lead_git_astray(
    source: Callable[..., VersionSource], repository: Any, history: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(repository.path / "elsewhere"))
    assert source(human=history[2]).baseline().label == history[1]


def test_what_a_tree_lacks_is_said(source: Callable[..., VersionSource], tmp_path: Path, repository: Any, history: list[str]) -> None:
    repository.git("clone", "--quiet", ".", str(tmp_path / "other"))
    repository.git("submodule", "--quiet", "add", str(tmp_path / "other"), "vendored")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    head = repository.commit({"big.bin": pointer, ".gitattributes": "*.bin filter=lfs\n"})
    version = source(human=head).human()
    assert version.notes == ("submodules are left as empty folders: vendored", "files kept in Git LFS are left as pointers: big.bin")
    assert list((version.tree / "vendored").iterdir()) == []
    assert (version.tree / "big.bin").read_text() == pointer
    assert source(human=head).baseline().notes == ()


def test_trees_keep_what_git_keeps(source: Callable[..., VersionSource], repository: Any) -> None:
    (repository.path / "run").write_text("#!/bin/sh\n")
    (repository.path / "run").chmod(0o755)
    (repository.path / "link").symlink_to("run")
    files = {"ünï code.txt": "a\r\nb\r\n", "latin": "é".encode("latin-1"), ".gitattributes": "secret export-ignore\n", "secret": "kept"}
    head = repository.commit(files)
    tree = source(human=head, base=head).human().tree
    assert os.access(tree / "run", os.X_OK)
    assert os.readlink(tree / "link") == "run"
    assert (tree / "ünï code.txt").read_bytes() == b"a\r\nb\r\n"
    assert (tree / "latin").read_bytes() == "é".encode("latin-1")
    assert (tree / "secret").read_text() == "kept"


def test_a_mirror_is_private(cache: Cache, repository: Any, history: list[str]) -> None:
    Mirror(str(repository.path), cache).resolve("main")
    (mirror,) = (path.parent for path in (cache.root / "mirrors").rglob("HEAD"))
    assert mirror.stat().st_mode & 0o077 == 0
