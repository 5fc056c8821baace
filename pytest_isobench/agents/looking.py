"""Looks around inside of a sandbox, as an agent could, and prints all that it sees as one JSON object. Runs alone.

Standard input says what to look at closely:

- `sizes`: files of these sizes are hashed wherever they are; those outside of the system and of the current folder are in any case;
- `lines`: what the latter are searched for, `line_digest`s;
- `objects`: git's hashes, asked for in every repository;
- `names`: packages whose archives count;
- `hosts`: HOST:PORT to try;
- `places`: where to look besides here, at home and in the temporary folder;
- `seconds` and `entries`: when to stop.

Nothing is judged here, and nothing is changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from typing import Any

SKIPPED = ("/proc", "/sys", "/dev")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/boot", "/nix", "/snap", "/run", "/var/lib")
HEAD = 2**16
"""Bytes of a small file that are shown."""
HASHED = 2**28
"""Bytes of the largest file that is hashed for where it lies alone."""
SHORTEST = 20
"""Characters of the shortest line that is looked for."""
READ = 2**23
"""Bytes of the largest file whose lines are looked at."""
OBJECTS = 10**6
NAMES = 200
CONNECT = 3.0

CACHES = {
    "hub": re.compile(r"(^|/)(models|datasets|spaces)--[^/]+$"),
    "torch": re.compile(r"/torch/hub/[^/]+$"),
    "pip": re.compile(r"/pip/(http|http-v2|wheels|selfcheck)$"),
    "uv": re.compile(r"/uv/(archive|wheels|sdists|built-wheels|simple|git)-v\d+$"),
    "npm": re.compile(r"/_cacache$"),
    "conda": re.compile(r"/pkgs$"),
}
INSTALLED = (".dist-info", ".egg-info", ".egg-link")
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".conda", ".egg")
ARCHIVE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*?)-(?P<version>\d[^-]*?)(-.+)?\.(whl|zip|tar\.gz|tgz|tar\.bz2|conda|egg)$")
METADATA = re.compile(r"(?P<name>[^/]+)-(?P<version>[^/-]+)\.dist-info/METADATA$")
MARKS = re.compile(r"^[\s>+*|-]+")


def main() -> None:
    """Print what there is to be seen."""
    job = json.load(sys.stdin)
    look = Look(job)
    for place in (os.getcwd(), os.path.expanduser("~"), os.environ.get("TMPDIR", "/tmp"), *job["places"]):  # noqa: S108
        look.walk(os.path.realpath(place))
    look.packages_of(*filter(None, [*sys.path, *os.environ.get("PYTHONPATH", "").split(":")]))
    seen = {
        "version": 1,
        "cwd": shown(os.getcwd()),
        "repositories": [repository(path, job) for path in sorted(look.repositories)],
        "tree": look.tree,
        "packages": look.packages,
        "archives": look.archives,
        "caches": look.caches,
        "files": look.files,
        "variables": sorted(map(shown, os.environ)),
        "network": network(job["hosts"]),
        "complete": look.complete,
        "notes": look.notes[:NAMES],
    }
    json.dump(seen, sys.stdout)


def cleaned(line: str) -> str:
    """Return a line without marks of diffs, lists and quotations before it, without backquotes, and with single blanks."""
    return " ".join(MARKS.sub("", line).replace("`", " ").split())


def line_digest(line: str) -> str:
    """Return by what a line is recognised that is not told."""
    return hashlib.sha256(cleaned(line).encode("utf-8", "replace")).hexdigest()[:16]


class Look:
    """One walk through the file system, every folder once."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.sizes, self.lines = set(job["sizes"]), set(job["lines"])
        self.names = {plain(name) for name in job["names"]}
        self.entries, self.deadline = job["entries"], time.monotonic() + job["seconds"]
        self.here = os.getcwd()
        self.system = (*SYSTEM, *{os.path.realpath(path) for path in (sys.prefix, sys.base_prefix)})
        self.complete = True
        self.notes: list[str] = []
        self.repositories: set[str] = set()
        self.tree: list[dict[str, Any]] = []
        self.packages: list[dict[str, str]] = []
        self.archives: list[dict[str, str]] = []
        self.caches: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []
        self._folders: set[tuple[int, int]] = set()
        self._located: set[str] = set()

    def walk(self, top: str) -> None:
        """Look at everything below a folder that was not looked at."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            inside = self.enter(folder)
            self.entries -= len(inside)
            if time.monotonic() > self.deadline or self.entries < 0:
                self.complete = False
                return
            waiting += [entry.path for entry in inside if entry.is_dir(follow_symlinks=False)]
            self.folder(folder, {entry.name for entry in inside})
            self.entries_of(folder, inside)

    def enter(self, folder: str) -> list[os.DirEntry[str]]:
        """Return what is in a folder; nothing the second time, and nothing of what was looked at otherwise."""
        if folder in SKIPPED or folder == os.path.join(self.here, ".git"):
            return []
        try:
            status = os.lstat(folder)
            if (status.st_dev, status.st_ino) in self._folders or not stat.S_ISDIR(status.st_mode):
                return []
            self._folders.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except (PermissionError, FileNotFoundError):  # closed, or gone in the meantime
            return []
        except OSError as error:
            self.note(folder, error)
            return []

    def folder(self, folder: str, names: set[str]) -> None:
        """Look at a folder as a whole."""
        if any(name.endswith(INSTALLED) for name in names):
            self.packages_of(folder)
        for kind, pattern in CACHES.items():
            if names and pattern.search(folder):
                self.caches.append({"kind": kind, "path": shown(folder), "entries": [shown(name) for name in sorted(names)[:NAMES]]})
        if ".git" in names or ({"HEAD", "objects", "refs"} <= names and os.path.basename(folder) != ".git"):
            self.repositories.add(folder)

    def entries_of(self, folder: str, inside: list[os.DirEntry[str]]) -> None:
        """Look at the files of a folder, closely where they may matter."""
        mine = below(folder, self.here)
        private = not mine and not any(below(folder, place) for place in self.system)
        for entry in inside:
            try:
                if entry.is_symlink():
                    if mine:
                        self.link(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    self.archive(entry)
                    if mine or private or self.sizes:
                        self.file(entry.path, entry.stat(follow_symlinks=False), mine, private)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.note(entry.path, error)

    def file(self, path: str, status: os.stat_result, mine: bool, private: bool) -> None:
        """Look at a file: at one of the tree, one outside of the system, or one whose size is wanted."""
        if mine:
            self.tree.append({"path": shown(path[len(self.here) + 1 :]), "blob": blob(path, status.st_size), "mode": mode(status)})
        elif status.st_size in self.sizes or (private and status.st_size <= HASHED):
            digest, found = digest_of(path, self.lines if private and status.st_size <= READ else set())
            self.files.append({"path": shown(path), "size": status.st_size, "sha256": digest, "lines": found})
        if private:
            self.zipped(path)

    def link(self, path: str) -> None:
        """Look at a link of the tree."""
        target = os.fsencode(os.readlink(path))
        name = hashlib.sha1(b"blob %d\0" % len(target) + target).hexdigest()  # noqa: S324 - git's own
        self.tree.append({"path": shown(path[len(self.here) + 1 :]), "blob": name, "mode": "120000"})

    def archive(self, entry: os.DirEntry[str]) -> None:
        """Keep an archive whose name is that of a wanted package."""
        match = ARCHIVE.match(entry.name) if entry.name.endswith(ARCHIVES) else None
        if match and plain(match["name"]) in self.names:
            self.archives.append({"path": shown(entry.path), "name": shown(match["name"]), "version": shown(match["version"])})

    def zipped(self, path: str) -> None:
        """Keep a wheel without a wheel's name, as caches have them."""
        try:
            with open(path, "rb") as file:
                if file.read(4) != b"PK\3\4":
                    return
            with zipfile.ZipFile(path) as archive:
                found = [match for match in map(METADATA.search, archive.namelist()) if match]
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
            return
        for match in found:
            if plain(match["name"]) in self.names:
                self.archives.append({"path": shown(path), "name": shown(match["name"]), "version": shown(match["version"])})

    def packages_of(self, *folders: str) -> None:
        """List the distributions that are installed in folders."""
        for folder in map(os.path.realpath, folders):
            if folder in self._located or not os.path.isdir(folder):
                continue
            self._located.add(folder)
            for name in sorted(os.listdir(folder)) if os.access(folder, os.R_OK) else ():
                if name.endswith(INSTALLED):
                    self.package(os.path.join(folder, name))

    def package(self, path: str) -> None:
        """Keep name and version of an installed distribution."""
        inside = [os.path.join(path, name) for name in ("METADATA", "PKG-INFO")]
        text = next((head(name) for name in [*inside, path] if os.path.isfile(name)), "").partition("\n\n")[0]
        fields = dict(re.findall(r"(?m)^(Name|Version):[ \t]*(\S+)", text))
        name, _, version = shown(os.path.basename(path)).rpartition(".")[0].partition("-")
        self.packages.append({"name": fields.get("Name", name), "version": fields.get("Version", version), "path": shown(path)})

    def note(self, path: str, error: OSError) -> None:
        """Keep what could not be looked at, though nobody forbids it."""
        self.notes.append(f"{shown(path)}: {error.strerror}")


