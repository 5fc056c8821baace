"""Settling a tree: modes, and bytecode that belongs to its source."""

from __future__ import annotations

import os
import py_compile
import stat
import subprocess
import sys
import time
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from pytest_isobench.sandboxes import settle


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "pkg").mkdir(parents=True)
    (tmp_path / "tree" / "pkg" / "__init__.py").write_text("VALUE = 1\n")
    return tmp_path / "tree"


def run(tree: Path, since: int = 0) -> None:
    settle.main(["settle.py", str(tree), str(since)])


def later() -> int:
    return time.time_ns() + 10**9


def value(tree: Path) -> str:
    return subprocess.check_output([sys.executable, "-c", "import pkg; print(pkg.VALUE)"], cwd=tree, text=True).strip()


def bytecode(tree: Path) -> list[str]:
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*.pyc"))


def cached(source: Path) -> Path:
    return Path(cache_from_source(str(source)))


def forge(source: Path, text: str) -> None:
    """Compile another program under the source's name, valid whatever the source says."""
    honest = source.read_text()
    source.write_text(text)
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    source.write_text(honest)


def test_everything_is_compiled_once(tree: Path) -> None:
    (tree / "script.py").write_text("print()\n")
    run(tree)
    assert bytecode(tree) == sorted(str(cached(path).relative_to(tree)) for path in (tree / "pkg" / "__init__.py", tree / "script.py"))
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*.pyc")}
    run(tree, later())
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*.pyc")} == before


def test_bytecode_of_a_changed_source_is_made_again(tree: Path) -> None:
    run(tree)
    (tree / "pkg" / "__init__.py").write_text("VALUE = 2\n")
    assert value(tree) == "1", "unchecked: Python itself does not notice"
    run(tree, later())
    assert value(tree) == "2"


def test_later_bytecode_is_never_believed(tree: Path) -> None:
    run(tree)
    forge(tree / "pkg" / "__init__.py", "VALUE = 'forged'\n")
    run(tree, 0)
    assert value(tree) == "1"


def test_bytecode_without_source_goes(tree: Path) -> None:
    run(tree)
    source = tree / "pkg" / "extra.py"
    source.write_text("VALUE = 3\n")
    py_compile.compile(str(source), cfile=str(tree / "pkg" / "extra.pyc"))
    py_compile.compile(str(source))
    source.unlink()
    (tree / "pkg" / "__pycache__" / "other.pyc").write_bytes(b"rubbish")
    run(tree, later())
    assert bytecode(tree) == [str(cached(tree / "pkg" / "__init__.py").relative_to(tree))]


def test_links_to_bytecode_go(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept.pyc").touch()
    (tree / "pkg" / "__pycache__").symlink_to(tmp_path / "outside")
    run(tree)
    assert not (tree / "pkg" / "__pycache__").is_symlink()
    assert (tmp_path / "outside" / "kept.pyc").exists()
    assert value(tree) == "1"


@pytest.mark.parametrize("text", ["def broken(:\n", "x = '\0'\n", "# coding: no-such-codec\n", "(" * 500 + "\n", "-" * 100_000 + "1\n"])
def test_what_does_not_compile_is_left_alone(tree: Path, text: str) -> None:
    (tree / "pkg" / "broken.py").write_text(text)
    run(tree)
    assert bytecode(tree) == [str(cached(tree / "pkg" / "__init__.py").relative_to(tree))]


def test_odd_files_do_not_stop_it(tree: Path) -> None:
    os.mkfifo(tree / "pkg" / "pipe.py")
    (tree / "pkg" / "link.py").symlink_to("/nonexistent")
    (tree / "other").mkdir()
    (tree / "other" / "__pycache__").write_text("a file")
    (tree / "other" / "module.py").write_text("")
    run(tree)
    assert value(tree) == "1"


def test_modes_are_tidied(tree: Path) -> None:
    script, secret, folder = tree / "run.sh", tree / "secret.txt", tree / "closed"
    script.touch(0o700)
    secret.touch()
    secret.chmod(0o606)
    folder.mkdir(0o700)
    (folder / "file").touch()
    (folder / "file").chmod(0o4755)
    run(tree)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (script, secret, folder, folder / "file")}
    assert modes == {"run.sh": 0o755, "secret.txt": 0o644, "closed": 0o755, "file": 0o755}


def test_runs_alone(tree: Path) -> None:
    subprocess.run([sys.executable, "-I", "-S", settle.__file__, str(tree), "0"], check=True)
    assert len(bytecode(tree)) == 1
