"""The local sandbox's contract as an ordinary user, when root runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_isobench.sandboxes.probe import probe

ROOT = Path(__file__).parents[2]
USER = "1000"
SHOW = """
set -e
home=$1; prefix=$2; user=$3; shift 3
if ! setpriv --reuid="$user" --regid="$user" --clear-groups test -x "$prefix/bin"; then
    hidden=$(mktemp -d); mount --rbind "$home" "$hidden"; mount -t tmpfs -o mode=0711 tmpfs "$home"
    mkdir -p "$prefix"; mount --bind "$hidden/${prefix#"$home"/}" "$prefix"; umount -l "$hidden"; rmdir "$hidden"
fi
exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
"""
"""Shows the interpreter to a user who cannot enter root's home, in a mount namespace of its own."""


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["TestBubblewrap", "TestPlain"])
def test_contract_holds_for_an_ordinary_user(mode: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    if not probe().mounts:
        pytest.skip("needs root, to become somebody else")
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/user-contract.XXXXXX"], text=True).strip())
    os.chown(folder, int(USER), int(USER))
    show = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SHOW, "sh", str(Path.home()), sys.base_prefix, USER]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--basetemp={folder}/base", "-rs", "-m", ""]
    argv = [sys.executable, "-B", "-m", "pytest", *options, f"tests/sandboxes/test_local.py::{mode}"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT / "tests")}
    try:
        done = subprocess.run([*show, *argv], cwd=ROOT, env=environment, capture_output=True, text=True)
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
