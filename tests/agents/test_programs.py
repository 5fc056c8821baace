"""Where programs lie, what of this machine they need to be shown, and what that brings with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_isobench.agents import programs
from pytest_isobench.errors import UsageError


def installed(folder: Path, name: str = "agent") -> Path:
    folder.mkdir(parents=True)
    (folder / name).write_text("#!/bin/sh\necho 1.2\necho more\n")
    (folder / name).chmod(0o755)
    return folder / name


def test_a_program_of_npm_needs_its_modules(tmp_path: Path) -> None:
    real = installed(tmp_path / "prefix/node_modules/@maker/agent/bin")
    (tmp_path / "prefix/node_modules/.bin").mkdir()
    link = tmp_path / "prefix/node_modules/.bin/agent"
    link.symlink_to("../@maker/agent/bin/agent")
    assert programs.folders(link) == (tmp_path / "prefix/node_modules",)
    assert programs.folders(real) == (tmp_path / "prefix/node_modules",)


def test_a_program_of_an_environment_needs_its_interpreter(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    program = tmp_path / "venv/bin/agent"
    program.write_text("")
    shown = programs.folders(program)
    assert shown[0] == tmp_path / "venv"
    assert all(not folder.is_relative_to("/usr") for folder in shown)
    base = Path(sys.base_prefix).resolve()
    assert base.is_relative_to("/usr") or base in shown


def test_a_program_of_the_system_needs_nothing() -> None:
    assert programs.folders(Path("/usr/bin/env")) == ()


def test_links_are_followed_and_folders_named_once(tmp_path: Path) -> None:
    real = installed(tmp_path / "opt/agent-1.2")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/agent").symlink_to(real)
    inner = tmp_path / "opt/agent-1.2/data"
    inner.mkdir()
    assert programs.folders(tmp_path / "bin/agent", [str(inner)]) == (tmp_path / "bin", tmp_path / "opt/agent-1.2")


@pytest.mark.parametrize("folder", ["/", "/tmp", str(Path.home()), "/no/such/folder"])
def test_homes_are_not_shown(tmp_path: Path, folder: str) -> None:
    with pytest.raises(UsageError, match=r"install it in a folder of its own|is not a folder"):
        programs.folders(installed(tmp_path / "agent"), [folder])


def test_where_a_program_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = installed(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(program.parent))
    assert programs.locate("agent") == programs.locate(str(program)) == program
    with pytest.raises(UsageError, match="'agnet' is not installed, or not on PATH"):
        programs.locate("agnet")


@pytest.mark.parametrize(("command", "said"), [([], ""), (["{agent}"], "1.2"), (["/no/such"], ""), (["/bin/false"], "")])
def test_versions(tmp_path: Path, command: list[str], said: str) -> None:
    program = installed(tmp_path / "bin")
    assert programs.version([text.format(agent=program) for text in command]) == said


@pytest.mark.parametrize(("version", "later"), [("2.0", ["My.Package 2.0"]), ("1.0", []), ("0.9", []), ("odd", [])])
def test_later_releases_in_a_program(tmp_path: Path, version: str, later: list[str]) -> None:
    info = tmp_path / f"lib/python3.12/site-packages/my_package-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: my-package\nVersion: {version}\n")
    assert programs.later_releases([tmp_path], "My.Package", "1.0") == later
