"""The command where there is no engine, and its wrong uses."""

from __future__ import annotations

import pytest
from image_project import Project


@pytest.mark.parametrize("command", [["build", "--all"], ["list"], ["prune"], ["push"], ["pull"]])
def test_no_engine_is_one_clear_error(offline: Project, command: list[str]) -> None:
    offline.add("one", {"a.py": ""})
    done = offline.images(*command)
    assert done.returncode == 2
    assert "no container engine answers at DOCKER_HOST=unix:///nonexistent/docker.sock" in done.stderr
    assert "podman" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_dry_run_needs_no_engine(offline: Project) -> None:
    offline.add("one", {"a.py": ""})
    offline.write({"fixtures/overrides.yaml": "version: 1\nblacklist: {two: too large}\n"})
    offline.add("two", {"a.py": ""})
    done = offline.images("build", "--all", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("left out two: too large\nwould build one as ")
    assert f"{offline.prefix}:one and {offline.prefix}:baseline-" in done.stdout
    assert len(offline.images("push", "--dry-run", "--commit", "one").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build"], "--commit SHA, or --all"),
        (["build", "--all", "--prefix", "Upper:tag"], "name of an image without a tag"),
        (["build", "--all", "--base", "a b"], "--base 'a b'"),
        (["build", "--all", "--wheels", "nowhere"], "is no folder"),
        (["build", "--commit", "nosuch1"], "none of 1 tasks"),
        (["build", "nowhere.yaml"], "does not exist"),
        (["build", "--all", "-j", "0"], "from 1 to 64"),
        (["list", "--nope"], "unrecognized"),
    ],
)
def test_wrong_uses(offline: Project, arguments: list[str], message: str) -> None:
    offline.add("one", {"a.py": ""})
    done = offline.images(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_project_without_tasks(offline: Project) -> None:
    done = offline.images("build", "--all")
    assert done.returncode == 2
    assert "there are no task files in" in done.stderr
