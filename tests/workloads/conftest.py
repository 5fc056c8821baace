"""A small package in several versions, and a bench in the local sandbox to run it on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.models.task import Environment
from pytest_isobench.sandboxes.local import LocalProvider
from pytest_isobench.workloads.base import Bench


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> BuiltEnvironment:
    path = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(path)], check=True)
    return BuiltEnvironment(path=path, digest="environment")


@pytest.fixture
def bench(tmp_path, environment) -> Iterator[Callable[..., Bench]]:
    """Make a bench whose arms hold the given text as `package.py`."""
    with LocalProvider().open() as sandbox:

        def place(**arms: str) -> Bench:
            for arm, text in {"oracle": arms["baseline"], **arms}.items():
                tree = tmp_path / arm
                tree.mkdir()
                (tree / "package.py").write_text(text)
                version = Version(label=arm, tree=tree, environment=environment, digest=arm)
                sandbox.add(arm.replace("_", "-"), version, Environment())
            return Bench(sandbox=sandbox, campaign="campaign", cores=(0,), timeout=5)

        yield place


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path
