"""The engine that other tests use, and its base image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from containers.engine import Engine, using

pytestmark = pytest.mark.engine

MAKE = Path(__file__).with_name("mkimage.py")


def says(engine: Engine, *command: str) -> str:
    client = engine.client()
    said: bytes = client.containers.run(engine.image, list(command), network_mode="none", remove=True)
    client.close()
    return said.decode()


def test_base_image_has_python_and_git(engine: Engine) -> None:
    assert says(engine, "git", "--version").startswith("git version")
    version = f"3.{sys.version_info.minor}"
    assert says(engine, f"python{version}", "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == f"{version}\n"
    made = says(engine, "sh", "-c", "python3 -m venv --without-pip /tmp/e && /tmp/e/bin/python -c 'import sys; print(sys.prefix)'")
    assert made == "/tmp/e\n"
    assert says(engine, "sh", "-c", "python3 -m venv /tmp/e && /tmp/e/bin/python -m pip --version").startswith("pip ")


def test_root_file_system_is_the_same_each_time(tmp_path: Path) -> None:
    for name in "ab":
        subprocess.run([sys.executable, str(MAKE), str(tmp_path / name)], check=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.skipif("ISOBENCH_TEST_ENGINE" in os.environ, reason="uses the engine that it is told to")
def test_engine_ends_with_its_last_user(tmp_path: Path) -> None:
    root = Path(f"/tmp/isobench-engine-t{os.getpid()}")
    script = (
        "import pathlib, sys\nfrom containers.engine import connect, using\n"
        f"with using(pathlib.Path('{root}')) as host:\n    print('up', flush=True)\n    sys.stdin.read()\n"
    )
    variables = {**os.environ, "PYTHONPATH": f"{MAKE.parents[1]}:{os.environ.get('PYTHONPATH', '')}"}
    with subprocess.Popen([sys.executable, "-c", script], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == b"up\n"
        with using(root):
            other.kill()
            other.wait()
            assert (root / "docker.sock").exists()
    assert not root.exists()
    assert str(root) not in Path("/proc/self/mountinfo").read_text()
