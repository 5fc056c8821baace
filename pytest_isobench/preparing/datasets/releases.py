"""When versions of the engines came out: a commit has the options of the last version before it."""

from __future__ import annotations

from pytest_isobench.benchmarks.programs import Engine


def _days(text: str) -> list[tuple[str, str]]:
    """Read `version=year-month-day` words, the oldest first."""
    return sorted((day, version) for version, _, day in (word.partition("=") for word in text.split()))


RELEASES: dict[Engine, list[tuple[str, str]]] = {
    "vllm": _days("""
        0.1.0=2023-06-20 0.1.2=2023-07-05 0.1.3=2023-08-02 0.1.4=2023-08-25 0.1.7=2023-09-11 0.2.0=2023-09-28 0.2.1=2023-10-16
        0.2.2=2023-11-19 0.2.3=2023-12-03 0.2.5=2023-12-14 0.2.6=2023-12-17 0.2.7=2024-01-04 0.3.0=2024-01-31 0.3.1=2024-02-16
        0.3.2=2024-02-21 0.3.3=2024-03-01 0.4.0=2024-03-30 0.4.1=2024-04-24 0.4.2=2024-05-05 0.4.3=2024-06-01 0.5.0=2024-06-11
        0.5.1=2024-07-05 0.5.2=2024-07-15 0.5.3=2024-07-23 0.5.4=2024-08-05 0.5.5=2024-08-23 0.6.0=2024-09-04 0.6.1=2024-09-11
        0.6.2=2024-09-25 0.6.3=2024-10-14 0.6.4=2024-11-15 0.6.5=2024-12-17 0.6.6=2024-12-27 0.7.0=2025-01-27 0.7.1=2025-02-01
        0.7.2=2025-02-06 0.7.3=2025-02-20 0.8.0=2025-03-18 0.8.1=2025-03-19 0.8.2=2025-03-25 0.8.3=2025-04-06 0.8.4=2025-04-14
        0.8.5=2025-04-28 0.9.0=2025-05-28 0.9.1=2025-06-10 0.9.2=2025-07-07 0.10.0=2025-07-24 0.10.1=2025-08-18 0.10.2=2025-09-13
        0.11.0=2025-10-02
    """),
    "sglang": _days("""
        0.1.0=2024-01-17 0.1.14=2024-03-22 0.1.20=2024-07-14 0.2.0=2024-07-25 0.2.10=2024-08-04 0.3.0=2024-09-04 0.3.2=2024-10-02
        0.3.4=2024-10-19 0.3.5=2024-11-03 0.3.6=2024-11-22 0.4.0=2024-12-04 0.4.1=2024-12-26 0.4.2=2025-01-27 0.4.3=2025-02-14
        0.4.4=2025-03-13 0.4.5=2025-04-07 0.4.6=2025-04-27 0.4.7=2025-06-10 0.4.8=2025-06-24 0.4.9=2025-07-07 0.4.10=2025-07-31
        0.5.0=2025-08-11 0.5.1=2025-08-23 0.5.2=2025-09-12 0.5.3=2025-10-06
    """),
}
"""Day and version, the oldest first. A commit between two of them is taken for the earlier one."""


def engine_at(engine: Engine, day: str) -> str | None:
    """Return the last version that had come out on a day; None for no day, and the oldest for one before all."""
    if not day:
        return None
    earlier = [version for released, version in RELEASES[engine] if released <= day]
    return earlier[-1] if earlier else RELEASES[engine][0][1]
