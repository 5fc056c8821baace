"""Codex: `codex exec`, which takes the prompt on stdin and says what it does in lines of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from pytest_isobench.agents.drivers.base import HOME, Account, Call, End, Job, Output
from pytest_isobench.agents.drivers.calling import host_of, options_of, variables_of
from pytest_isobench.agents.drivers.reading import Line, count, dig, first, last, lines, names, passing, spent, unfinished, words
from pytest_isobench.models.agent import AgentSpec, Usage
from pytest_isobench.models.base import Record

FOLDER = ".codex"
SERVICE = "https://api.openai.com/v1"
SESSIONS = f"{FOLDER}/sessions/**/*.jsonl"
"""What the program writes down of each request: its output tells of none until the end."""
_STATUS = re.compile(r"\bstatus:? (\d{3})\b")
_LASTING = re.compile(r"^\{|missing environment variable|quota|billing|usage limit", re.IGNORECASE)
"""Failures that no waiting mends; one that begins with a brace is a service's answer to a request that it does not take."""


class Options(Record):
    """What an agent's file may say of Codex."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = Field(None, description="How much the model reasons.")
    web: bool = Field(False, description="Whether it may search the web, which the model's service does for it, past any closed network.")
    request_retries: int = Field(6, ge=0, le=100, description="Further tries of one request, and of one answer, before the attempt fails.")


class Codex:
    """The driver of Codex."""

    command: ClassVar[tuple[str, ...]] = ("codex",)
    options: ClassVar[type[Record]] = Options
    keys: ClassVar[tuple[str, ...]] = ("CODEX_API_KEY", "OPENAI_API_KEY")
    environment: ClassVar[tuple[str, ...]] = (*keys, "OPENAI_BASE_URL")

    def call(self, job: Job) -> Call:
        """Describe the call."""
        options, variables = options_of(job.spec, Options), variables_of(job)
        argv = ("exec", "--json", "--dangerously-bypass-approvals-and-sandbox", "--skip-git-repo-check")
        return Call(
            argv=(*(job.spec.command or self.command), *argv, *job.spec.arguments),
            variables={**variables, "CODEX_HOME": f"{HOME}/{FOLDER}"},
            stdin=job.prompt,
            files={f"{FOLDER}/config.toml": _configuration(job.spec.model, options, variables)},
            collect=(SESSIONS,),
            hosts=(host_of(variables, "OPENAI_BASE_URL", SERVICE),),
        )

    def version(self, spec: AgentSpec) -> tuple[str, ...]:
        """Return the command that prints the program's version."""
        return (*(spec.command or self.command), "--version")

    def read(self, output: Output) -> Account:
        """Return what the program says of its work."""
        found = lines(output.stdout)
        written = [line for data in output.files.values() for line in lines(data.decode("utf-8", "replace"))]
        requests = [line["payload"] for line in written if line.get("type") == "token_usage_record" and dig(line, "payload", "usage")]
        end = last(found, "turn.completed", "turn.failed")
        return replace(
            _judge(end if not output.timed_out else None, found, output),
            models=names(dig(line, "payload", "model") for line in written if line.get("type") == "turn_context"),
            session=first(line.get("thread_id") for line in found),
            usage=spent(_usage(one) for one in ([end] if end and dig(end, "usage") else requests)),
            steps=len(requests) or None,
            trajectory={"trajectory.jsonl": output.stdout.encode("utf-8", "replace")},
        )


def _configuration(model: str | None, options: Options, variables: Mapping[str, str]) -> str:
    """Return the program's configuration: the service by its URL, and nothing that it would look up on the net besides."""
    chosen = {"model": model, "model_reasoning_effort": options.effort, "web_search": None if options.web else "disabled"}
    key = next((name for name in Codex.keys if variables.get(name)), "OPENAI_API_KEY")
    return "\n".join((
        *(f"{name} = {_quoted(value)}" for name, value in chosen.items() if value),
        'model_provider = "isobench"',
        "check_for_update_on_startup = false",
        "[model_providers.isobench]",
        'name = "isobench"',
        f"base_url = {_quoted(variables.get('OPENAI_BASE_URL') or SERVICE)}",
        f'env_key = "{key}"',
        'wire_api = "responses"',
        f"request_max_retries = {options.request_retries}",
        f"stream_max_retries = {options.request_retries}",
        "[shell_environment_policy]",  # what the model runs sees no keys
        "ignore_default_excludes = false",
        "[analytics]",
        "enabled = false",
        "[features]",
        "apps = false",
        "plugins = false",
        "remote_plugin = false",
        "unbounded_connection_retries = false",  # without it, a service that is not there is waited for until the time is over
        "",
    ))  # fmt: skip


def _quoted(text: str) -> str:
    """Return a string of TOML, which JSON's are but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _judge(end: Line | None, found: list[Line], output: Output) -> Account:
    if dig(end, "type") == "turn.completed":
        return Account(end=End.FINISHED, reason=_answer(found))
    if end:
        return _failure(words(dig(end, "error", "message")))
    errors = [line for line in found if line.get("type") == "error"]
    if errors and not any(dig(line, "item", "type") not in (None, "error") for line in found):
        return _failure(words(errors[-1].get("message")))  # it was still waiting for the first answer of its model
    return unfinished(output, found)


def _failure(message: str) -> Account:
    """Judge by the words, since there is nothing else."""
    if "content_filter" in message:
        return Account(end=End.REFUSED, reason=message)
    if "context window" in message:
        return Account(end=End.GAVE_UP, reason=message)
    status = _STATUS.search(message)
    retry = passing(int(status[1]) if status else None) and not _LASTING.search(message)
    return Account(end=End.API_FAILURE, reason=message, retry=retry)


def _answer(found: list[Line]) -> str:
    """Return what the model said last."""
    return first(dig(line, "item", "text") for line in reversed(found) if dig(line, "item", "type") == "agent_message")


def _usage(record: Line) -> Usage:
    """Read a record's usage, where cached tokens are a part of those that were read."""
    fields = {"input_tokens": "input_tokens", "cached_tokens": "cached_input_tokens", "output_tokens": "output_tokens",
              "reasoning_tokens": "reasoning_output_tokens"}  # fmt: skip
    return Usage.model_validate({field: count(dig(record, "usage", name)) for field, name in fields.items()})
