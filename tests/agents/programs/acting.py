"""What the programs of this folder share. Each takes the real program's command line, and nothing else; changes the work tree; and
leaves what the real one leaves. `ACT` says how it ends: done, no_edit, max_steps, auth, rate_limit, malformed, refused, killed, crash.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

ACTS = ("done", "no_edit", "max_steps", "auth", "rate_limit", "malformed", "refused", "killed", "crash")
EDITS = ("done", "max_steps", "malformed", "killed")
USAGE = {"prompt_tokens": 120, "completion_tokens": 10, "total_tokens": 130, "prompt_tokens_details": {"cached_tokens": 20}}


def act(*keys: str) -> str:
    """Return how to end: as told, but for a program without access to its model."""
    told = os.environ.get("ACT", "done")
    if told not in ACTS:
        sys.exit(f"ACT is {told!r}; it is one of {', '.join(ACTS)}")
    return told if any(os.environ.get(key) for key in keys) else "auth"


def edit() -> None:
    """Make what is slow fast, in all Python files of the current folder."""
    for path in Path.cwd().rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "slow" in text:
            path.write_text(text.replace("slow", "fast"), encoding="utf-8")


def say(value: dict[str, Any]) -> None:
    """Print a line of JSON."""
    print(json.dumps(value), flush=True)


def wait() -> NoReturn:
    """Do nothing until somebody ends it."""
    sys.stdout.flush()
    time.sleep(600)
    sys.exit("nobody has ended it")


def crash() -> NoReturn:
    """End as Python programs end that have a mistake in them."""
    raise RuntimeError("a mistake in the program")
