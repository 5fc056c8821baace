"""Records of published data sets that bring their own scripts: GSO, SWE-Perf, SWE-fficiency, and the scripts of ISO-Bench."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

QUIET = """import contextlib, os
with open(os.devnull, "w") as silence, contextlib.redirect_stdout(silence):
    exec(compile({code}, "workload", "exec"))
"""
"""Runs a script that prints its own times, which no answer can be compared with."""
TESTS = 3600.0
"""Seconds that a record's tests may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """How a record's own scripts are run."""

    workload: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    """Files beside the task file."""
    checks: tuple[dict[str, Any], ...] = ()


def suites(value: Mapping[str, Any], name: str) -> Iterator[Suite]:
    """Yield what a record measures with, each a task of its own; `name` is for its files."""
    for find in _FINDERS:
        found = list(find(value, name))
        if found:
            yield from found
            return


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str) and each.strip()] if isinstance(value, list) else []


def _is_python(source: str) -> bool:
    try:
        compile(source, "script", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _reported(form: str, file: str, source: str) -> Suite:
    return Suite(workload={"kind": "reported", "format": form, "file": file}, files={file: source})


def _gso(value: Mapping[str, Any], name: str) -> Iterator[Suite]:
    """GSO: `tests` are scripts with `setup`, `experiment` and `run_test`, each another workload."""
    if "opt_commit" in value:
        for number, source in enumerate(filter(_is_python, _texts(value.get("tests"))), 1):
            yield _reported("gso", f"{name}-{number}.py", source)


def _scripts(value: Mapping[str, Any], name: str) -> Iterator[Suite]:
    """ISO-Bench: `efficiency_test`, or `source`, are scripts that time themselves and have a command line."""
    for number, source in enumerate(_texts([*_texts(value.get("efficiency_test")), value.get("source")]), 1):
        if "def experiment" in source and "argparse" in source and _is_python(source):
            yield _reported("isobench", f"{name}-{number}.py", source)


def _swe_perf(value: Mapping[str, Any], _: str) -> Iterator[Suite]:
    """SWE-Perf: `efficiency_test` are tests of the repository, as pytest names them."""
    tests = [test for test in _texts(value.get("efficiency_test")) if "\n" not in test and ".py" in test]
    if tests:
        yield Suite(workload={"kind": "command", "command": ["{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]})


def _swe_fficiency(value: Mapping[str, Any], _: str) -> Iterator[Suite]:
    """SWE-fficiency: `workload` is a script that prints its times, and `covering_tests` must still pass."""
    script = value.get("workload")
    if isinstance(script, str) and script.strip():
        tests = _texts(value.get("covering_tests"))
        command = ["{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
        checks = ({"name": "covering-tests", "command": command, "timeout": TESTS},) if tests else ()
        yield Suite(workload={"kind": "command", "command": ["{python}", "-c", QUIET.format(code=repr(script))]}, checks=checks)


_FINDERS: tuple[Callable[[Mapping[str, Any], str], Iterator[Suite]], ...] = (_gso, _swe_fficiency, _swe_perf, _scripts)
