"""Repositories in the cache: fetched when something is missing, never worked in, and run by no hook, filter or prompt of anybody's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.dataset.cache import Cache, accusing, key_of
from pytest_isobench.dataset.commands import Done
from pytest_isobench.dataset.git import run_git
from pytest_isobench.errors import SourceError, UsageError

_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+refs/remotes/*:refs/remotes/*")
"""Branches and tags, and what a clone knows of others; not the thousands of pull requests that some hosts publish beside them."""

_HEAD = "refs/isobench/HEAD"
"""What the origin has checked out."""

_REFERENCE = re.compile(r"(?P<start>[^\s:~^\\?*\[\x00-\x1f\x7f-][^\s:~^\\?*\[\x00-\x1f\x7f]*)(?P<steps>[~^][~^0-9]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ABBREVIATED = re.compile(r"[0-9a-f]{7,40}")
_FETCH = ("--quiet", "--no-tags", "--force", "--update-shallow", "--no-write-fetch-head")
_ALLOW_ANY = "git -c uploadpack.allowAnySHA1InWant=true upload-pack"


@dataclass(frozen=True, slots=True)
class Mirror:
    """One repository; `origin` is a URL or an absolute path."""

    origin: str
    cache: Cache

    def resolve(self, reference: str) -> str:
        """Return the commit of a branch, tag, full or abbreviated hash, with `^`, `~2` or `^2` behind it.

        Raises:
            UsageError: there is no such commit.
            SourceError: the repository cannot be read.
        """
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise UsageError(f"{reference!r} names no commit; allowed: a hash, branch or tag, with ^, ~2 or ^2 behind it")
        known = self._commit(match["start"]) if _ABBREVIATED.fullmatch(match["start"]) else None
        start = known or self._fetch_and_find(match["start"])
        if start is None:
            raise UsageError(f"{self.origin} has no commit {match['start']!r}, neither by name nor by hash; push or fetch it there first")
        return self._step(start, match["steps"]) if match["steps"] else start

    def tree(self, commit: str, target: Path) -> tuple[str, ...]:
        """Write a commit's files into a new folder, without history, and return notes on what could not be written.

        Raises:
            SourceError: git fails, or the disk is full.
        """
        target.mkdir()
        index = target.with_name("index")
        work = (f"--work-tree={target}",)
        for command in (("read-tree", commit), ("checkout-index", "--all", "--force")):
            self._succeed(self._git(*work, *command, index=index, folder=target))
        staged = self._succeed(self._git(*work, "ls-files", "--stage", "-z", index=index, folder=target)).stdout
        large = self._succeed(self._git(*work, "ls-files", "-z", "--", ":(attr:filter=lfs)", index=index, folder=target)).stdout
        index.unlink()
        return (*_submodules(staged), *_large_files(large))

    def message(self, commit: str) -> str:
        """Return the message of a commit. Raises SourceError."""
        return self._succeed(self._git("log", "-1", "--format=%B", commit)).stdout

    def _fetch_and_find(self, name: str) -> str | None:
        if name in ("HEAD", "@"):
            self._succeed(self._fetch(f"+HEAD:{_HEAD}"))
            return self._commit(_HEAD)
        self._succeed(self._fetch(*_REFSPECS, options=("--prune",)))
        found = self._commit(name)
        if found is None and _COMMIT.fullmatch(name):
            # A commit that no branch holds: hosts give it to those who know its whole hash.
            self._fetch(name)
            found = self._commit(name)
        return found

    def _step(self, start: str, steps: str) -> str:
        commit = self._commit(start + steps)
        if commit is None:
            shallow = self._git("rev-parse", "--is-shallow-repository").stdout.strip() == "true"
            reason = "the repository is a shallow clone; run git fetch --unshallow in it" if shallow else "it has fewer parents, or none"
            raise UsageError(f"{self.origin}: commit {start[:12]} has no {steps}: {reason}")
        return commit

    def _commit(self, name: str) -> str | None:
        done = self._git("rev-parse", "--verify", f"{name}^{{commit}}")
        if re.search(r"short (object ID|SHA1) .* is ambiguous", done.stderr):
            raise UsageError(f"{self.origin}: {name!r} is the beginning of several commits; write more of the hash")
        return done.stdout.strip() if done.returncode == 0 else None

    def _fetch(self, *references: str, options: tuple[str, ...] = ()) -> Done:
        own = () if "://" in self.origin else (f"--upload-pack={_ALLOW_ANY}",)
        with accusing(self.cache.root), self.cache.lock("mirrors", f"{self._key}.fetch"):
            return self._git("fetch", *_FETCH, *own, *options, "--", self.origin, *references)

    def _git(self, *arguments: str, index: Path | None = None, folder: Path | None = None) -> Done:
        repository = self.cache.get("mirrors", self._key, self._create, private=True).path
        extra = {"GIT_INDEX_FILE": str(index)} if index else {}
        return run_git(f"--git-dir={repository}", *arguments, variables=extra, folder=folder, keep="fetch" in arguments)

    def _create(self, folder: Path) -> dict[str, str]:
        self._succeed(run_git("init", "--quiet", "--bare", "--template=", str(folder)))
        return {"origin": self.origin}

    def _succeed(self, done: Done) -> Done:
        if done.returncode:
            advice = _advice(done.stderr)
            raise SourceError(f"{self.origin}: git failed{advice}:\n{done.tail()}")
        return done

    @property
    def _key(self) -> str:
        return key_of("mirror", self.origin)


def locate(repository: str, folder: Path) -> str:
    """Return where a repository is: a URL as it is, a path made absolute from `folder`. Raises UsageError for what git could misread."""
    if repository.startswith("-") or re.match(r"[\w+.-]+::", repository) or not repository.isprintable():
        raise UsageError(f"{repository!r} is no repository; allowed: a URL such as https://host/path.git, user@host:path, or a path")
    if "://" in repository or re.match(r"[\w.-]+@[\w.-]+:", repository):
        return repository
    path = (folder / Path(repository).expanduser()).resolve()
    if not path.exists():
        raise UsageError(f"there is no repository {path}; a relative path starts at the task file")
    return str(path)


def _advice(said: str) -> str:
    if "dubious ownership" in said:
        return " (the repository belongs to another user; git config --global --add safe.directory PATH allows it)"
    if "Authentication failed" in said or "could not read Username" in said or "Permission denied (publickey" in said:
        return " (it asks for a login; give git one in its credential helper or ssh agent)"
    return ""


def _submodules(staged: str) -> list[str]:
    names = [line.partition("\t")[2] for line in staged.split("\0") if line.startswith("160000 ")]
    return [f"submodules are left as empty folders: {_few(names)}"] if names else []


def _large_files(listed: str) -> list[str]:
    names = [name for name in listed.split("\0") if name]
    return [f"files kept in Git LFS are left as pointers: {_few(names)}"] if names else []


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
