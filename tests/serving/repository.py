"""A repository with a server in it, and what becomes of it in other hands."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Mapping
from pathlib import Path

TREE = Path(__file__).with_name("tree")
Edits = Mapping[str, tuple[tuple[str, str], ...]]
"""File to what is replaced in it by what."""


def waste(prefill: int, decode: int) -> tuple[str, str]:
    return "PREFILL_WASTE, DECODE_WASTE = 6, 6", f"PREFILL_WASTE, DECODE_WASTE = {prefill}, {decode}"


HUMAN: Edits = {"model.py": (waste(0, 6),)}
WORDS = 'model.words(asked["prompt"], asked["max_tokens"])'
ANSWERED = "    for count, word in enumerate("
COMPLETE = "async def complete(writer, asked):\n"
EVERY_SECOND = """SEEN = [0]


""" + COMPLETE + """    SEEN[0] += 1
    if SEEN[0] % 2 == 0:
        return plain(writer, b"{}", "500 Overloaded")
"""
ARMS: Mapping[str, Edits] = {
    "same": {"model.py": (waste(0, 6), ('"""The model: reads', '"""The made-up model: reads'))},
    "tradeoff": {"model.py": (waste(12, 0),)},
    "dies": {"server.py": ((COMPLETE, COMPLETE + "    sys.exit(3)\n"),)},
    "half": {
        "model.py": (waste(0, 0),),
        "server.py": (
            (COMPLETE, EVERY_SECOND),
        ),
    },
    "wrong": {"model.py": (waste(0, 0), ("DECODE = 10000, 500", "DECODE = 1000, 50"))},
    "early": {
        "server.py": (
            (ANSWERED, '    asked["max_tokens"], whole = asked["max_tokens"] // 2, asked["max_tokens"]\n' + ANSWERED),
            ('"completion_tokens": count', '"completion_tokens": whole'),
        ),
    },
    "buffers": {"server.py": ((WORDS, f"list({WORDS})"),)},
    "decodes": {"model.py": (waste(6, 0),)},
    "nameless": {"server.py": (('"made-up"', '"other"'),)},
    "client": {"bench.py": (("times[0] * 1e3", "times[0] * 1e-9"),)},
    "mute": {"server.py": (("async def main(port):\n", "async def main(port):\n    await asyncio.sleep(3600)\n"),)},
}
"""Name to edits; none of them but `same` is as good as the human."""


def write(folder: Path, edits: Edits) -> Path:
    """Write the tree into a folder, edited."""
    shutil.copytree(TREE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in edited(edits).items():
        (folder / name).write_text(text)
    return folder


def edited(edits: Edits) -> dict[str, str]:
    """Return the changed files. Raises ValueError for an edit that changes nothing."""
    texts = {}
    for name, pairs in edits.items():
        text = (TREE / name).read_text()
        for before, after in pairs:
            if before not in text:
                raise ValueError(f"{name} has no {before!r}")
            text = text.replace(before, after)
        texts[name] = text
    return texts


def patch(edits: Edits) -> str:
    """Return the edits as a diff."""
    lines = []
    for name, text in edited(edits).items():
        before = (TREE / name).read_text()
        lines.append(f"diff --git a/{name} b/{name}\n")
        lines += difflib.unified_diff(before.splitlines(True), text.splitlines(True), f"a/{name}", f"b/{name}")
    return "".join(lines)
