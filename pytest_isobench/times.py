"""Times as people write and read them."""

from __future__ import annotations

import re

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_time(text: str) -> float:
    """Read `90`, `90s`, `1.5m` or `1h` as seconds. Raises `ValueError`."""
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smh]?)", text.strip())
    if found is None:
        raise ValueError(text)
    return float(found[1]) * UNITS[found[2]]


def clock(seconds: float) -> str:
    """Return `2:34`, or `1:02:34`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
