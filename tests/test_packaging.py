"""The wheel: what is in it, and that it works in a project that knows nothing of this one."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TASK = """
version: 1
tasks:
  - id: total
    source: {kind: path, base: slow, human: fast}
    workload:
      kind: python
      code: |
        from total import total

        def inputs(rng):
            return rng.randrange(20_000, 20_100)

        def run(number):
            return total(number)
"""
SLOW = "def total(number):\n    result = 0\n    for i in range(number):\n        result += i\n    return result\n"
FAST = "def total(number):\n    return sum(range(number))\n"

PROGRAMS = ("sandboxes/supervisor.py", "workloads/worker.py", "images/unpack.py")
NEEDED = ("py.typed", "plugin/suite.py", "images/templates/cpu.Dockerfile.j2", *PROGRAMS)

pytestmark = [pytest.mark.network, pytest.mark.alone]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def project(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make another project, with an environment of its own into which the wheel is installed."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in {"tasks/total.yaml": TASK, "tasks/slow/total.py": SLOW, "tasks/fast/total.py": FAST}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
    subprocess.run([str(folder / ".venv/bin/pip"), "install", "-q", str(wheel)], check=True)
    return folder


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    data = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pytest_isobench").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {name for name in names if ".dist-info/" not in name} == data
    assert {f"pytest_isobench/{name}" for name in NEEDED} <= names


def test_works_in_another_project(project: Path) -> None:
    options = ("--isobench-agent=human,nop", "--isobench-require=improve", "--isobench-report=report.json")
    ended = subprocess.run([str(project / ".venv/bin/pytest"), *options], cwd=project, capture_output=True, text=True, check=False)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    results = {result["agent"]: result for result in json.loads((project / "report.json").read_text())["results"]}
    assert {result["task_state"] for result in results.values()} == {"evaluable"}
    assert results["human"]["verdict"]["gain"] == "faster"
    assert results["nop"]["verdict"]["outcome"] == "slower"
    assert results["nop"]["verdict"]["gain"] != "faster"


def test_command_works_in_another_project(project: Path) -> None:
    def isobench(*arguments: str) -> str:
        command = [str(project / ".venv/bin/isobench"), *arguments]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, check=True).stdout

    assert json.loads(isobench("schema", "task"))["title"] == "Task"
    assert "1 good, 0 broken" in isobench("validate", "tasks")