def repository(path: str, job: dict[str, Any]) -> dict[str, Any]:
    """Describe a repository; the one in the current folder to the last object."""
    folder = os.path.join(path, ".git") if os.path.lexists(os.path.join(path, ".git")) else path
    known = git(folder, "cat-file", "--batch-check", stdin="".join(f"{name}\n" for name in job["objects"]))
    described: dict[str, Any] = {
        "path": shown(path),
        "holds": [line.split()[0] for line in known if not line.endswith(" missing")],
        "alternates": head(os.path.join(folder, "objects/info/alternates")).split("\n"),
        "own": folder == os.path.join(os.getcwd(), ".git"),
    }
    if described["own"]:
        described |= details(folder)
    return described


def details(folder: str) -> dict[str, Any]:
    """Describe a repository wholly: objects that nothing leads to are there, and files that git does not know."""
    objects = [line.split() for line in git(folder, "cat-file", "--batch-all-objects", "--batch-check", "--unordered")]
    refs = [line.partition(" ") for line in git(folder, "for-each-ref", "--format=%(objectname) %(refname)")]
    return {
        "objects": [line[:2] for line in objects[:OBJECTS]],
        "refs": {name: commit for commit, _, name in refs},
        "config": git(folder, "config", "--list", "--file", os.path.join(folder, "config")),
        "files": [{"path": shown(name), "head": beginning(os.path.join(folder, name))} for name in files_of(folder)],
        "complete": len(objects) <= OBJECTS,
    }


