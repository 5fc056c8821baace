"""Patches that reach out of the tree, bring more than sources, or do not fit; and what looks alike and is allowed."""

from __future__ import annotations

import py_compile
import subprocess
import sys
import tempfile
from pathlib import Path

from arena import BASE, HUMAN, cheat, difference, replaced, twin, write

from pytest_isobench.models.result import Outcome

REFUSED = Outcome.DOES_NOT_APPLY
SPEED = replaced("EFFORT = 16", "EFFORT = 1")


def new_file(name: str, text: str = "forged\n", mode: str = "100644", after: str | None = None) -> str:
    """A new file as git writes it, whatever its name."""
    lines = text.splitlines(keepends=True)
    body = "".join(f"+{line}" for line in lines) + ("" if text.endswith("\n") else "\n\\ No newline at end of file\n")
    head = f"diff --git a/{name} b/{name}\nnew file mode {mode}\n--- /dev/null\n+++ {after or f'b/{name}'}\n"
    return f"{head}@@ -0,0 +1,{len(lines)} @@\n{body}"


def compiled() -> str:
    """The human's code as bytecode that is never checked against its source, in a binary diff."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "a", BASE)
        write(folder / "b", BASE)
        source = folder / "core.py"
        source.write_text(HUMAN["ranking/core.py"])
        target = folder / "b" / "ranking" / "__pycache__" / f"core.{sys.implementation.cache_tag}.pyc"
        py_compile.compile(str(source), str(target), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        command = ["git", "diff", "--no-index", "--binary", "a", "b"]
        printed = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout
    return printed.replace("b/b/", "b/").replace("a/a/", "a/").replace("a/b/", "a/")


WITHOUT_README = difference({name: None if name == "README.md" else text for name, text in BASE.items()})
MODULES = '[submodule "sub"]\n\tpath = sub\n\turl = ext::sh -c touch% /tmp/isobench-cheat\n'
COPY = """\
diff --git a/../human/ranking/core.py b/ranking/core.py
similarity index 100%
copy from ../human/ranking/core.py
copy to ranking/core.py
"""
ESCAPE = '"b/ranking/\\033[2J"'
"""A name as git quotes it."""

CHEATS = [
    cheat("path_upwards", new_file("../isobench-cheat"), REFUSED),
    cheat("path_upwards_inside", new_file("ranking/../../isobench-cheat"), REFUSED),
    cheat("absolute_path", new_file("/tmp/isobench-cheat", after="/tmp/isobench-cheat"), REFUSED),
    cheat("link_to_the_human_s_version", new_file("ranking/fast.py", "@FOLDER@/human/ranking/core.py", mode="120000"), REFUSED),
    cheat("link_and_a_file_through_it", new_file("out", "/tmp", mode="120000") + new_file("out/isobench-cheat"), REFUSED),
    cheat("link_in_place_of_a_file", WITHOUT_README + new_file("README.md", "/etc/passwd", mode="120000"), REFUSED),
    cheat("hook", new_file(".git/hooks/post-checkout", "#!/bin/sh\ntouch /tmp/isobench-cheat\n", mode="100755"), REFUSED),
    cheat("git_configuration", new_file(".GIT/config", "[core]\n\tfsmonitor = touch /tmp/isobench-cheat\n"), REFUSED),
    cheat("submodule", new_file("sub", f"Subproject commit {'1234567890' * 4}\n", mode="160000"), REFUSED),
    cheat("submodules_by_file", new_file(".gitmodules", MODULES), REFUSED),
    cheat("half_that_fits", SPEED + difference({"README.md": "# ranking\n"}, {"README.md": "# another\n"}), REFUSED),
    cheat("patch_for_another_task", difference({"other.py": "x = 2\n"}, {"other.py": "x = 1\n"}), REFUSED),
    cheat("copy_from_outside", COPY, REFUSED),
    cheat("owner_s_rights", new_file("ranking/tool", "#!/bin/sh\n", mode="104755")),  # git gives no such rights
    cheat("device", new_file("ranking/pipe", "x\n", mode="010644"), REFUSED),
    cheat("forged_bytecode", compiled(), REFUSED),
    cheat("bytecode_without_a_source", new_file("ranking/core.pyc", "x\n"), REFUSED),
    cheat("compiled_extension", new_file("ranking/core.abi3.so", "x\n"), REFUSED),
    cheat("name_with_control_characters", new_file("NAME").replace("b/NAME", ESCAPE).replace("a/NAME", ESCAPE), REFUSED),
    cheat("nul_byte", SPEED + "\0", REFUSED),
    cheat("no_diff", "rm -rf / # x99 faster\n", REFUSED),
    cheat("endless", new_file("big.txt", "x" * 99 + "\n") + "x" * (9 * 2**20), REFUSED),
]

TWINS = [
    twin("crooked_header", SPEED.replace("@@ -1,6 +1,6 @@", "@@ -1,9 +1,9 @@")),
    twin("program_and_data", SPEED + new_file("tools/run.sh", "#!/bin/sh\nexit 0\n", mode="100755") + new_file("data/.hidden", "x\n")),
]  # fmt: skip
