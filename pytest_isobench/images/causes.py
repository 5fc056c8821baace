"""Why a build failed, in a word, from its log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SHOWN_LINES = 15


@dataclass(frozen=True, slots=True)
class Cause:
    """A kind of failure."""

    name: str
    advice: str
    pattern: re.Pattern[str] = re.compile(r"(?!)")


def _cause(name: str, advice: str, pattern: str) -> Cause:
    return Cause(name, advice, re.compile(pattern, re.IGNORECASE))


BASE = Cause("base image missing", "check its name (--base, isobench_image_base, environment.image), log in to its registry, or load it")
OTHER = Cause("a step failed", "read the log; fixtures/overrides.yaml can change the step")

CAUSES = (
    _cause("no space left", "isobench images prune frees what no task needs", r"no space left on device|disk quota exceeded"),
    _cause(
        "base image lacks Python",
        "choose a base with that version, or set 'python' in fixtures/overrides.yaml",
        r"^isobench: the base image has no python",
    ),
    _cause(
        "CUDA mismatch",
        "choose a base with the CUDA version that the packages were built for",
        r"detected CUDA version .* mismatch|CUDA version .*(does not match|is not supported|mismatch)|unsupported gpu architecture"
        r"|unsupported (GNU|clang) version|CUDA .* or (higher|newer|greater) is required",
    ),
    _cause(
        "CUDA missing",
        "choose a base of the 'devel' kind, which has nvcc",
        r"no CUDA compiler|CUDA_HOME|nvcc\W+(command )?not found|No such file or directory: '?\S*nvcc"
        r"|could not find CUDA|CUDA toolkit not found"
        r"|CUDA_TOOLKIT_ROOT_DIR|lib(cuda|cudart|cublas|cudnn)\S*: cannot open|cannot find -lcuda",
    ),
    _cause(
        "network",
        "the build could not reach a server; try again, or give packages with --wheels",
        r"temporary failure (in name resolution|resolving)|could not resolve|no such host|network is unreachable"
        r"|connection (refused|reset|timed out)"
        r"|connection broken|i/o timeout|TLS handshake timeout|read timed out|max retries exceeded|NewConnectionError"
        r"|dial tcp|server misbehaving",
    ),
    _cause(
        "torch wheel not found",
        "no index has this torch for the image's Python and platform: change the version, the Python, or the index",
        r"(no matching distribution found for|satisfies the requirement) torch(vision|audio)?\b",
    ),
    _cause(
        "missing dependency",
        "add it to 'requirements' or 'setup' in fixtures/overrides.yaml",
        r"ModuleNotFoundError|No module named|fatal error: \S+: No such file|no matching distribution found|could not find a version"
        r"|cannot find -l|unable to locate package|has no installation candidate|command not found|: not found$|ensurepip is not available"
        r"|cannot open shared object file|pkg-config .*not found",
    ),
)  # fmt: skip

_STEP = re.compile(r"^step \d+(/\d+)? ?: (?P<instruction>\w+)", re.IGNORECASE | re.MULTILINE)
_NO_BASE = re.compile(
    r"pull access denied|manifest (for .* )?(unknown|not found)|repository .*(does not exist|not found)|no such image", re.IGNORECASE
)


def name_cause(log: str) -> Cause:
    """Return the cause: what the failing step said counts, not what earlier steps did."""
    steps = list(_STEP.finditer(log))
    last = log[steps[-1].start() :] if steps else log
    if (steps and steps[-1]["instruction"].upper() == "FROM") or _NO_BASE.search(last):
        return BASE
    lines = last.splitlines()
    return next((cause for cause in CAUSES if any(map(cause.pattern.search, lines))), OTHER)


def last_lines(lines: Iterable[str], number: int = SHOWN_LINES) -> str:
    """Return the end of a log, without empty lines and the engine's names of layers."""
    return "\n".join([line.rstrip() for line in lines if line.strip() and not line.startswith(" ---> ")][-number:])
