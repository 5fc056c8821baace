from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.dataset.versions import VersionSource
from pytest_isobench.errors import NotEvaluableError, SourceError, UsageError
from pytest_isobench.models.task import Task

DIFF = "--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"


@pytest.fixture
def source(tmp_path: Path, cache: Cache) -> Callable[..., VersionSource]:
    for name, number in (("slow", 1), ("fast", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.py").write_text(f"x = {number}\n")

    def made(**fields: Any) -> VersionSource:
        record = {"kind": "path", "base": "slow", **fields}
        task = Task.model_validate({"id": "t", "source": record, "workload": {"kind": "python", "code": "x"}})
        return make_source(task, tmp_path, cache)

    return made


def test_two_folders(source: Callable[..., VersionSource], tmp_path: Path) -> None:
    versions = source(human="fast")
    baseline, human = versions.baseline(), versions.human()
    assert [(version.label, (version.tree / "m.py").read_text(), version.patch) for version in (baseline, human)] == [
        ("slow", "x = 1\n", None),
        ("fast", "x = 2\n", None),
    ]
    assert baseline.digest != human.digest
    assert not baseline.tree.is_relative_to(tmp_path / "slow")


def test_a_folder_and_a_patch(source: Callable[..., VersionSource], tmp_path: Path) -> None:
    (tmp_path / "human.diff").write_text(DIFF)
    versions = source(patch="human.diff")
    human = versions.human()
    assert (human.label, human.tree) == ("slow+human.diff", versions.baseline().tree)
    assert human.patch
    assert human.patch.endswith(DIFF)


def test_a_folder_that_changes_is_another_version(source: Callable[..., VersionSource], tmp_path: Path) -> None:
    before = source(human="fast").baseline()
    (tmp_path / "slow" / "m.py").write_text("x = 3\n")
    after = source(human="fast").baseline()
    assert before.digest != after.digest
    assert (before.tree / "m.py").read_text() == "x = 1\n"
    assert (after.tree / "m.py").read_text() == "x = 3\n"


def test_history_and_bytecode_stay_behind(source: Callable[..., VersionSource], tmp_path: Path) -> None:
    before = source(human="fast").baseline()
    for name in (".git/HEAD", "__pycache__/m.pyc", "inner/.git", "inner/__pycache__/n.pyc"):
        (tmp_path / "slow" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "slow" / name).write_text("secret")
    (tmp_path / "slow" / "inner" / "n.py").touch()
    tree = source(human="fast").baseline().tree
    assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*")) == ["inner", "inner/n.py", "m.py"]
    assert tree != before.tree


def test_links_inside_are_kept(source: Callable[..., VersionSource], tmp_path: Path) -> None:
    (tmp_path / "slow" / "inner").mkdir()
    (tmp_path / "slow" / "inner" / "link").symlink_to("../m.py")
    assert os.readlink(source(human="fast").baseline().tree / "inner" / "link") == "../m.py"


def leave_by_dots(folder: Path) -> None:
    (folder / "link").symlink_to("../fast/m.py")


def leave_by_root(folder: Path) -> None:
    (folder / "link").symlink_to(folder.resolve() / "m.py")


def leave_through_a_link(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "up").symlink_to("../..")
    (folder / "deep" / "er" / "link").symlink_to("up/../fast/m.py")


@pytest.mark.parametrize("leave", [leave_by_dots, leave_by_root, leave_through_a_link])
def test_links_that_lead_outside_are_refused(source: Callable[..., VersionSource], tmp_path: Path, leave: Callable[[Path], None]) -> None:
    leave(tmp_path / "slow")
    with pytest.raises(UsageError, match="link is a symbolic link that leads out of"):
        source(human="fast").baseline()


def test_what_is_neither_file_nor_folder_is_refused(source: Callable[..., VersionSource], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "slow" / "pipe")
    with pytest.raises(UsageError, match="pipe is neither a file, a folder nor a symbolic link"):
        source(human="fast").baseline()


def test_a_folder_that_is_not_there(source: Callable[..., VersionSource]) -> None:
    with pytest.raises(UsageError, match="nowhere is not a folder; the source's paths start at the task file"):
        source(human="nowhere").human()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's right to read everything")
def test_a_folder_that_may_not_be_read(source: Callable[..., VersionSource], tmp_path: Path) -> None:
    (tmp_path / "slow" / "closed").mkdir(mode=0)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and parent.name.startswith(("pytest-", "popen-", tmp_path.name)):
            parent.chmod(0o755)
    versions = source(human="fast")
    os.seteuid(65534)
    try:
        with pytest.raises(SourceError, match=r"cannot be read: .*closed"):
            versions.baseline()
    finally:
        os.seteuid(0)


def test_folders_have_no_other_versions(source: Callable[..., VersionSource]) -> None:
    with pytest.raises(NotEvaluableError, match="has no version 'main'"):
        source(human="fast").named("main")
