"""aider: one message, one round of edits; it says what it does in plain text only, and its exit status is 0 whatever happens."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from pytest_isobench.agents.drivers.base import HOME, Account, Call, End, Job, Output
from pytest_isobench.agents.drivers.calling import options_of, variables_of
from pytest_isobench.agents.drivers.reading import excerpt, names, plain, spent, unfinished
from pytest_isobench.agents.drivers.services import ENVIRONMENT, KEYS, OFFLINE, failure, hosts_of
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Usage
from pytest_isobench.models.base import Record

_PROMPT, _CHAT = "prompt.md", "chat.md"
_QUIET = (
    "--yes-always", "--no-auto-commits", "--no-dirty-commits", "--no-gitignore", "--no-check-update", "--no-show-release-notes",
    "--analytics-disable", "--no-show-model-warnings", "--no-detect-urls", "--no-suggest-shell-commands", "--disable-playwright",
    "--no-pretty", "--no-fancy-input", "--no-stream",
)  # fmt: skip
_TOKENS = re.compile(
    r"^Tokens: (?P<sent>[\d.]+k?) sent,(?: [\d.]+k? cache write,)?(?: (?P<cached>[\d.]+k?) cache hit,)? (?P<received>[\d.]+k?) received\."
    r"(?:\s+Cost: \$[\d.]+ message, \$(?P<session>[\d.]+) session\.)?",
    re.MULTILINE,
)
_ERROR = re.compile(r"^litellm\.\w+:.*", re.MULTILINE)
_MODEL = re.compile(r"^(?:Main model|Model): (\S+) with ", re.MULTILINE)
_GIVES_UP = re.compile(
    r"^(?:Only \d+ reflections allowed, stopping|Model \S+ has hit a token limit!|Your estimated chat context of .*)", re.MULTILINE
)


class Options(Record):
    """What an agent's file may say of aider."""

    files: str = Field("", description="Files that it may edit from the start, separated by blanks; those that the prompt names, it adds.")
    edit_format: Literal["diff", "diff-fenced", "whole", "udiff", "patch"] | None = Field(None, description="By default the model's own.")
    map_tokens: int | None = Field(None, ge=0, description="Size of its map of the repository; 0 for none.")
    reasoning_effort: str | None = Field(None, pattern=r"^\w+$", description="As the model knows it: low, medium, high.")


class Aider:
    """The driver of aider."""

    command: ClassVar[tuple[str, ...]] = ("aider",)
    options: ClassVar[type[Record]] = Options
    keys: ClassVar[tuple[str, ...]] = KEYS
    environment: ClassVar[tuple[str, ...]] = ENVIRONMENT

    def call(self, job: Job) -> Call:
        """Describe the call. Raises `UsageError` for options that do not fit together."""
        options, variables = options_of(job.spec, Options), variables_of(job)
        return Call(
            argv=(*(job.spec.command or self.command), *_QUIET, *_arguments(job, options), *job.spec.arguments),
            variables={**OFFLINE, "COLUMNS": "1000", **variables},
            files={_PROMPT: job.prompt},
            collect=(_CHAT,),
            hosts=hosts_of(variables),
        )

    def version(self, spec: AgentSpec) -> tuple[str, ...]:
        """Return the command that prints the program's version."""
        return (*(spec.command or self.command), "--version")

    def read(self, output: Output) -> Account:
        """Return what can be read in its text: it leaves no record of its end."""
        text = plain(output.stdout)
        answers = list(_TOKENS.finditer(text))
        session = next((found["session"] for found in reversed(answers) if found["session"]), "")
        return replace(
            _judge(text, answers, output),
            models=names(_MODEL.findall(text)) if answers else (),
            usage=spent(map(_usage, answers), _amount(session)),
            steps=len(answers) or None,
            trajectory={"chat.md": output.files.get(_CHAT, b""), "output.txt": text.encode()},
        )


def _arguments(job: Job, options: Options) -> list[str]:
    try:
        files = shlex.split(options.files)
    except ValueError as error:
        raise UsageError(f"aider's option 'files' is {options.files!r}: {error}; quote names with blanks in them") from None
    given = {"--message-file": f"{HOME}/{_PROMPT}", "--chat-history-file": f"{HOME}/{_CHAT}", "--input-history-file": f"{HOME}/input",
             "--env-file": f"{HOME}/no.env", "--model": job.spec.model, "--edit-format": options.edit_format,
             "--map-tokens": options.map_tokens, "--reasoning-effort": options.reasoning_effort}  # fmt: skip
    named = [str(text) for name, value in given.items() if value is not None and value != "" for text in (name, value)]
    return [*named, *(f"--file={file}" for file in files)]


def _judge(text: str, answers: list[re.Match[str]], output: Output) -> Account:
    """Judge by what stands behind the last answer."""
    rest = text[answers[-1].end() :] if answers else text
    if errors := _ERROR.findall(rest):
        return failure(errors[-1], answered=bool(answers)) or Account(end=End.PROGRAM_FAILURE, reason=excerpt(errors[-1]))
    if output.timed_out or output.returncode or not answers:
        return unfinished(output, [{}] if answers else [])
    if stopped := _GIVES_UP.search(rest):
        return Account(end=End.GAVE_UP, reason=stopped[0])
    return Account(end=End.FINISHED)


def _usage(found: re.Match[str]) -> Usage:
    return Usage(input_tokens=_tokens(found["sent"]), cached_tokens=_tokens(found["cached"]), output_tokens=_tokens(found["received"]))


def _tokens(text: str | None) -> int | None:
    """Read a number such as 812, 1.2k or 34k, which are rounded."""
    number = _amount((text or "").removesuffix("k"))
    return None if number is None else round(number * (1000 if str(text).endswith("k") else 1))


def _amount(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", text) else None
