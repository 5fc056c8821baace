"""What TRAE, OpenHands, mini-swe-agent and aider leave: read without trust, made up or recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_reading_output import written

from pytest_isobench.agents.drivers import load_driver
from pytest_isobench.agents.drivers.base import Account, Driver, End, Output
from pytest_isobench.models.agent import AttemptRecord

DRIVERS = ("trae", "openhands", "mini_swe_agent", "aider")
NAMES = ("llm_interactions", "agent_steps", "success", "final_result", "end_time", "error", "response", "usage", "model",
         "provider", "input_tokens", "cache_read_input_tokens", "messages", "extra", "info", "exit_status", "model_stats",
         "instance_cost", "content", "stats", "usage_to_metrics", "accumulated_token_usage", "prompt_tokens",
         "accumulated_cost", "execution_status", "kind", "code", "detail", "source", "action", "message", "llm_response_id",
         "model_name", "llm_response", "observation")  # fmt: skip
WORDS = ("Submitted", "finished", "error", "stuck", "ConversationErrorEvent", "MaxIterationsReached", "agent", "anthropic",
         "RateLimitError", "Error code: 400 - no", "litellm.RateLimitError: no", "Tokens: 1.2k sent, 45 received.", "2030-01-01",
         "FinishAction", "Only 3 reflections allowed, stopping.", "OpenAI API call failed: no")  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(WORDS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6), max_leaves=12
)
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8).map(json.dumps)
PRINTED = st.lists(DOCUMENTS | st.text() | st.sampled_from(WORDS), max_size=5).map("\n".join)


@given(
    driver=st.sampled_from(DRIVERS), stdout=PRINTED, document=DOCUMENTS, cut=st.integers(0, 50), status=st.integers(-64, 255),
    timed_out=st.booleans(),
)  # fmt: skip
def test_reading_never_fails(driver: str, stdout: str, document: str, cut: int, status: int, timed_out: bool) -> None:
    data = document[: len(document) - cut if cut < 5 else None].encode("utf-8", "surrogatepass")
    files = dict.fromkeys(("trajectory.json", ".openhands/conversations/a/base_state.json", "base_state.json", "chat.md"), data)
    reading: Driver = load_driver(driver)  # type: ignore[assignment]
    account = reading.read(Output(returncode=status, stdout=stdout, stderr="", timed_out=timed_out, files=files))
    assert isinstance(account, Account)
    stored = written(account)
    assert AttemptRecord.model_validate_json(stored.model_dump_json()) == stored, "what is read can be written down and read again"
    assert all(isinstance(kept, bytes) for kept in account.trajectory.values())


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("text", ["A" * 2_000_000, "Error" * 400_000, "{" * 100_000, "Tokens: " + "1" * 1_000_000, "a." * 1_000_000])
def test_long_output_takes_no_long_time(driver: str, text: str) -> None:
    data = json.dumps({"end_time": "x", "agent_steps": [{"error": text}], "info": {"exit_status": text}, "messages": [{"content": text}]})
    events = json.dumps({"kind": "ConversationErrorEvent", "code": text, "detail": text})
    reading: Driver = load_driver(driver)  # type: ignore[assignment]
    account = reading.read(Output(returncode=0, stdout=f"{text}\n{events}\n", stderr=text, files={"trajectory.json": data.encode()}))
    assert len(account.reason) < 2000


RUNS = Path(__file__).parents[4] / "shared" / "iso_bench_data" / "runs"
RECORDED = sorted(RUNS.rglob("trajectory.json"))


def recorded(path: Path) -> tuple[dict[str, Any], Account]:
    """Return a recorded trajectory, and what is read of it."""
    stdout = path.with_name("trae_stdout.txt")
    said = stdout.read_text(encoding="utf-8", errors="replace") if stdout.is_file() else ""
    reading: Driver = load_driver("trae")  # type: ignore[assignment]
    output = Output(returncode=0, stdout=said, stderr="", files={"trajectory.json": path.read_bytes()})
    return json.loads(path.read_bytes()), reading.read(output)


@pytest.mark.skipif(not RECORDED, reason="the folder iso_bench_data is not here")
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_recorded_runs_of_trae(path: Path) -> None:
    said, account = recorded(path)
    asked = len(said["llm_interactions"])
    expected = End.FINISHED if said["success"] else End.GAVE_UP if asked else End.API_FAILURE
    assert (account.end, account.retry) == (expected, False), account.reason
    assert account.steps == asked
    assert bool(account.models) is bool(asked)
    used = [one["response"]["usage"] for one in said["llm_interactions"]]
    assert account.usage.output_tokens == (sum(one["output_tokens"] for one in used) or None)
    if asked and said["provider"] == "openai":
        assert account.usage.input_tokens == sum(one["input_tokens"] for one in used)


@pytest.mark.skipif(not RUNS.is_dir(), reason="the folder iso_bench_data is not here")
def test_other_recorded_output_is_judged_too() -> None:
    """What older programs printed has no record of an end as the current ones leave it, and is no success."""
    ends = set()
    for path in [*RUNS.rglob("openhands_stdout.txt"), *RUNS.rglob("trae_stdout.txt")]:
        reading: Driver = load_driver(path.name.partition("_")[0])  # type: ignore[assignment]
        ends.add(reading.read(Output(returncode=0, stdout=path.read_text(encoding="utf-8", errors="replace"), stderr="")).end)
    assert ends
    assert ends <= {End.PROGRAM_FAILURE, End.UNKNOWN, End.API_FAILURE}
