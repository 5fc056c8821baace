"""What agents and tools leave in a work tree, and what is no part of a patch: declared here, once for all agents.

Only new files can be droppings: a change of a file that the base has is the agent's work. Links and devices are never part of a patch.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Iterator, Mapping

from pytest_isobench.dataset.base_repository import Change
from pytest_isobench.dataset.patches import COMPILED, path_problems
from pytest_isobench.models.agent import Excluded

LARGEST_FILE = 2 * 2**20
"""Bytes of the largest new file."""
LARGEST = 6 * 2**20
"""Bytes of all new files together; a larger diff would be refused anyway."""

RULES: Mapping[str, tuple[str, ...]] = {
    "git": (".git",),
    "aider": (".aider*",),
    "Claude Code": (".claude/", ".claude.json*"),
    "Codex": (".codex/",),
    "OpenHands": (".openhands/", ".openhands_*"),
    "TRAE": (".trae*", "trae_trajectory*.json", "trajectory_*.json"),
    "opencode": (".opencode/",),
    "Gemini CLI": (".gemini/",),
    "mini-swe-agent": (".mini-swe-agent/",),
    "a benchmark's runner": ("model_patch.diff", ".bench_scratch/", "prediction.jsonl"),
    "Python's bytecode": ("__pycache__/", "*.pyc", "*.pyo"),
    "a cache of Python's tools": (".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".hypothesis/", ".ipynb_checkpoints/", ".benchmarks/"),
    "a virtual environment": (".venv/", "venv/bin/", "venv/lib*/", "venv/pyvenv.cfg", "site-packages/", ".tox/", ".nox/"),
    "a package manager": ("node_modules/", ".eggs/"),
    "metadata of an installation": ("*.egg-info", "*.dist-info/"),
    "a build": ("build/lib*/", "build/temp*/", "build/bdist*/", "CMakeFiles/", "CMakeCache.txt", ".ninja_log", ".ninja_deps", "*.whl"),
    "a log": ("*.log", "nohup.out", "build_log*.txt", "build_output*.txt"),
    "a measurement of coverage": (".coverage", ".coverage.*", "htmlcov/", "*.gcda", "*.gcno"),
    "a profiler": ("*.prof", "*.nsys-rep", "*.ncu-rep"),
    "a crash": ("vgcore.*",),
    "an editor": ("*~", "#*#", ".#*", ".*.swo", ".*.swp", ".idea/", ".vscode/"),
    "a failed patch": ("*.orig", "*.rej"),
    "a shell's history": (".bash_history", ".python_history", ".lesshst", ".wget-hsts"),
    "a desktop": (".DS_Store", "._*", "Thumbs.db", "desktop.ini"),
}
"""Who leaves what, wherever it stands in the tree; a slash behind a name means a folder, and `*` anything in one name."""


_ELF = b"\x7fELF"


def exclude(changes: Mapping[str, Change | None], base_names: Collection[str]) -> tuple[dict[str, Change | None], tuple[Excluded, ...]]:
    """Part what an agent did to a tree into the patch and what is none, by path and each with its rule.

    `changes` may hold any mode, also of devices. `base_names` are the files of the base (`BaseRepository.names`).
    """
    reasons: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for name, change in changes.items():
        if change is None:
            continue
        reason = _kind(change) or ("" if name in base_names else _dropping(name, change.content))
        if reason:
            reasons[name] = reason
        elif name not in base_names:
            sizes[name] = len(change.content)
    reasons |= dict.fromkeys(_too_much(sizes), f"too much: the new files are larger than {LARGEST // 2**20} MiB together")
    kept = {name: change for name, change in changes.items() if name not in reasons}
    return kept, tuple(Excluded(path=name, rule=reasons[name]) for name in sorted(reasons))


def _kind(change: Change) -> str:
    if stat.S_ISLNK(change.mode):
        return "a symbolic link, which may lead anywhere"
    return "" if stat.S_ISREG(change.mode) else "neither a file nor a folder"


def _dropping(name: str, content: bytes) -> str:
    """Return why a new file is no part of a patch; empty when it is one."""
    for owner, glob, pattern in _PATTERNS:
        if pattern.search(name):
            return f"{glob}: left by {owner}"
    if COMPILED.search(name) or content.startswith(_ELF):
        return "compiled code or a core dump; a patch changes sources"
    if len(content) > LARGEST_FILE:
        return f"too large: a new file of more than {LARGEST_FILE // 2**20} MiB"
    return next((problem.message for problem in path_problems(name)), "")


def _too_much(sizes: Mapping[str, int]) -> Iterator[str]:
    """Yield the largest files until the others are few enough."""
    total = sum(sizes.values())
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if total <= LARGEST:
            return
        total -= sizes[name]
        yield name


def _pattern(glob: str) -> re.Pattern[str]:
    end = "/" if glob.endswith("/") else "(/|$)"
    return re.compile("(^|/)" + re.escape(glob.removesuffix("/")).replace(r"\*", "[^/]*") + end)


_PATTERNS = tuple((owner, glob, _pattern(glob)) for owner, globs in RULES.items() for glob in globs)
