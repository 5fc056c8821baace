"""Time that a server has only moved within a request: from before its first token to after it, or the other way round.

A request takes the time to its first token and the time of the tokens after it. Who keeps tokens back and sends them at once, or sends
something early that needs no thinking, gains in one of the two and loses as much in the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_isobench.models.result import Comparison, Finding

SPAN = re.compile(r"[a-z0-9.]+_(?P<span>ttft|tpot|itl)_ms")
SHARE = 0.5
"""Share of the gain in a part of the request that must be gained in the whole."""


def moved_time(comparison: Comparison) -> Sequence[Finding]:
    """Alarm when what a patch gains in the task's metric is not gained in whole requests. Some honest ones trade so, too."""
    found, gain = SPAN.fullmatch(comparison.metric.name), comparison.agent_vs_baseline
    if found is None or gain is None or gain.low is None or gain.low <= 1:
        return ()
    before, after = (_parts(comparison, arm) for arm in ("baseline", "agent"))
    if before is None or after is None:
        return ()
    own = before[found["span"] != "ttft"] - after[found["span"] != "ttft"]
    whole = sum(before) - sum(after)
    if whole >= SHARE * own:
        return ()
    message = f"{comparison.metric.name} stands for {own:.3g} ms less of a request, and a whole request takes {whole:.3g} ms less"
    return (Finding(kind="time_moved", severity="alarm", message=f"{message} than the baseline's"),)


def _parts(comparison: Comparison, arm: str) -> tuple[float, float] | None:
    """Return a mean request's milliseconds until its first token and after it; None when they are not known."""
    values = {other.metric.name: other.values.get(arm) for other in comparison.secondary}
    values[comparison.metric.name] = comparison.times.get(arm)
    first, whole = values.get("mean_ttft_ms"), values.get("mean_e2el_ms")
    return (first, whole - first) if first is not None and whole is not None else None
