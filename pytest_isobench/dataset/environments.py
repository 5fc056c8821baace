"""Virtual environments: built once per content, read-only afterwards, shared by all cases that ask for the same."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_isobench.dataset.cache import Cache, key_of
from pytest_isobench.dataset.commands import run
from pytest_isobench.dataset.interpreters import Interpreter, find_interpreter
from pytest_isobench.dataset.packages import clean_environment, install
from pytest_isobench.dataset.versions import BuiltEnvironment
from pytest_isobench.errors import SourceError
from pytest_isobench.models.task import Environment

FOLDER = "venv"
"""Where an entry of the cache keeps its environment."""


def build(environment: Environment, cache: Cache, extra: Iterable[str] = ()) -> BuiltEnvironment:
    """Return the environment that a record describes, with further requirements.

    Raises:
        NotEvaluableError: this machine lacks the Python version.
        UsageError: a requirement does not exist.
        SourceError: something could not be downloaded, or a set-up command failed.
    """
    key = environment_key(environment, extra)
    entry = cache.get("environments", key, lambda folder: _fill(folder / FOLDER, environment, extra, key))
    return BuiltEnvironment(path=entry.path / FOLDER, digest=entry.facts["digest"])


def environment_key(environment: Environment, extra: Iterable[str] = ()) -> str:
    """Return the key of everything that decides what is built. Raises NotEvaluableError without such a Python."""
    python = find_interpreter(environment.python)
    return key_of("environment", str(python.path), python.version, _requirements(environment, extra), environment.setup)


def create(venv: Path, environment: Environment, extra: Iterable[str] = (), *, key: str) -> str:
    """Make an environment, bytecode apart, and return its digest: of what was asked for and what was installed. Raises as `build` does."""
    _make(venv, find_interpreter(environment.python))
    install(venv / "bin" / "python", _requirements(environment, extra))
    for command in environment.setup:
        _set_up(venv, command)
    return key_of("environment digest", key, sorted(path.name for path in site_packages(venv).glob("*.dist-info")))


def site_packages(venv: Path) -> Path:
    """Return the folder that packages are installed in."""
    return next((venv / "lib").glob("python3.*/site-packages"))


def compile_bytecode(venv: Path) -> None:
    """Compile what was installed: candidates may not write it themselves. A package's broken file, such as a test's, is left alone."""
    folder = site_packages(venv)
    if not any(folder.iterdir()):
        return
    run([venv / "bin" / "python", "-I", "-m", "compileall", "-q", folder], environment=clean_environment())


def _fill(venv: Path, environment: Environment, extra: Iterable[str], key: str) -> dict[str, str]:
    digest = create(venv, environment, extra, key=key)
    compile_bytecode(venv)
    return {"digest": digest}


def _requirements(environment: Environment, extra: Iterable[str]) -> list[str]:
    """Return everything to install; shell commands find a pip of the environment's own, not the one of whoever runs pytest."""
    tools = ["pip"] if environment.setup or environment.install else []
    return [*tools, *environment.requirements, *extra]


def _make(venv: Path, python: Interpreter) -> None:
    done = run([python.path, "-I", "-m", "venv", "--without-pip", venv], environment=clean_environment())
    if done.returncode:
        raise SourceError(f"{python.path} could not make a virtual environment:\n{done.tail()}")


def _set_up(venv: Path, command: str) -> None:
    variables = clean_environment()
    variables |= {"VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}:{variables.get('PATH', '/usr/bin:/bin')}"}
    done = run(["/bin/sh", "-c", command], environment=variables, folder=venv)
    if done.returncode:
        raise SourceError(f"the set-up command {command!r} ended with exit status {done.returncode}:\n{done.tail()}")
