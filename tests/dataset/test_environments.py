from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_isobench.dataset.cache import Cache, tree_digest
from pytest_isobench.dataset.environments import build, environment_key, site_packages
from pytest_isobench.dataset.interpreters import find_interpreter
from pytest_isobench.errors import NotEvaluableError, SourceError, UsageError
from pytest_isobench.models.task import Environment

OTHER = [f"3.{minor}" for minor in range(11, 15) if minor != sys.version_info.minor]


def ask(python: Path, code: str) -> str:
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.soak
def test_an_environment_is_built_once_and_never_written_to(
    cache: Cache, tmp_path: Path, wheels: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels("tiny", "1.0", {"tiny.py": "x = 1\n"}, needs=("other",))
    wheels("other", "2.0", {"other/__init__.py": "y = 2\n"})
    for name in ("PIP_TARGET", "PIP_PREFIX", "PYTHONPATH", "PYTHONHOME", "PIP_USER"):
        monkeypatch.setenv(name, "/nonexistent")
    built = build(Environment(requirements=("tiny==1.0",)), cache)
    before = tree_digest(built.path)
    assert ask(built.python, "import tiny, other, sys; print(tiny.x, other.y, sys.prefix)") == f"1 2 {built.path}"
    assert len(list(site_packages(built.path).rglob("*.pyc"))) == 2
    assert tree_digest(built.path) == before
    wheels("other", "2.1", {"other/__init__.py": "y = 3\n"})
    assert build(Environment(requirements=("tiny==1.0",)), cache) == built
    elsewhere = build(Environment(requirements=("tiny==1.0",)), Cache(tmp_path / "another"))
    assert elsewhere.digest != built.digest, "what was installed decides, too"


def test_what_is_asked_for_decides() -> None:
    wanted = [{}, {"requirements": ["a"]}, {"requirements": ["b"]}, {"setup": ["a"]}, {"install": ["a"]}]
    keys = [environment_key(Environment(**fields)) for fields in wanted]
    assert len({*keys, environment_key(Environment(), ("c",))}) == len(wanted) + 1
    assert environment_key(Environment(pythonpath=("src",), variables={"A": "b"})) == keys[0]


@pytest.mark.versions
def test_set_up_commands_run_in_the_environment(cache: Cache, wheels: Callable[..., None]) -> None:
    wheels("pip", "99", {"pip.py": ""})
    setup = ("test -f bin/python && python -c 'import sys; print(sys.prefix)' > where", "echo $VIRTUAL_ENV >> where")
    built = build(Environment(setup=setup), cache)
    assert (built.path / "where").read_text() == f"{built.path}\n{built.path}\n"
    assert ask(built.python, "import pip; print(pip.__file__)") == str(site_packages(built.path) / "pip.py")


@pytest.mark.versions
def test_a_set_up_command_that_fails_is_the_machines_failure_and_tells_no_secret(
    cache: Cache, wheels: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels("pip", "99", {"pip.py": ""})
    monkeypatch.setenv("HF_TOKEN", "hf_tell_nobody")
    command = "echo $HF_TOKEN; echo hopeless >&2; exit 3"
    with pytest.raises(SourceError) as caught:
        build(Environment(setup=(command,)), cache)
    assert str(caught.value) == f"the set-up command {command!r} ended with exit status 3:\n***\nhopeless"


@pytest.mark.parametrize("requirement", ["--index-url=http://x", "-r x.txt", " "])
def test_what_is_no_requirement(cache: Cache, requirement: str) -> None:
    with pytest.raises(UsageError, match="is not a requirement; allowed: what pip installs by name or URL"):
        build(Environment(requirements=(requirement,)), cache)


def test_a_version_that_does_not_exist(cache: Cache, wheels: Callable[..., None]) -> None:
    wheels("tiny", "1.0", {"tiny.py": ""})
    wheels("tiny", "1.1", {"tiny.py": ""})
    with pytest.raises(UsageError, match=r"'tiny==9' does not exist; the last of 2 versions are: 1\.0, 1\.1"):
        build(Environment(requirements=("tiny==9",)), cache)


@pytest.mark.versions
def test_requirements_that_contradict_each_other(cache: Cache, wheels: Callable[..., None]) -> None:
    wheels("tiny", "1.0", {"tiny.py": ""}, needs=("other==2.0",))
    wheels("other", "1.0", {"other.py": ""})
    wheels("other", "2.0", {"other.py": ""})
    with pytest.raises(UsageError, match=r"pip refuses the requirements:[\s\S]*conflicting dependencies"):
        build(Environment(requirements=("tiny", "other==1.0")), cache)


@pytest.mark.versions
def test_an_index_that_cannot_be_reached_is_the_machines_failure(
    cache: Cache, wheels: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(SourceError, match="pip could not reach a package index"):
        build(Environment(requirements=("tiny",)), cache)


@pytest.mark.versions
def test_a_release_for_another_python(cache: Cache, wheels: Callable[..., None]) -> None:
    wheels("tiny", "1.0", {"tiny.py": ""}, python=">=3.99")
    with pytest.raises(NotEvaluableError, match=r"'tiny' requires a different Python: .*; environment.python sets another"):
        build(Environment(requirements=("tiny==1.0",)), cache)


@pytest.mark.versions
def test_an_index_that_knows_the_release_is_for_another_python(
    cache: Cache, tmp_path: Path, wheels: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels("tiny", "1.0", {"tiny.py": ""}, python=">=3.99")
    page = tmp_path / "simple" / "tiny" / "index.html"
    page.parent.mkdir(parents=True)
    name = "tiny-1.0-py3-none-any.whl"
    page.write_text(f'<!DOCTYPE html><a href="file://{tmp_path}/wheels/{name}" data-requires-python="&gt;=3.99">{name}</a>')
    for variable in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_INDEX_URL", f"file://{tmp_path}/simple")
    with pytest.raises(NotEvaluableError, match=r"'tiny==1\.0' needs another Python; .* 1\.0 Requires-Python >=3\.99"):
        build(Environment(requirements=("tiny==1.0",)), cache)


def test_a_python_that_is_not_here(cache: Cache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "python3.99").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3.99").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotEvaluableError, match=r"needs Python 3\.99, and this machine has no python3\.99 .* pytest runs on 3\."):
        build(Environment(python="3.99"), cache)


@pytest.mark.parametrize("version", OTHER)
def test_another_python(cache: Cache, version: str) -> None:
    try:
        found = find_interpreter(version)
    except NotEvaluableError as error:
        pytest.skip(str(error))
    built = build(Environment(python=version), cache)
    said = ask(built.python, "import sys; print(*sys.version_info[:2], sep='.'); print(sys._base_executable)")
    assert said == f"{version}\n{found.path}"
    assert environment_key(Environment(python=version)) != environment_key(Environment())


def test_a_found_interpreter_is_no_launcher_and_no_virtual_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = f"3.{sys.version_info.minor}"
    monkeypatch.setattr("pytest_isobench.dataset.interpreters.sys", SimpleNamespace(version_info=SimpleNamespace(minor=99)))
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    monkeypatch.setenv("PATH", f"{venv}/bin:{os.environ['PATH']}")
    found = find_interpreter.__wrapped__(version)
    assert found.path == Path(sys.base_prefix) / "bin" / f"python{version}"
