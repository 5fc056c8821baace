"""What the commands print on."""

from __future__ import annotations

import os
import shutil
import sys

from pytest_isobench.reports.text import Paper


def paper(width: int | None = None) -> Paper:
    """Return standard output as it is: colour only on a terminal that wants it, and only characters that it knows."""
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()
    return Paper(width=width or shutil.get_terminal_size().columns, color=color, ascii_only=ascii_only)
