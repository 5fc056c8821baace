"""The sandbox contract: arms are placed, patched, built and compiled, and share nothing that can be written."""

from __future__ import annotations

import py_compile
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import DoesNotApplyError, DoesNotBuildError, SandboxError
from pytest_isobench.models.task import Environment
from pytest_isobench.sandboxes.base import Sandbox
from pytest_isobench.testing.base import FILES, PATCH, SMALL, ContractBase, contents, require, require_processes

DATA_PATCH = "--- a/data.txt\n+++ b/data.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
HALF_PATCH = DATA_PATCH + PATCH.replace("pristine", "something else")
WRONG_COUNTS = DATA_PATCH.replace("@@ -1,3 +1,3 @@", "@@ -1,9 +1,7 @@")
NEW_LINK = "diff --git a/link b/link\nnew file mode 120000\n"
REFUSED = {
    "above the tree": "--- /dev/null\n+++ b/../escaped.txt\n@@ -0,0 +1 @@\n+out\n",
    "link": NEW_LINK + "--- /dev/null\n+++ b/link\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n",
    "repository": "--- /dev/null\n+++ b/.git/config\n@@ -0,0 +1 @@\n+[core]\n",
    "prose": "Here is how I would make it faster: use a dict.\n",
}
FORGE = """
import importlib.util, pathlib, py_compile
source = pathlib.Path('pkg/__init__.py')
honest = source.read_text()
source.write_text("VALUE = 'forged'\\n")
py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
source.write_text(honest)
cached = pathlib.Path(importlib.util.cache_from_source(str(source)))
forged = bytearray(cached.read_bytes())
forged[8:16] = importlib.util.source_hash(source.read_bytes())
cached.write_bytes(forged)
pathlib.Path('sourceless.pyc').write_bytes(forged)
"""
"""Writes bytecode that carries the honest source's hash and another program."""


class PlacingContract(ContractBase):
    """How arms come to be."""

    def value(self, sandbox: Sandbox, arm: str) -> str:
        return str(self.tell(sandbox, "import pkg; tell(pkg.VALUE)", arm=arm))

    def listing(self, sandbox: Sandbox, arm: str) -> tuple[list[str], str]:
        names, data = self.tell(sandbox, "tell([sorted(os.listdir()), open('data.txt').read()])", arm=arm)
        return names, data

    def test_each_arm_has_its_own_code(self, sandbox: Sandbox) -> None:
        assert self.value(sandbox, "baseline") == "pristine"
        assert self.value(sandbox, "agent") == "patched"

    def test_write_stays_in_its_arm(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        before = contents(version.tree)
        sandbox.add(arm, version, Environment(install=("echo changed >data.txt; rm pkg/broken.py",)))
        self.tell(sandbox, "open('data.txt', 'a').write('again'); open('new', 'w').close(); tell(0)", arm=arm, writable=True)
        assert self.listing(sandbox, arm) == (["data.txt", "new", "pkg"], "changed\nagain")
        assert self.listing(sandbox, "baseline") == (["data.txt", "pkg"], FILES["data.txt"])
        sandbox.add(f"{arm}-later", version, Environment())
        assert self.listing(sandbox, f"{arm}-later") == (["data.txt", "pkg"], FILES["data.txt"])
        assert contents(version.tree) == before

    def test_candidate_cannot_change_its_tree(self, sandbox: Sandbox) -> None:
        require(sandbox, "filesystem")
        result = self.run(sandbox, "open('data.txt', 'w')")
        assert result.returncode == 1
        assert b"OSError" in result.stderr or b"PermissionError" in result.stderr

    def test_version_patch_comes_first(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        on_top = PATCH.replace("patched", "on top").replace("pristine", "patched")
        sandbox.add(arm, replace(version, patch=PATCH), Environment(), patch=on_top)
        assert self.value(sandbox, arm) == "on top"

    def test_patch_is_applied_as_it_is(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        sandbox.add(arm, version, Environment(), patch=DATA_PATCH)
        assert self.listing(sandbox, arm)[1] == "one\n2\nthree\n"
        with pytest.raises(DoesNotApplyError, match="corrupt patch"):
            sandbox.add(f"{arm}-miscounted", version, Environment(), patch=WRONG_COUNTS)

    def test_empty_patch_changes_nothing(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        sandbox.add(arm, version, Environment(), patch="")
        assert self.value(sandbox, arm) == "pristine"

    def test_patch_that_does_not_fit_as_a_whole_is_refused(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        before = contents(version.tree)
        with pytest.raises(DoesNotApplyError, match=r"pkg/__init__\.py"):
            sandbox.add(arm, version, Environment(), patch=HALF_PATCH)
        sandbox.add(f"{arm}-later", version, Environment())
        assert self.listing(sandbox, f"{arm}-later") == (["data.txt", "pkg"], FILES["data.txt"])
        assert contents(version.tree) == before

    @pytest.mark.parametrize("patch", REFUSED.values(), ids=REFUSED)
    def test_patch_that_reaches_out_is_refused(self, sandbox: Sandbox, arm: str, version: Version, patch: str) -> None:
        with pytest.raises(DoesNotApplyError):
            sandbox.add(arm, version, Environment(), patch=patch)
        with pytest.raises(SandboxError, match=arm):
            sandbox.process(arm, ["true"], resources=SMALL)

    def test_failing_install_command_says_why(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        require_processes(sandbox)
        with pytest.raises(DoesNotBuildError, match="status 3:\nout\nno compiler"):
            sandbox.add(arm, version, Environment(install=("true", "echo out; echo no compiler >&2; exit 3")))

    def test_install_command_uses_the_environment(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        code = "import sys; open('made', 'w').write(sys.prefix)"
        sandbox.add(arm, version, Environment(install=(f'python -c "{code}"',)))
        assert self.tell(sandbox, "tell(open('made').read() == sys.prefix)", arm=arm) is True

    def test_install_command_runs_the_patched_code(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        install = "python -c \"import pkg; open('data.txt', 'w').write(pkg.VALUE)\""
        sandbox.add(arm, version, Environment(install=(install,)), patch=PATCH)
        assert self.listing(sandbox, arm)[1] == "patched"

    def test_bytecode_is_compiled_ahead(self, sandbox: Sandbox) -> None:
        cached = self.tell(sandbox, "import pkg; tell([os.path.exists(pkg.__cached__), open(pkg.__cached__, 'rb').read(8)[4]])")
        assert cached == [True, 1], "compiled, and valid whatever the source's time says"

    def test_forged_bytecode_never_wins(self, sandbox: Sandbox, arm: str, version: Version) -> None:
        sandbox.add(arm, version, Environment(install=(f"cat >forge.py <<'END'\n{FORGE}\nEND\npython forge.py",)))
        assert self.value(sandbox, arm) == "pristine"
        assert self.run(sandbox, "import sourceless", arm=arm).returncode == 1

    def test_stale_bytecode_of_the_tree_never_wins(self, sandbox: Sandbox, arm: str, version: Version, tmp_path: Path) -> None:
        shutil.copytree(version.tree, tmp_path / "tree")
        source = tmp_path / "tree" / "pkg" / "__init__.py"
        honest = source.read_text()
        source.write_text("VALUE = 'stale'\n")
        py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        source.write_text(honest)
        sandbox.add(arm, replace(version, tree=tmp_path / "tree"), Environment())
        assert self.value(sandbox, arm) == "pristine"

    def test_an_arm_is_placed_once(self, sandbox: Sandbox, version: Version) -> None:
        with pytest.raises(SandboxError, match="agent"):
            sandbox.add("agent", version, Environment())
