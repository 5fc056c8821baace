"""What is a part of an agent's patch, and what it only left behind."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.dataset.base_repository import Change
from pytest_isobench.dataset.droppings import LARGEST, LARGEST_FILE, RULES, exclude
from pytest_isobench.models.agent import Excluded

FILE = Change(b"x\n")

DROPPINGS = [
    *(".aider.chat.history.md", ".aider.tags.cache.v4/cache.db", ".claude/settings.local.json", ".codex/log", ".openhands/x", ".trae_x"),
    *("model_patch.diff", ".bench_scratch/a/b.py", "pkg/__pycache__/m.cpython-311.pyc", "m.pyc", ".pytest_cache/v/x", ".mypy_cache/x"),
    *(".ruff_cache/x", "src/pkg.egg-info/PKG-INFO", "build.log", "logs/run.log", "nohup.out", ".m.py.swp", "m.py~", "#m.py#", ".DS_Store"),
    *(".venv/bin/python", "venv/lib/python3.11/x.py", "node_modules/x.js", "m.py.orig", "m.py.rej", ".git/config", "sub/.git/HEAD"),
    "sub/.git",
    *("build/lib.linux-x86_64/m.py", "csrc/m.o", "pkg/m.abi3.so", ".coverage", "sub/.vscode/settings.json", ".gitmodules", "a\nb", "a\\b"),
]
SOURCES = [
    *("pkg/claude.py", "pkg/aider/x.py", "core/model.py", "core.py", "core.1.py", "logs.py", "build/rules.py", "README"),
    *("pkg/trae.py", "a.patch", "patches/model.diff", "pkg/login.py", "x.swift", "git.py", ".github/workflows/x.yaml", ".gitignore"),
    *("lib/x.py", "venv/__init__.py"),
]


@pytest.mark.parametrize("name", DROPPINGS)
def test_what_tools_leave_is_excluded_with_the_rule(name: str) -> None:
    kept, [excluded] = exclude({name: FILE, "m.py": FILE}, {"m.py"})
    assert kept == {"m.py": FILE}
    assert excluded.path == name
    assert excluded.rule


@pytest.mark.parametrize("name", SOURCES)
def test_sources_are_kept(name: str) -> None:
    assert exclude({name: FILE}, ()) == ({name: FILE}, ())


@pytest.mark.parametrize("name", DROPPINGS)
def test_what_the_base_has_is_never_a_dropping(name: str) -> None:
    assert exclude({name: FILE}, {name}) == ({name: FILE}, ())
    assert exclude({name: None}, {name}) == ({name: None}, ())


@pytest.mark.parametrize("mode", [0o120000, stat.S_IFIFO | 0o644, stat.S_IFSOCK | 0o755, stat.S_IFCHR | 0o600])
@pytest.mark.parametrize("base", [(), ("m.py",)])
def test_links_and_devices_are_no_part_of_a_patch(mode: int, base: tuple[str, ...]) -> None:
    kept, [excluded] = exclude({"m.py": Change(b"/etc/passwd", mode)}, base)
    assert kept == {}
    assert excluded.rule in ("a symbolic link, which may lead anywhere", "neither a file nor a folder")


def test_programs_and_core_dumps_are_known_by_what_they_are() -> None:
    script = Change(b"#!/bin/sh\n", 0o100755)
    kept, excluded = exclude({"core": Change(b"\x7fELF\x02"), "tool": Change(b"\x7fELF", 0o100755), "run": script}, ())
    assert list(kept) == ["run"]
    assert [dropped.path for dropped in excluded] == ["core", "tool"]


def test_new_files_have_a_size() -> None:
    large = Change(b"x" * (LARGEST_FILE + 1))
    kept, [excluded] = exclude({"new": large, "m.py": large, "small": Change(b"x" * LARGEST_FILE)}, {"m.py"})
    assert list(kept) == ["m.py", "small"]
    assert (excluded.path, excluded.rule) == ("new", "too large: a new file of more than 2 MiB")


def test_the_largest_go_first_when_there_are_too_many() -> None:
    data = {f"data/{number}": Change(b"x" * (2**20 + number)) for number in range(8)}
    kept, excluded = exclude({**data, "new.py": FILE}, ())
    assert list(kept) == ["data/0", "data/1", "data/2", "data/3", "data/4", "new.py"]
    assert sum(len(change.content) for change in kept.values() if change) <= LARGEST
    assert all(dropped.rule.startswith("too much") for dropped in excluded)


NAMES = [glob.replace("*", "x").removesuffix("/") for globs in RULES.values() for glob in globs]
PATHS = st.lists(st.sampled_from([*NAMES, "a", "b.py", "\n", "\udcff"]), min_size=1, max_size=3).map("/".join)
CHANGES = st.dictionaries(PATHS, st.none() | st.builds(Change, st.binary(max_size=5), st.sampled_from([0o100644, 0o100755, 0o120000])))


def spoken(name: str) -> str:
    """Return a name as records have it."""
    return Excluded(path=name, rule="").path


@given(changes=CHANGES, base=st.sets(PATHS))
def test_everything_is_kept_or_listed(changes: dict[str, Change | None], base: set[str]) -> None:
    kept, excluded = exclude(changes, base)
    listed = [dropped.path for dropped in excluded]
    assert sorted([*map(spoken, kept), *listed]) == sorted(map(spoken, changes))
    assert all(kept[name] == changes[name] for name in kept)
    assert set(listed) <= {spoken(name) for name, change in changes.items() if change is not None}
    assert exclude(kept, base) == (kept, ())
