"""Showing folders that only root may enter: which mounts are asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes.exposure import Exposure


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that everybody may enter, with a closed one in it."""
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/exposure.XXXXXX"], text=True).strip())
    folder.chmod(0o755)
    for name in ("home/cache/env", "home/cache/other", "home/python", "open"):
        (folder / name).mkdir(parents=True)
    (folder / "home").chmod(0o700)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


class Mounts(list[tuple[str, str, str]]):
    """Remembers what was to be mounted: (options, source, target)."""

    def __call__(self, mounts: Sequence[Mapping[str, str]]) -> None:
        self += [(mount["options"].split(",")[0], mount["source"], mount["target"]) for mount in mounts]


def test_open_folder_is_its_own_source(base: Path) -> None:
    mounts = Mounts()
    exposure = Exposure(base, mounts)
    assert exposure.source(base / "open") == base / "open"
    exposure.show([base / "open"])
    assert mounts == []


def test_closed_folder_gets_another_name_once(base: Path) -> None:
    mounts = Mounts()
    exposure = Exposure(base, mounts)
    target = exposure.source(base / "home" / "cache" / "env")
    assert exposure.source(base / "home" / "cache" / "env") == target == base / "mounts" / "0"
    assert mounts == [("bind", str(base / "home" / "cache" / "env"), str(target))]


def test_closed_folders_are_shown_under_their_own_names(base: Path) -> None:
    mounts = Mounts()
    exposure = Exposure(base, mounts)
    home, behind = base / "home", base / "covered" / "0"
    exposure.show([home / "cache" / "env", base / "open", home / "python"])
    assert mounts == [
        ("rbind", str(home), str(behind)),
        ("mode=0711", "tmpfs", str(home)),
        ("bind", str(behind / "cache" / "env"), str(home / "cache" / "env")),
        ("bind", str(behind / "python"), str(home / "python")),
    ]
    mounts.clear()
    exposure.show([home / "python", home / "cache" / "other"])
    assert mounts == [("bind", str(behind / "cache" / "other"), str(home / "cache" / "other"))]


def test_links_are_followed_first(base: Path) -> None:
    mounts = Mounts()
    (base / "link").symlink_to("home/python")
    Exposure(base, mounts).show([base / "link"])
    assert mounts[-1] == ("bind", str(base / "covered" / "0" / "python"), str(base / "home" / "python"))


@pytest.mark.parametrize("how", ["source", "show"])
def test_without_mounts_it_says_what_to_do(base: Path, how: str) -> None:
    exposure = Exposure(base, None)
    with pytest.raises(SandboxError, match="move it to a folder that every user may enter"):
        exposure.source(base / "home" / "python") if how == "source" else exposure.show([base / "home" / "python"])


def test_unreadable_folder_cannot_be_helped(base: Path) -> None:
    (base / "home" / "python").chmod(0o750)
    with pytest.raises(SandboxError, match="chmod -R go"):
        Exposure(base, Mounts()).source(base / "home" / "python")
