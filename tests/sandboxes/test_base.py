"""What every sandbox inherits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from pytest_isobench.sandboxes.fake import FakeProvider

CHILD = "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"


def test_descendants_are_a_sandbox_s_own_and_others_are_not():
    with FakeProvider().open() as sandbox, subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as child:
        grandchild = int(child.stdout.readline())
        assert sandbox.owns(child.pid)
        assert sandbox.owns(grandchild)
        assert not sandbox.owns(os.getppid())
        os.kill(grandchild, signal.SIGTERM)
        child.wait()
        assert sandbox.owns(grandchild), "nobody can tell whose it was"
        assert sandbox.gpus == ()
