"""Dockerfiles from templates."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_isobench.errors import UsageError
from pytest_isobench.images.rendering import Contents, TemplateName, quoted, render, shell

ROOT = Path(__file__).parents[2]
PACKAGED = ROOT / "pytest_isobench/images/templates"
NOWHERE = Path("/nonexistent")
CONTENTS = Contents(
    base="python:3.12-slim",
    python="3.12",
    pip=True,
    requirements=("numpy==2.1.0",),
    wheels=False,
    setup=("make all",),
    variables={"A": 'say "$b"\\'},
    package=None,
)


def instructions(text: str) -> list[str]:
    return [line.partition(" ")[0] for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_packaged_templates_are_the_projects(name: str) -> None:
    file = f"{name}.Dockerfile.j2"
    assert (PACKAGED / file).read_text() == (ROOT / "fixtures/images" / file).read_text()


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_everything_is_in_it(name: TemplateName) -> None:
    text = render(name, CONTENTS, NOWHERE)
    assert set(instructions(text)) == {"FROM", "USER", "ENTRYPOINT", "RUN", "ENV", "WORKDIR", "COPY"}
    assert text.startswith("FROM python:3.12-slim\n")
    assert "RUN python3.12 -m venv /isobench/image/env\n" in text
    assert "-r /isobench/image/requirements.txt\n" in text
    assert 'RUN ["/bin/sh", "-c", "make all"]\n' in text
    assert "COPY tree /isobench/image/tree\n" in text
    assert ("nvcc" in text) == (name == "cuda")


def test_nothing_is_installed_without_need() -> None:
    text = render("cpu", replace(CONTENTS, pip=False, requirements=(), setup=(), variables={}), NOWHERE)
    assert "venv --without-pip /isobench/image/env" in text
    assert "pip install" not in text
    assert "COPY requirements.txt" not in text


def test_wheels_need_no_index() -> None:
    text = render("cpu", replace(CONTENTS, wheels=True), NOWHERE)
    assert "--no-index --find-links /isobench/image/wheels -r" in text


def test_releases_are_unpacked_in_the_image() -> None:
    text = render("cpu", replace(CONTENTS, package="packaging"), NOWHERE)
    assert "unpack.py packaging /isobench/image/tree" in text
    assert "COPY tree" not in text


def test_the_projects_template_counts(tmp_path: Path) -> None:
    (tmp_path / "cpu.Dockerfile.j2").write_text("FROM {{ base }}\nRUN echo own\n{% block tools %}{% endblock %}\n")
    assert "echo own" in render("cpu", CONTENTS, tmp_path)
    assert "echo own" in render("cuda", CONTENTS, tmp_path)
    assert "nvcc" in render("cuda", CONTENTS, tmp_path)


@pytest.mark.parametrize(
    ("template", "message"),
    [("FROM {{ bas }}\n", "'bas' is undefined"), ("FROM x\n{% if %}\n", ":2: "), ("{{ base.x.y }}", "no attribute 'x'")],
)
def test_broken_templates_are_named(tmp_path: Path, template: str, message: str) -> None:
    (tmp_path / "cpu.Dockerfile.j2").write_text(template)
    with pytest.raises(UsageError, match=message) as error:
        render("cpu", CONTENTS, tmp_path)
    assert "cpu.Dockerfile.j2" in str(error.value)


@pytest.mark.parametrize("command", ["echo 'a' \"b\"", "first\nRUN second", "printf '%s' \\\\ $HOME `x` é \u2028"])
def test_commands_stay_one_line(command: str) -> None:
    line = shell(command)
    assert len(line.splitlines()) == 1
    assert json.loads(line) == ["/bin/sh", "-c", command]


@pytest.mark.parametrize("value", ["plain", 'say "$HOME"', "back\\slash\\", "`date` 'x'"])
def test_values_are_quoted(value: str) -> None:
    # A shell reads such quotes as the engine does, except for the backquote, which only a shell minds.
    said = subprocess.run(["sh", "-c", f"printf %s {quoted(value).replace('`', chr(92) + '`')}"], capture_output=True, text=True)
    assert said.stdout == value
