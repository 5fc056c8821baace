#!/usr/bin/env python3
"""The program behind `sandbox.filesystem`: one command as JSON in, bytes or JSON out, errors as JSON on stderr."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import stat
import sys
from pathlib import Path

KINDS = {
    FileNotFoundError: "NotFound",
    FileExistsError: "PathAlreadyExists",
    NotADirectoryError: "NotDirectory",
    IsADirectoryError: "IsDirectory",
    PermissionError: "PermissionDenied",
}
TYPES = {stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


def describe(path: Path) -> dict[str, object]:
    """Return what `Stat` and `ListFiles` say about a path."""
    status = path.lstat()
    return {
        "name": path.name,
        "path": str(path),
        "type": TYPES.get(stat.S_IFMT(status.st_mode), "file"),
        "size": status.st_size,
        "mode": stat.S_IMODE(status.st_mode),
        "permissions": f"{stat.S_IMODE(status.st_mode):o}",
        "owner": pwd.getpwuid(status.st_uid).pw_name,
        "group": grp.getgrgid(status.st_gid).gr_name,
        "modified_time": status.st_mtime,
        "symlink_target": str(path.readlink()) if path.is_symlink() else None,
    }


def run(command: str, path: Path, options: dict[str, bool]) -> None:
    """Do one command."""
    match command:
        case "WriteFile":
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        case "ReadFile":
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
        case "ListFiles":
            print(json.dumps([describe(entry) for entry in sorted(path.iterdir())]))
        case "Stat":
            print(json.dumps(describe(path)))
        case "MakeDirectory":
            path.mkdir(parents=options["parents"], exist_ok=options["parents"])
        case "Remove" if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path) if options["recursive"] else path.rmdir()
        case "Remove":
            path.unlink()
        case _:
            raise OSError(f"the local Modal server does not know the file command {command}")


def main() -> int:
    """Run the command of the first argument."""
    [(command, options)] = json.loads(sys.argv[1]).items()
    try:
        run(command, Path(os.fspath(options["path"])), options)
    except OSError as error:
        kind = "DirectoryNotEmpty" if error.errno == 39 else KINDS.get(type(error), "Other")
        print(json.dumps({"error_kind": kind, "message": error.strerror or str(error)}), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
