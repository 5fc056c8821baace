"""What programs print: read without trust, whatever it is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.agents.drivers import load_driver
from pytest_isobench.agents.drivers.base import Account, End, Output
from pytest_isobench.agents.drivers.reading import (
    LONGEST,
    cost,
    count,
    dig,
    ending,
    excerpt,
    last,
    lines,
    names,
    passing,
    plain,
    record,
    spent,
    total,
    words,
)
from pytest_isobench.models.agent import AttemptRecord, Usage

DEEP = "[" * 100_000
DRIVERS = ("claude_code", "codex", "command")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("hello\n{}\nbye", [{}]),
        ('{"a": 1}\n{"b": 2', [{"a": 1}]),
        ('\x1b[2K\x1b[1m{"a": "é"}\x1b[0m\r\n', [{"a": "é"}]),
        ('{"a": "one\u2028line"}', [{"a": "one\u2028line"}]),
        ('[1]\n"x"\n{"a": ' + DEEP + "\n{}", [{}]),
        ('{"a": NaN, "b": -Infinity}', [{"a": None, "b": None}]),
        ('{"a": ' + "9" * 5000 + '}\n{"b": 1}', [{"b": 1}]),
    ],
    ids=["nothing", "text", "broken off", "terminal", "line separator", "deep", "no numbers", "long number"],
)
def test_lines_are_json_objects(text: str, found: list[object]) -> None:
    assert lines(text) == found


def test_a_record_may_take_several_lines() -> None:
    assert record('\n{"a":\n 1}\n') == {"a": 1}
    assert record("[]") is None
    assert record("{") is None


def test_the_last_of_some_types_counts() -> None:
    found = [{"type": "a", "n": 1}, {"type": "b", "n": 2}, {"type": "a", "n": 3}, {}]
    assert last(found, "a") == {"type": "a", "n": 3}
    assert last(found, "a", "b") == {"type": "a", "n": 3}
    assert last(found, "c") is None


def test_digging_needs_no_ground() -> None:
    assert dig({"a": {"b": 1}}, "a", "b") == 1
    assert dig({"a": [1]}, "a", "b") is None
    assert dig(None, "a") is None


@pytest.mark.parametrize(
    ("value", "as_count", "as_cost"),
    [
        (0, 0, 0.0),
        (7, 7, 7.0),
        (-1, None, None),
        (1.5, None, 1.5),
        (True, None, None),
        ("7", None, None),
        (None, None, None),
        ([], None, None),
        (math.nan, None, None),
        (math.inf, None, None),
        (-0.5, None, None),
        (10**400, None, None),
    ],
)
def test_numbers(value: object, as_count: int | None, as_cost: float | None) -> None:
    assert (count(value), cost(value)) == (as_count, as_cost)


def test_sums_leave_out_what_is_not_known() -> None:
    assert total([1, None, 2]) == 3
    assert total([None]) is None
    parts = [Usage(input_tokens=5, cached_tokens=1), Usage(input_tokens=6, output_tokens=2)]
    assert spent(parts, 0.5) == Usage(input_tokens=11, cached_tokens=1, output_tokens=2, usd=0.5)
    assert spent([]) == Usage()


def test_text_for_people() -> None:
    assert words(7) == ""
    assert words("  a\x1b[31mb\ud800 ") == "ab?"
    assert plain("\x1b]0;title\x07x\x1b]8;;u\x1b\\y") == "xy"
    long = excerpt("first " + "x" * 10_000 + " last")
    assert long.startswith("first ")
    assert long.endswith(" last")
    assert len(long) < LONGEST + 10
    assert names(["a", 7, "b", "a", "", None]) == ("a", "b")
    assert len(names(str(i) for i in range(1000))) == 16
    assert (ending(-9), ending(3)) == ("ended by signal 9", "exit status 3")


@pytest.mark.parametrize(("status", "passes"), [(None, True), (400, False), (401, False), (403, False), (404, False), (408, True),
                                                (409, True), (413, False), (429, True), (500, True), (503, True), (529, True)])  # fmt: skip
def test_failures_that_may_pass(status: int | None, passes: bool) -> None:
    assert passing(status) is passes


NAMES = ("type", "subtype", "result", "item", "usage", "message", "error", "errors", "modelUsage", "permission_denials", "num_turns",
         "total_cost_usd", "is_error", "api_error_status", "session_id", "thread_id", "payload", "model", "id", "content", "text",
         "stop_reason", "terminal_reason", "input_tokens", "output_tokens", "inputTokens", "steps", "usd")  # fmt: skip
KINDS = ("result", "assistant", "system", "success", "api_retry", "error_max_turns", "refusal", "turn.completed", "turn.failed", "error",
         "item.completed", "agent_message", "turn_context", "token_usage_record")  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(KINDS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6), max_leaves=12
)
LINES = st.fixed_dictionaries({"type": st.sampled_from(KINDS)}, optional=dict.fromkeys(NAMES[1:], VALUES))
PRINTED = st.lists(LINES.map(json.dumps) | st.text() | VALUES.map(json.dumps)).map("\n".join)
CUT = st.integers(0, 50)


@given(driver=st.sampled_from(DRIVERS), stdout=PRINTED, stderr=st.text(), cut=CUT, status=st.integers(-64, 255), timed_out=st.booleans())
def test_reading_never_fails(driver: str, stdout: str, stderr: str, cut: int, status: int, timed_out: bool) -> None:
    text = stdout[: len(stdout) - cut]
    files = {name: text.encode("utf-8", "surrogatepass") for name in (".codex/sessions/a.jsonl", "usage.json")}
    output = Output(returncode=status, stdout=text, stderr=stderr, timed_out=timed_out, files=files)
    account = load_driver(driver).read(output)
    assert isinstance(account, Account)
    assert isinstance(account.end, End)
    stored = written(account)
    assert AttemptRecord.model_validate_json(stored.model_dump_json()) == stored, "what is read can be written down and read again"
    assert all(isinstance(data, bytes) for data in account.trajectory.values())


def written(account: Account) -> AttemptRecord:
    """Return the record that an attempt with this account would have."""
    facts: Mapping[str, object] = {"task": "t", "agent": "a", "attempt": 0, "status": "gave_up", "driver": "d"}
    said = {"reasons": (account.reason,), "models": account.models, "session": account.session, "steps": account.steps}
    return AttemptRecord.model_validate({**facts, **said, "usage": account.usage})
