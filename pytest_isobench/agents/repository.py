"""Makes the agent's repository inside of the sandbox: one commit of the base version's files, and nothing else. Runs alone.

Standard input holds `{"files": [...]}`, the paths of the base version below the current folder; standard output gets the hashes of commit
and tree. Everything that a hash depends on is fixed, so that whoever knows the files knows them too. With `{"files": null}` the repository
stays, and what the task's install commands left in the tree is added to the files that git does not show.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

SETTINGS = {"core.logAllRefUpdates": "false", "core.hooksPath": os.devnull, "core.autocrlf": "false", "gc.auto": "0"}
BRANCH = "refs/heads/main"
PERSON = "base <base@example.invalid>"
DATE = "1000000000 +0000"
MESSAGE = "Base version\n"
ATTRIBUTES = "* -text -eol -filter -ident -working-tree-encoding\n"
"""Files are stored as they are, whatever the tree's own attributes say."""
EXCLUDED = "__pycache__/\n*.py[co]\n"

NAME, _, EMAIL = PERSON.rstrip(">").partition(" <")
VARIABLES = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LANG": "C.UTF-8",
    "HOME": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_DIR": ".git",
    "GIT_WORK_TREE": ".",
    **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", NAME), ("EMAIL", EMAIL), ("DATE", DATE))},
}


def main() -> None:
    """Do what standard input says."""
    files = json.load(sys.stdin)["files"]
    if files is None:
        exclude()
    else:
        make()
        json.dump(dict(zip(("commit", "tree"), commit([os.fsencode(name) for name in files]))), sys.stdout)  # noqa: B905 - Python 3.9


def make() -> None:
    """Make an empty repository in the place of any other."""
    if os.path.isdir(".git") and not os.path.islink(".git"):
        shutil.rmtree(".git")
    elif os.path.lexists(".git"):
        os.unlink(".git")
    git("init", "-q", "--template=")
    git("symbolic-ref", "HEAD", BRANCH)
    for name, value in SETTINGS.items():
        git("config", name, value)
    os.mkdir(".git/info")
    write("attributes", ATTRIBUTES)
    write("exclude", EXCLUDED)


def commit(files: list[bytes]) -> tuple[str, str]:
    """Commit these files and return the hashes of commit and tree."""
    git("update-index", "--add", "-z", "--stdin", stdin=b"".join(name + b"\0" for name in files))
    tree = git("write-tree").decode().strip()
    made = git("commit-tree", tree, stdin=MESSAGE.encode()).decode().strip()
    git("update-ref", BRANCH, made)
    return made, tree


def exclude() -> None:
    """Let git show no file that it does not know yet."""
    others = git("ls-files", "-z", "--others", "--exclude-standard").split(b"\0")
    lines = ["/" + pattern(name) for name in others if name and b"\n" not in name]
    write("exclude", EXCLUDED + "".join(f"{line}\n" for line in lines))


def pattern(name: bytes) -> str:
    """Return a pattern that matches a path and nothing else."""
    return "".join("\\" + letter if letter in "\\*?[ !#" else letter for letter in os.fsdecode(name))


def write(name: str, text: str) -> None:
    """Write one of the repository's own settings."""
    with open(f".git/info/{name}", "wb") as file:
        file.write(os.fsencode(text))


def git(*arguments: str, stdin: bytes = b"") -> bytes:
    """Run git without any settings but the repository's and return what it prints."""
    done = subprocess.run(["git", *arguments], env=VARIABLES, input=stdin, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"git {arguments[0]} ended with status {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    main()