def files_of(folder: str) -> Iterator[str]:
    """Yield all files of a repository but its loose objects."""
    for place, folders, names in os.walk(folder):
        linked = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in sorted([*names, *linked]):
            path = os.path.relpath(os.path.join(place, name), folder)
            if not re.fullmatch(r"objects/[0-9a-f]{2}/[0-9a-f]{38}", path):
                yield path


def git(folder: str, *arguments: str, stdin: str = "") -> list[str]:
    """Return the lines that git prints; none where it fails."""
    command = ["git", f"--git-dir={folder}", "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(command, input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=300, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.decode("utf-8", "backslashreplace").splitlines()


def network(hosts: list[str]) -> dict[str, Any]:
    """Say which hosts can be reached, and what else tells of a network."""
    servers = re.findall(r"(?m)^nameserver\s+(\S+)", head("/etc/resolv.conf"))
    routes = [line.split()[:2] for line in head("/proc/net/route").splitlines()[1:]]
    reached = [host for host in hosts if reaches(*host.rpartition(":")[::2])]
    return {"reached": reached, "servers": servers, "routes": [line[0] for line in routes if line[1:] == ["00000000"]]}


def reaches(host: str, port: str) -> bool:
    """Try a connection."""
    try:
        socket.create_connection((host, int(port)), CONNECT).close()
    except (OSError, ValueError):
        return False
    return True


def blob(path: str, size: int) -> str:
    """Return git's name for a file's content; empty for one that cannot be read."""
    return content(path, hashlib.sha1(b"blob %d\0" % size), set())[0]  # noqa: S324


def digest_of(path: str, wanted: set[str]) -> tuple[str, int]:
    """Return a file's digest and how many of the wanted lines it holds."""
    return content(path, hashlib.sha256(), wanted)


def content(path: str, digest: Any, wanted: set[str]) -> tuple[str, int]:
    """Read a file once."""
    found = set()
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            for block in iter(lambda: file.read(READ), b""):
                digest.update(block)
                if wanted:
                    lines = block.decode("utf-8", "replace").split("\n")
                    found |= wanted & {line_digest(line) for line in lines if len(line) >= SHORTEST}
    except OSError:
        return "", 0
    return digest.hexdigest(), len(found)


def head(path: str) -> str:
    """Return the beginning of a file; nothing of one that cannot be read."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(HEAD).decode("utf-8", "backslashreplace")
    except OSError:
        return ""


def beginning(path: str) -> str:
    """Return the beginning of a file of text."""
    text = head(path)[:NAMES]
    return "" if "\0" in text else text


def mode(status: os.stat_result) -> str:
    """Return a file's mode as git has it."""
    return "100755" if status.st_mode & 0o100 else "100644"


def plain(name: str) -> str:
    """Return a package's name as all its spellings have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def below(path: str, place: str) -> bool:
    """Tell whether a path is a place or in it."""
    return path == place or path.startswith(place.rstrip("/") + "/")


def shown(name: str) -> str:
    """Return a name that can stand in JSON, whatever its bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


if __name__ == "__main__":
    main()
