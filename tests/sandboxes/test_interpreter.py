"""What an interpreter needs to be seen."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes.interpreter import needs


def install(prefix: Path) -> Path:
    """Make something that looks like an installed Python; return its interpreter."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python3").touch()
    return prefix / "bin" / "python3"


def environment(folder: Path, python: Path, home: Path | None = None) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(python)
    (folder / "pyvenv.cfg").write_text(f"include-system-site-packages = false\nhome = {home or python.parent}\nversion = 3.11.7\n")
    return folder


def test_base_prefix_is_needed(tmp_path: Path) -> None:
    assert needs(environment(tmp_path / "env", install(tmp_path / "python"))) == (tmp_path / "python",)


def test_every_name_of_the_prefix_is_needed(tmp_path: Path) -> None:
    install(tmp_path / "python-3.11.7")
    (tmp_path / "python-3.11").symlink_to("python-3.11.7")
    found = needs(environment(tmp_path / "env", tmp_path / "python-3.11" / "bin" / "python3"))
    assert set(found) == {tmp_path / "python-3.11", tmp_path / "python-3.11.7"}


def test_chain_of_links_is_followed(tmp_path: Path) -> None:
    real = install(tmp_path / "real")
    (tmp_path / "shims" / "bin").mkdir(parents=True)
    (tmp_path / "shims" / "bin" / "python3").symlink_to("../../real/bin/python3")
    found = needs(environment(tmp_path / "env", tmp_path / "shims" / "bin" / "python3", home=real.parent))
    assert set(found) == {tmp_path / "shims", tmp_path / "real"}


def test_environment_on_its_own_needs_nothing(tmp_path: Path) -> None:
    (install(tmp_path / "conda").parent / "python").symlink_to("python3")
    assert needs(tmp_path / "conda") == ()


def test_prefix_in_a_needed_one_is_covered(tmp_path: Path) -> None:
    python = install(tmp_path / "python")
    assert needs(environment(tmp_path / "python" / "envs" / "mine", python)) == (tmp_path / "python",)


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs the system's Python")
def test_system_is_there_anyway(tmp_path: Path) -> None:
    assert needs(environment(tmp_path / "env", Path("/usr/bin/python3"))) == ()


def test_home_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    python = install(tmp_path / "home")
    with pytest.raises(SandboxError, match="home folders"):
        needs(environment(tmp_path / "env", python))


def test_missing_interpreter_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="remove the environment"):
        needs(environment(tmp_path / "env", tmp_path / "gone" / "bin" / "python3"))


def test_this_interpreter_is_found() -> None:
    prefix = Path(sys.base_prefix).resolve()
    found = needs(Path(sys.prefix)) if (Path(sys.prefix) / "bin" / "python").exists() else ()
    assert prefix.is_relative_to("/usr") or sys.prefix == sys.base_prefix or prefix in [path.resolve() for path in found]
