"""Installing packages into a virtual environment with this program's own pip, under the user's pip configuration."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytest_isobench.dataset.commands import Done, run
from pytest_isobench.errors import IsobenchError, NotEvaluableError, SourceError, UsageError

_DROPPED = re.compile(r"PYTHON|VIRTUAL_ENV$|__PYVENV|PIP_(TARGET|PREFIX|ROOT|USER|PYTHON|REQUIRE_VIRTUALENV|REPORT|DRY_RUN|QUIET|VERBOSE)$")
_NO_VERSION = re.compile(r"requirement (?P<requirement>.+?) \(from versions: (?P<versions>.*?)\)")
_OTHER_PYTHON = re.compile(r"require a different python version: (?P<versions>.*)")
_NOT_THIS_PYTHON = re.compile(r"Package '.*' requires a different Python: .*")
_REFUSED = re.compile(r"ResolutionImpossible|Invalid requirement|is not a supported wheel")
_NETWORK = re.compile(r"Retrying \(Retry|Could not fetch URL|ReadTimeout|Connection(Reset|Error|Refused)|HTTPError|HTTP error 5\d\d")
_SHOWN = 8
"""Versions that a message lists."""


def install(python: Path, requirements: Iterable[str]) -> None:
    """Install packages for an interpreter.

    Raises:
        UsageError: no index has such a package or version, or the requirement is none.
        NotEvaluableError: the package does not run on this Python.
        SourceError: it could not be downloaded or built.
    """
    wanted = list(requirements)
    for requirement in wanted:
        _check(requirement)
    if wanted:
        done = _pip(python, "install", "--no-compile", "--no-warn-script-location", *wanted)
        if done.returncode:
            raise _explain(done)


def newest(python: Path, package: str) -> str:
    """Return the newest release of a package that pip would choose: not yanked, and fit for the interpreter. Raises as `install` does."""
    done = _pip(python, "install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-", package)
    if done.returncode:
        raise _explain(done)
    report: Any = json.loads(done.stdout)
    version: str = report["install"][0]["metadata"]["version"]
    return version


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would lead pip or an interpreter astray."""
    return {name: value for name, value in os.environ.items() if not _DROPPED.match(name)}


def _check(requirement: str) -> None:
    if requirement.startswith("-") or not requirement.strip():
        raise UsageError(f"{requirement!r} is not a requirement; allowed: what pip installs by name or URL, such as 'numpy==2.1.0'")


def _pip(python: Path, command: str, *arguments: str) -> Done:
    options = ("--python", str(python), "--no-input", "--disable-pip-version-check", "--no-color")
    quiet = ("--progress-bar", "off", "--root-user-action", "ignore")
    return run([sys.executable, "-m", "pip", *options, command, *quiet, *arguments], environment=clean_environment())


def _explain(done: Done) -> IsobenchError:
    said = done.stdout + done.stderr
    if _NETWORK.search(said):
        return SourceError(f"pip could not reach a package index:\n{done.tail()}")
    if _REFUSED.search(said):
        return UsageError(f"pip refuses the requirements:\n{done.tail()}")
    if found := _NOT_THIS_PYTHON.search(said):
        return NotEvaluableError(f"{found[0]}; environment.python sets another")
    if found := _NO_VERSION.search(said):
        return _missing(found["requirement"], found["versions"], _OTHER_PYTHON.search(said))
    return SourceError(f"pip failed with exit status {done.returncode}:\n{done.tail()}")


def _missing(requirement: str, versions: str, other_python: re.Match[str] | None) -> IsobenchError:
    pinned = requirement.partition("==")[2].strip()
    if other_python and (versions == "none" or (pinned and f"{pinned} Requires-Python" in other_python["versions"])):
        return NotEvaluableError(f"{requirement!r} needs another Python; environment.python sets it: {other_python['versions'][-200:]}")
    if versions == "none":
        return UsageError(f"no package index has {requirement!r}; check the name, and the index in pip's configuration")
    listed = versions.split(", ")
    return UsageError(f"{requirement!r} does not exist; the last of {len(listed)} versions are: {', '.join(listed[-_SHOWN:])}")
