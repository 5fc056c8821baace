"""The project's ini values are what pytest reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_isobench.cli.ini import read_ini
from pytest_isobench.errors import UsageError


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\nisobench_tasks = one 'two three'\nisobench_image_base = a:1\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\nisobench_tasks = ["one", "two three"]\nisobench_image_base = "a:1"\n'),
        ("pyproject.toml", '[tool.pytest]\nisobench_tasks = ["one", "two three"]\nisobench_image_base = "a:1"\n'),
        ("pytest.toml", '[pytest]\nisobench_tasks = ["one", "two three"]\nisobench_image_base = "a:1"\n'),
        ("tox.ini", "[pytest]\nisobench_tasks = one 'two three'\nisobench_image_base = a:1\n"),
        ("setup.cfg", "[tool:pytest]\nisobench_tasks = one 'two three'\nisobench_image_base = a:1\n"),
    ],
)
def test_every_kind_of_file(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    (tmp_path / "inner").mkdir()
    ini = read_ini(tmp_path / "inner")
    assert ini.home == tmp_path
    assert ini.paths("isobench_tasks", []) == [tmp_path / "one", tmp_path / "two three"]
    assert ini.text("isobench_image_base") == "a:1"
    assert ini.text("isobench_image_prefix") is None


def test_other_files_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nisobench_image_base = outer\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert read_ini(tmp_path / "inner").text("isobench_image_base") == "outer"
    (tmp_path / "inner/pytest.ini").write_text("")
    assert read_ini(tmp_path / "inner").text("isobench_image_base") is None


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest")
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        read_ini(tmp_path)
