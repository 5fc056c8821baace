"""What the parts of the sandbox contract share: a small version of some software, a sandbox with two arms, and ways to run things in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes.base import ExecResult, Needs, Sandbox, SandboxProvider

SECRET = "ISOBENCH_CONTRACT_SECRET"  # noqa: S105 - the name of a variable that must not be seen inside
FILES = {
    "pkg/__init__.py": "VALUE = 'pristine'\n",
    "pkg/broken.py": "def broken(:\n",
    "data.txt": "one\ntwo\nthree\n",
}
PATCH = """\
--- a/pkg/__init__.py
+++ b/pkg/__init__.py
@@ -1 +1 @@
-VALUE = 'pristine'
+VALUE = 'patched'
"""
"""What makes the arm `agent` different."""
SMALL = Resources(memory_mb=1024, pids=64, disk_mb=16)
NEEDS = Needs(resources=SMALL, label="contract")

Aspect = Literal["filesystem", "network", "processes", "user", "limits"]


class ContractBase:
    """Fixtures to override, and helpers."""

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls) -> SandboxProvider:
        """Say what is tried: override this."""
        raise NotImplementedError("define a class-scoped fixture 'provider' that returns the SandboxProvider to try")

    @pytest.fixture(scope="class")
    @classmethod
    def version(cls, tmp_path_factory: pytest.TempPathFactory) -> Version:
        """A small version, its environment made from the Python that runs the tests."""
        folder = tmp_path_factory.mktemp("version")
        for name, text in FILES.items():
            path = folder / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
        return Version(
            label="base", tree=folder / "tree", environment=BuiltEnvironment(path=folder / "env", digest="contract"), digest="contract"
        )

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, provider: SandboxProvider, version: Version) -> Iterator[Sandbox]:
        """A sandbox with the arms `baseline` and `agent`, which tests leave as they are; they add others."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(SECRET, "tell nobody")
            sandbox = provider.open(NEEDS)
        with sandbox:
            sandbox.add("baseline", version, Environment())
            sandbox.add("agent", version, Environment(variables={"FROM_RECORD": "yes"}), patch=PATCH)
            yield sandbox

    @pytest.fixture
    def arm(self, request: pytest.FixtureRequest) -> str:
        """The name of an arm that is a test's own."""
        return re.sub("[^a-z0-9]+", "-", request.node.name)

    def run(
        self,
        sandbox: Sandbox,
        code: str,
        *arguments: str,
        arm: str = "agent",
        stdin: bytes = b"",
        timeout: float = 60.0,
        resources: Resources = SMALL,
        **options: Any,
    ) -> ExecResult:
        """Run Python code in an arm."""
        require_processes(sandbox)
        process = sandbox.process(arm, ["{python}", "-c", textwrap.dedent(code), *arguments], resources=resources, **options)
        return sandbox.supervisor.run(process, stdin=stdin, timeout=timeout)

    def tell(self, sandbox: Sandbox, code: str, *arguments: str, **options: Any) -> Any:
        """Run Python code that calls `tell(value)` once, and return the value."""
        head = "import json, os, sys\ndef tell(value):\n    print(json.dumps(value))\n"
        result = self.run(sandbox, head + textwrap.dedent(code), *arguments, **options)
        assert result.returncode == 0, result.stderr.decode(errors="replace")
        return json.loads(result.stdout)


def require_processes(sandbox: Sandbox) -> None:
    """Skip a test that runs something."""
    if not sandbox.runs:
        pytest.skip(f"nothing runs in the {sandbox.isolation.sandbox} sandbox")


def require(sandbox: Sandbox, aspect: Aspect) -> None:
    """Skip a test of something that this sandbox says it cannot do."""
    if not getattr(sandbox.isolation, aspect):
        pytest.skip(f"the {sandbox.isolation.sandbox} sandbox does not isolate the {aspect} here: {'; '.join(sandbox.isolation.notes)}")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def free_core() -> int:
    """A core that tests may use."""
    return max(os.sched_getaffinity(0))
