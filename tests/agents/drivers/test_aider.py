"""aider: how it is called, and what its text means."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_isobench.agents.drivers.aider import Aider
from pytest_isobench.agents.drivers.base import Call, Driver, End, Job, Output
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Usage

HEAD = "Aider v0.86.2\nModel: openai/gpt-x with diff edit format\nGit repo: .git with 1 files\nAdded work.py to the chat.\n\n"
TOKENS = "Tokens: 1.2k sent, 45 received.\n"
APPLIED = "Applied edit to work.py\n"
RATE = "litellm.RateLimitError: RateLimitError: OpenAIException - slow down\nThe API provider has rate limited you.\n"


def call(**fields: Any) -> Call:
    driver: Driver = Aider()
    spec = AgentSpec(version=1, driver="aider", **fields)
    return driver.call(Job(spec=spec, prompt="Make it fast.", variables={"OPENAI_API_KEY": "key-1"}, targets=("new.py",)))


def output(*parts: str, status: int = 0, timed_out: bool = False) -> Output:
    return Output(returncode=status, stdout=HEAD + "".join(parts), stderr="", timed_out=timed_out, files={"chat.md": b"# chat"})


def test_the_call() -> None:
    options = {"files": "work.py 'a b.py'", "edit_format": "diff", "map_tokens": 0, "reasoning_effort": "high"}
    made = call(model="openai/gpt-x", options=options, arguments=("--timeout", "60"))
    assert made.argv[0] == "aider"
    assert {"--yes-always", "--no-auto-commits", "--no-gitignore", "--analytics-disable", "--no-pretty"} < set(made.argv)
    assert made.argv[-20:] == (
        "--message-file", "{home}/prompt.md", "--chat-history-file", "{home}/chat.md", "--input-history-file", "{home}/input",
        "--env-file", "{home}/no.env", "--model", "openai/gpt-x", "--edit-format", "diff", "--map-tokens", "0",
        "--reasoning-effort", "high", "--file=work.py", "--file=a b.py", "--timeout", "60",
    )  # fmt: skip
    assert made.files == {"prompt.md": "Make it fast."}
    assert made.variables == {"OPENAI_API_KEY": "key-1", "PYTHONUNBUFFERED": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True", "COLUMNS": "1000"}


def test_what_is_not_said_is_the_programs_own() -> None:
    made = call()
    assert not {"--model", "--edit-format", "--map-tokens", "--reasoning-effort"} & set(made.argv)
    assert not any(text.startswith("--file") for text in made.argv), "it would make files that are not there"


def test_the_version_is_asked_of_the_same_program() -> None:
    assert Aider().version(AgentSpec(version=1, driver="aider", command=("a",))) == ("a", "--version")


def test_names_of_files_are_quoted_as_in_a_shell() -> None:
    with pytest.raises(UsageError, match="quote names with blanks"):
        call(options={"files": "it's.py"})


@pytest.mark.parametrize(
    ("left", "end", "retries", "reason"),
    [
        (output("I change it.\n", TOKENS, APPLIED), End.FINISHED, False, ""),
        (output("I see nothing to do.\n", TOKENS), End.FINISHED, False, ""),
        (output(RATE, "Retrying in 0.2 seconds...\n", TOKENS, APPLIED), End.FINISHED, False, ""),
        (output(RATE, "Retrying in 0.2 seconds...\n", RATE), End.API_FAILURE, True,
         "litellm.RateLimitError: RateLimitError: OpenAIException - slow down"),
        (output(RATE, timed_out=True), End.API_FAILURE, True, "litellm.RateLimitError: RateLimitError: OpenAIException - slow down"),
        (output("litellm.AuthenticationError: no such key\n"), End.API_FAILURE, False, "litellm.AuthenticationError: no such key"),
        (output("litellm.BadRequestError: no\n"), End.API_FAILURE, False, "litellm.BadRequestError: no"),
        (output(TOKENS, APPLIED, "litellm.BadRequestError: no\n"), End.GAVE_UP, False, "litellm.BadRequestError: no"),
        (output("litellm.SomeError: odd\n"), End.PROGRAM_FAILURE, False, "litellm.SomeError: odd"),
        (output(TOKENS, APPLIED, "Only 3 reflections allowed, stopping.\n"), End.GAVE_UP, False, "Only 3 reflections allowed, stopping"),
        (output(TOKENS, "Model openai/gpt-x has hit a token limit!\n"), End.GAVE_UP, False, "Model openai/gpt-x has hit a token limit!"),
        (output(TOKENS, timed_out=True), End.UNKNOWN, False, ""),
        (output(TOKENS, status=-9), End.UNKNOWN, False, "ended by signal 9 without a record of its end"),
        (Output(returncode=2, stdout="", stderr="aider: error: unrecognized arguments: --x"), End.PROGRAM_FAILURE, False,
         "exit status 2 without a record of its end: aider: error: unrecognized arguments: --x"),
    ],
    ids=["done", "no edit", "went on", "429", "429 until the end", "401", "400", "malformed", "unknown", "reflections", "context", "time",
         "killed", "no start"],
)  # fmt: skip
def test_its_text_tells_the_end(left: Output, end: End, retries: bool, reason: str) -> None:
    account = Aider().read(left)
    assert (account.end, account.retry, account.reason) == (end, retries, reason)


@pytest.mark.parametrize(
    ("parts", "usage"),
    [
        ((TOKENS,), Usage(input_tokens=1200, output_tokens=45)),
        ((TOKENS, TOKENS), Usage(input_tokens=2400, output_tokens=90)),
        (("Tokens: 12k sent, 1.0k cache write, 7.0k cache hit, 352 received. Cost: $0.02 message, $0.05 session.\n",),
         Usage(input_tokens=12000, cached_tokens=7000, output_tokens=352, usd=0.05)),
        ((TOKENS.replace("\n", "\nCost: $0.02 message, $0.02 session.\n"), TOKENS), Usage(input_tokens=2400, output_tokens=90, usd=0.02)),
        (("Tokens: 1.2.3k sent, 45 received.\n",), Usage(output_tokens=45)),
        (("I saw Tokens: 7 sent, 7 received.\n",), Usage()),
    ],
)  # fmt: skip
def test_tokens_are_in_its_lines(parts: tuple[str, ...], usage: Usage) -> None:
    assert Aider().read(output(*parts)).usage == usage


def test_the_account_of_a_whole_run() -> None:
    left = output("I change it.\n", TOKENS, APPLIED)
    account = Aider().read(left)
    assert (account.models, account.steps) == (("openai/gpt-x",), 1)
    assert account.trajectory == {"chat.md": b"# chat", "output.txt": left.stdout.encode()}
