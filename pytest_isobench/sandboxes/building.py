"""What happens to an arm's tree before it is measured: patches, install commands, bytecode. The same in every sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pytest_isobench.dataset.patches import parse_patch
from pytest_isobench.errors import DoesNotApplyError, DoesNotBuildError, SandboxError
from pytest_isobench.models.task import Resources
from pytest_isobench.sandboxes.base import ExecResult

RESOURCES = Resources(memory_mb=8192, pids=1024, disk_mb=4096)
"""What builds may use."""
APPLY_TIMEOUT, INSTALL_TIMEOUT, SETTLE_TIMEOUT = 120.0, 1800.0, 900.0
"""Seconds."""
SHOWN_LINES = 20
GIT = {
    "GIT_DIR": "/nonexistent",  # a repository around or in the tree would change what `git apply` does
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


class Run(Protocol):
    """Runs a command in the arm's writable tree, confined and without network."""

    def __call__(
        self, argv: Sequence[str], *, variables: Mapping[str, str] | None = None, stdin: bytes = b"", timeout: float
    ) -> ExecResult: ...


def apply(run: Run, patch: str) -> None:
    """Apply a patch as it is, as a whole or not at all; an empty one changes nothing.

    Raises:
        DoesNotApplyError: it does not fit, or holds what a patch must not.
        SandboxError: git does not work in the sandbox.
    """
    parsed = parse_patch(patch)
    if parsed.objections:
        raise DoesNotApplyError(f"the patch is refused: {parsed.objections}")
    if not patch.strip():
        return
    argv = ["git", "apply", "--whitespace=nowarn", f"-p{parsed.strip}"]
    result = run(argv, variables=GIT, stdin=parsed.data, timeout=APPLY_TIMEOUT)
    if result.returncode:
        _require(run, "git", "--version")
        raise DoesNotApplyError(f"git apply refuses the patch:\n{last_lines(result)}")


def install(run: Run, command: str) -> None:
    """Run one install command.

    Raises:
        DoesNotBuildError: it fails, or takes too long.
        SandboxError: the sandbox does not work.
    """
    result = run(["/bin/sh", "-c", command], timeout=INSTALL_TIMEOUT)
    if not result.returncode:
        return
    _require(run, "/bin/sh", "-c", "true")
    how = f"still ran after {INSTALL_TIMEOUT:.0f} s" if result.timed_out else f"ended with status {result.returncode}"
    raise DoesNotBuildError(f"install command {command!r} {how}:\n{last_lines(result)}")


def settle(run: Run, since: int) -> None:
    """Make the tree ready to be measured; `since` (nanoseconds) is when the arm was placed: bytecode from before is its own.

    Raises:
        DoesNotBuildError: a source breaks the compiler itself; a mere syntax error does not.
        SandboxError: the environment's interpreter does not work in the sandbox.
    """
    result = run(["{python}", "-I", "-S", "{settle}", "{tree}", str(since)], timeout=SETTLE_TIMEOUT)
    if result.returncode:
        _require(run, "{python}", "-I", "-S", "-c", "pass")
        raise DoesNotBuildError(f"the tree's bytecode could not be compiled (status {result.returncode}):\n{last_lines(result)}")


def _require(run: Run, *argv: str) -> None:
    """After a failure: make sure that it was not the machine's."""
    result = run(argv, timeout=60.0)
    if result.returncode:
        raise SandboxError(f"{argv[0]} does not work in the sandbox (status {result.returncode}):\n{last_lines(result)}")


def last_lines(result: ExecResult) -> str:
    """Return the end of what a command printed, fit to be shown."""
    text = (result.stdout + result.stderr).decode(errors="replace").replace("\r", "")
    clean = "".join(character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}" for character in text)
    return "\n".join(clean.rstrip().splitlines()[-SHOWN_LINES:])
