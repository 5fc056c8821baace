"""Files out of an arm and into it: below its tree, and through no link."""

from __future__ import annotations

from pathlib import PurePosixPath

from pytest_isobench.errors import ArtifactError, SandboxError
from pytest_isobench.models.task import Resources
from pytest_isobench.sandboxes.base import ExecResult, Sandbox

LIMIT = 256 * 2**20
"""Bytes of the largest file."""
TIMEOUT = 300.0
"""Seconds that one file may take."""
RESOURCES = Resources(memory_mb=2048, disk_mb=512)
MISSING, REFUSED = 3, 4
"""Exit statuses of the programs below."""
ENTER = f"""
import os, sys
def enter(root, path, make):
    if os.path.isabs(path):
        path = os.path.relpath(path, root)
    *folders, name = path.split("/")
    if ".." in folders or name in ("", ".", ".."):
        sys.exit({REFUSED})
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for folder in folders:
        if make and not os.access(folder, os.F_OK, dir_fd=here, follow_symlinks=False):
            os.mkdir(folder, dir_fd=here)
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
    return here, name
def attempt(work):
    try:
        work(*sys.argv[1:])
    except FileNotFoundError:
        sys.exit({MISSING})
    except OSError as error:
        sys.stderr.write(str(error))
        sys.exit({REFUSED})
"""
READ = (
    ENTER
    + """
import shutil, stat
def work(root, path):
    here, name = enter(root, path, False)
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        raise OSError("is not a file")
    with os.fdopen(file, "rb") as source:
        shutil.copyfileobj(source, sys.stdout.buffer)
attempt(work)
"""
)
WRITE = (
    ENTER
    + """
import shutil
def work(root, path):
    here, name = enter(root, path, True)
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644, dir_fd=here)
    with os.fdopen(file, "wb") as target:
        shutil.copyfileobj(sys.stdin.buffer, target)
attempt(work)
"""
)


def read_artifact(sandbox: Sandbox, arm: str, path: str) -> bytes:
    """Return a file of an arm; `path` is relative to its tree, or absolute and in it, as the arm itself sees it.

    Raises:
        ArtifactError: it is missing, too large, no file, not in the tree, or behind a link.
    """
    result = _run(sandbox, arm, READ, path, b"", writable=False)
    if result.truncated:
        raise ArtifactError(f"{path}: has more than {LIMIT} bytes")
    return result.stdout


def write_artifact(sandbox: Sandbox, arm: str, path: str, data: bytes) -> None:
    """Write a file into an arm's tree, with the folders above it. Raises `ArtifactError` as `read_artifact` does."""
    _run(sandbox, arm, WRITE, path, data, writable=True)


def _run(sandbox: Sandbox, arm: str, code: str, path: str, data: bytes, *, writable: bool) -> ExecResult:
    if not path or "\0" in path or ".." in PurePosixPath(path).parts:
        raise ArtifactError(f"{path!r}: give a path below the arm's tree, without '..'")
    process = sandbox.process(arm, ["{python}", "-I", "-c", code, "{tree}", path], resources=RESOURCES, writable=writable)
    result = sandbox.supervisor.run(process, stdin=data, timeout=TIMEOUT, output_limit=LIMIT)
    reason = result.stderr.decode(errors="replace").strip() or "it is not in the arm's tree"
    match result.returncode:
        case 0:
            return result
        case 3:
            raise ArtifactError(f"{path}: there is no such file in the arm's tree")
        case 4:
            raise ArtifactError(f"{path}: refused: {reason}")
    raise SandboxError(f"{path} could not be moved (status {result.returncode}): {reason}")
