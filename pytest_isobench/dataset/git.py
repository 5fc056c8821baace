"""git as a program, in a session of its own: no hook, filter or prompt of anybody's is run."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pytest_isobench.dataset.commands import Done, run
from pytest_isobench.errors import NotEvaluableError

_OPTIONS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.autocrlf": "false",
    "core.attributesFile": "/dev/null",
    "protocol.ext.allow": "never",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "filter.lfs.smudge": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
}
_VARIABLES = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
}
_SSH = "ssh -o BatchMode=yes"
_PLACES = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|PREFIX|TEMPLATE_DIR)$"
)
"""Variables that would send git elsewhere, as they do when pytest is started by a hook."""

_OWN_OPTIONS = {
    "core.quotePath": "true",
    "core.ignoreCase": "false",
    "core.protectNTFS": "false",  # names that are bad elsewhere may stand in a base tree; in patches they are vetted
    "core.protectHFS": "false",
    "core.fsync": "none",  # waiting for the disk takes seconds, and a crash loses nothing that cannot be made again
    "core.compression": "1",
    "fastimport.unpackLimit": "0",
}
_OWN_VARIABLES = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1", "HOME": "/nonexistent"}

_LIMITS = {"v": 4 * 2**20, "f": 2**17}
"""What git may take on untrusted data: KiB of address space, and blocks of 512 bytes in one file (64 MiB)."""
_LIMITED = ("/bin/sh", "-c", "".join(f"ulimit -{name} {value}; " for name, value in _LIMITS.items()) + 'exec "$@"', "sh")


def run_git(*arguments: str, variables: Mapping[str, str] | None = None, folder: Path | None = None, keep: bool = False) -> Done:
    """Run git with the settings of whoever runs us, which may be needed to reach a repository.

    Raises:
        NotEvaluableError: there is no git.
        SourceError: it cannot be started, or takes too long; a failure is a value.
    """
    environment = {name: value for name, value in os.environ.items() if not _PLACES.match(name)}
    environment |= {"GIT_SSH_COMMAND": environment.get("GIT_SSH_COMMAND", _SSH), **_VARIABLES, **(variables or {})}
    return run([*_command(_OPTIONS), *arguments], environment=environment, folder=folder, keep=keep)


def run_plumbing(
    *arguments: str,
    folder: Path,
    variables: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None,
    timeout: float,
    limited: bool = True,
) -> Done:
    """Run git with nobody's settings, on repositories of our own: it does the same for every user, everywhere.

    `limited` is for untrusted data: a patch of some kilobytes can ask for any amount of memory and disk.

    Raises:
        NotEvaluableError: there is no git.
        OverdueError: it takes more than `timeout` seconds; a failure is a value.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "XDG_"))}
    environment |= {**_VARIABLES, **_OWN_VARIABLES, **(variables or {})}
    command = [*(_LIMITED if limited else ()), *_command(_OPTIONS | _OWN_OPTIONS), *arguments]
    return run(command, environment=environment, folder=folder, timeout=timeout, keep=False, stdin=stdin)


def quoted(name: bytes) -> bytes:
    """Return a name as git reads it in any of its formats, whatever is in it."""
    return b'"%s"' % b"".join(b"%c" % byte if 0x20 <= byte < 0x7F and byte not in b'"\\' else b"\\%03o" % byte for byte in name)


def _command(options: Mapping[str, str]) -> list[str]:
    program = shutil.which("git")
    if program is None:
        raise NotEvaluableError("repositories and patches need git, and this machine has none on PATH: install it")
    return [program, *(item for name, value in options.items() for item in ("-c", f"{name}={value}"))]
