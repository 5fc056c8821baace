"""A folder to work in beside a base repository: an index and objects of its own, so that nothing of one call is seen by another."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from pytest_isobench.dataset.base_import import INDEX, REPOSITORY
from pytest_isobench.dataset.commands import Done, OverdueError
from pytest_isobench.dataset.diffs import read_diff
from pytest_isobench.dataset.git import quoted, run_plumbing
from pytest_isobench.dataset.patches import Patch
from pytest_isobench.errors import SourceError

TIMEOUT = 60.0
"""Seconds that one program may take; honest patches take some milliseconds."""

_DIFF = ("diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv")
_PREFIXES = ("--src-prefix=a/", "--dst-prefix=b/")
_FILE = re.compile(r"^(?=diff --git )", re.MULTILINE)


@contextmanager
def _room() -> Iterator[None]:
    """Tell where there was none."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"there is no room to apply patches in {tempfile.gettempdir()}: {error}; set TMPDIR to another folder") from error


class Scratch:
    """Begins as the base. Methods return a program that came to its end, whatever its end."""

    def __init__(self, base: Path) -> None:
        self._base = base.absolute()

    @_room()
    def __enter__(self) -> Self:
        self._holder = tempfile.TemporaryDirectory(prefix="isobench-git-", ignore_cleanup_errors=True)
        self._folder = Path(self._holder.name).absolute()
        (self._folder / "objects").mkdir()
        (self._folder / "contents").mkdir()
        shutil.copyfile(self._base / INDEX, self._folder / "index")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._holder.cleanup()

    def apply(self, patch: Patch, *options: str) -> Done:
        """Apply a patch to the index, all of it or nothing."""
        return self.git("apply", "--cached", "--whitespace=nowarn", f"-p{patch.strip}", *options, "-", stdin=patch.data)

    @_room()
    def put(self, files: Mapping[bytes, tuple[int, bytes] | None]) -> Done:
        """Put files into the index, or take them out of it: a mode and a content for each name, or None."""
        kept = {name: file for name, file in files.items() if file}
        paths = [self._folder / "contents" / str(number) for number in range(len(kept))]
        for path, (_, content) in zip(paths, kept.values(), strict=True):
            path.write_bytes(content)
        done = self.git("hash-object", "-w", "--no-filters", "--stdin-paths", stdin="".join(f"{path}\n" for path in paths).encode())
        if done.returncode:
            return done
        gone = [b"0 %040d\t%s\0" % (0, name) for name, file in files.items() if file is None]
        hashes = zip(kept.items(), done.output.split(), strict=True)
        made = [b"%o %s\t%s\0" % (mode, found, name) for (name, (mode, _)), found in hashes]
        done = self.git("update-index", "-z", "--index-info", stdin=b"".join([*gone, *made]))
        # it ends well after names that it left out, such as `.git/config`
        return Done(done.returncode or 1, b"", done.errors) if done.errors else done

    def tree(self) -> Done:
        """Write the index as a tree, and print its hash."""
        return self.git("write-tree")

    def entries(self) -> Done:
        """Print what is in the index."""
        return self.git("ls-files", "--stage", "-z")

    def diff(self, old: str, new: str) -> Done:
        """Print the diff of two trees; a file with a NUL byte in a changed place is binary, which git overlooks far inside of it."""
        done = self.git(*_DIFF, *_PREFIXES, old, new)
        if b"\0" not in done.output:
            return done
        changed = _FILE.split(done.output.decode("utf-8", "surrogateescape"))
        names = [name for text in changed if "\0" in text for file in read_diff(text).files for name in file.paths]
        attributes = self._folder / "attributes"
        attributes.write_bytes(b"".join(quoted(_pattern(name)) + b" -diff\n" for name in names))
        return self.git("-c", f"core.attributesFile={attributes}", *_DIFF, *_PREFIXES, old, new)

    @_room()
    def git(self, *arguments: str, stdin: bytes = b"") -> Done:
        variables = {
            "GIT_INDEX_FILE": str(self._folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(self._folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(bytes(self._base / REPOSITORY / "objects")).decode(),
        }
        command = (f"--git-dir={self._base / REPOSITORY}", *arguments)
        with tempfile.TemporaryFile() as file:
            file.write(stdin)
            file.seek(0)
            try:
                return run_plumbing(*command, folder=self._folder, variables=variables, stdin=file, timeout=TIMEOUT)
            except OverdueError as error:
                return Done(-1, b"", str(error).encode())


def _pattern(name: str) -> bytes:
    """Return the pattern of attributes that means one file."""
    return b"/" + re.sub(rb"([\\*?\[])", rb"\\\1", name.encode("utf-8", "surrogateescape"))
