"""Templates: the project's own before those of the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_isobench.dataset.templates import render
from pytest_isobench.errors import UsageError


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    for name in ("folder", "packaged"):
        (tmp_path / name).mkdir()
    (tmp_path / "packaged" / "a.j2").write_text("packaged {{ x }} {% block more %}{% endblock %}\n")
    return {name: tmp_path / name for name in ("folder", "packaged")}


def test_the_project_s_own_comes_first_and_may_extend_the_package_s(folders: dict[str, Path]) -> None:
    assert render("a.j2", {"x": "<1>"}, **folders) == "packaged <1> "
    (folders["folder"] / "b.j2").write_text("{% extends 'a.j2' %}{% block more %}{{ x | loud }}{% endblock %}\n")
    assert render("b.j2", {"x": "y"}, filters={"loud": str.upper}, **folders) == "packaged y Y"
    (folders["folder"] / "a.j2").write_text("own\n")
    assert render("a.j2", {}, **folders) == "own\n"


def test_values_are_no_templates(folders: dict[str, Path]) -> None:
    assert render("a.j2", {"x": "{{ y }}"}, **folders) == "packaged {{ y }} "


@pytest.mark.parametrize(("name", "text", "message"), [
    ("A.j2", None, r"there is no template .*folder/A\.j2 \(did you mean 'a\.j2'\?\); there are a\.j2"),
    ("b.j2", "{% extends 'c.j2' %}", r"there is no template .*folder/c\.j2"),
    ("b.j2", "one\n{% if %}", r"folder/b\.j2:2: "),
    ("b.j2", "{{ y }}", "b.j2, from .*folder or the package: 'y' is undefined"),
    ("b.j2", "{{ x + 1 }}", "b.j2, from "),
    ("b.j2", "\udcff", "b.j2, from "),
])  # fmt: skip
def test_what_is_wrong_is_told(folders: dict[str, Path], name: str, text: str | None, message: str) -> None:
    if text is not None:
        (folders["folder"] / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=message):
        render(name, {"x": "1"}, **folders)
