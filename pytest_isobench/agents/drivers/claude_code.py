"""Claude Code: `claude -p`, which takes the prompt on stdin and says what it does in lines of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from pytest_isobench.agents.drivers.base import Account, Call, End, Job, Output
from pytest_isobench.agents.drivers.calling import host_of, options_of, variables_of
from pytest_isobench.agents.drivers.reading import (
    Line,
    cost,
    count,
    dig,
    first,
    last,
    lines,
    names,
    objects,
    passing,
    spent,
    total,
    unfinished,
    words,
)
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Usage
from pytest_isobench.models.base import Record

BEDROCK, VERTEX = "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"
FULL = {"prompt_too_long", "blocking_limit", "rapid_refill_breaker"}
"""How the program calls it that the conversation does not fit into the model's context any more."""
QUIET = {
    "IS_SANDBOX": "1",  # lets root skip permissions, which the sandbox stands in for
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}


class Options(Record):
    """What an agent's file may say of Claude Code."""

    bare: bool = Field(False, description="Fewer tools, a short system prompt, no CLAUDE.md, hooks or skills; needs an API key.")
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = Field(None, description="How much the model thinks.")
    permission_mode: Literal["bypassPermissions", "acceptEdits", "dontAsk", "default"] = Field(
        "bypassPermissions", description="What it may do unasked. Nobody is there to be asked: what is not allowed is refused."
    )
    web: bool = Field(False, description="Whether it may search the web, which the model's service does for it, past any closed network.")
    request_retries: int = Field(6, ge=0, le=100, description="Further tries of one request before the attempt fails.")


class ClaudeCode:
    """The driver of Claude Code."""

    command: ClassVar[tuple[str, ...]] = ("claude",)
    options: ClassVar[type[Record]] = Options
    keys: ClassVar[tuple[str, ...]] = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", BEDROCK, VERTEX)
    environment: ClassVar[tuple[str, ...]] = (
        *keys, "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_SMALL_FAST_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION",
        "ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_VERTEX_PROJECT_ID", "ANTHROPIC_VERTEX_BASE_URL", "CLOUD_ML_REGION",
        "GOOGLE_APPLICATION_CREDENTIALS",
    )  # fmt: skip

    def call(self, job: Job) -> Call:
        """Describe the call."""
        options, variables = options_of(job.spec, Options), variables_of(job)
        if options.bare and not any(variables.get(name) for name in ("ANTHROPIC_API_KEY", BEDROCK, VERTEX)):
            raise UsageError("Claude Code takes no other key than ANTHROPIC_API_KEY with the option 'bare': set it, or leave 'bare' out")
        own = {**QUIET, "CLAUDE_CODE_MAX_RETRIES": str(options.request_retries)}
        return Call(
            argv=(*(job.spec.command or self.command), *_arguments(job.spec, options), *job.spec.arguments),
            variables={**own, **variables},
            stdin=job.prompt,
            hosts=_hosts(variables),
        )

    def version(self, spec: AgentSpec) -> tuple[str, ...]:
        """Return the command that prints the program's version."""
        return (*(spec.command or self.command), "--version")

    def read(self, output: Output) -> Account:
        """Return what the program says of its work."""
        found = lines(output.stdout)
        result = last(found, "result")
        return replace(
            _judge_result(result) if result and not output.timed_out else _judge_rest(found, output),
            models=_models(found, result),
            session=first(line.get("session_id") for line in found),
            usage=_usage(found, result),
            steps=count(dig(result, "num_turns")) if result else len(_messages(found)) or None,
            trajectory={"trajectory.jsonl": output.stdout.encode("utf-8", "replace")},
        )


def _arguments(spec: AgentSpec, options: Options) -> list[str]:
    given = ["-p", "--output-format", "stream-json", "--verbose"]
    given += ["--dangerously-skip-permissions"] if options.permission_mode == "bypassPermissions" else []
    given += ["--permission-mode", options.permission_mode] if options.permission_mode != "bypassPermissions" else []
    given += ["--bare"] if options.bare else []
    given += ["--disallowedTools=WebSearch,WebFetch"] if not options.web else []
    values = {"--model": spec.model, "--effort": options.effort, "--max-turns": spec.budget.steps, "--max-budget-usd": spec.budget.usd}
    return given + [text for name, value in values.items() if value for text in (name, str(value))]


def _hosts(variables: Mapping[str, str]) -> tuple[str, ...]:
    if _is_on(variables.get(BEDROCK)):
        region = variables.get("AWS_REGION") or "us-east-1"
        return (host_of(variables, "ANTHROPIC_BEDROCK_BASE_URL", f"https://bedrock-runtime.{region}.amazonaws.com"),)
    if _is_on(variables.get(VERTEX)):
        region = variables.get("CLOUD_ML_REGION") or "global"
        name = "aiplatform" if region == "global" else f"{region}-aiplatform"
        return host_of(variables, "ANTHROPIC_VERTEX_BASE_URL", f"https://{name}.googleapis.com"), "oauth2.googleapis.com:443"
    return (host_of(variables, "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),)


def _is_on(value: str | None) -> bool:
    return bool(value) and str(value).lower() not in ("0", "false", "no", "off")


def _judge_result(result: Line) -> Account:
    """Judge the record of the end. A failure of the service is a `success` too, with `is_error`."""
    kind, reason = words(result.get("subtype")), words(result.get("result"))
    if kind.startswith("error_max_"):
        return Account(end=End.OUT_OF_BUDGET, reason=_errors(result) or kind)
    if result.get("stop_reason") == "refusal":
        return Account(end=End.REFUSED, reason=reason)
    if words(result.get("terminal_reason")) in FULL:
        return Account(end=End.GAVE_UP, reason=reason)
    if kind != "success":
        return Account(end=End.PROGRAM_FAILURE, reason=_errors(result) or reason or f"its result is {kind!r}")
    if result.get("is_error"):
        retry = passing(count(result.get("api_error_status"))) and "/login" not in reason
        return Account(end=End.API_FAILURE, reason=reason, retry=retry)
    if denied := names(one.get("tool_name") for one in objects(result.get("permission_denials"))):
        return Account(end=End.REFUSED, reason=f"was refused permission to use {', '.join(denied)}")
    return Account(end=End.FINISHED, reason=reason)


def _judge_rest(found: list[Line], output: Output) -> Account:
    """Judge a program without a result of its own accord: one whose model never answered was waiting for the service."""
    retries = [line for line in found if line.get("subtype") == "api_retry"]
    if retries and not _messages(found):
        status = count(retries[-1].get("error_status"))
        return Account(end=End.API_FAILURE, reason=words(retries[-1].get("error")) or "no answer", retry=passing(status))
    return unfinished(output, found)


def _errors(result: Line) -> str:
    errors = result.get("errors")
    return "; ".join(names(errors)) if isinstance(errors, list) else ""


def _messages(found: list[Line]) -> dict[str, Line]:
    """Return the model's answers by their ids, without those of other agents that it calls in; each comes in several lines."""
    own = [line for line in found if line.get("type") == "assistant" and not line.get("parent_tool_use_id")]
    answered = [line["message"] for line in own if dig(line, "message", "model") not in (None, "<synthetic>")]
    return {words(message.get("id")): message for message in answered}


def _models(found: list[Line], result: Line | None) -> tuple[str, ...]:
    used = dig(result, "modelUsage")
    return names(used) if isinstance(used, dict) and used else names(message["model"] for message in _messages(found).values())


def _usage(found: list[Line], result: Line | None) -> Usage:
    """Return what was used: by model in the result; before it, what answers say of their prompts, but not of their own length."""
    by_model = list(objects(dig(result, "modelUsage")))
    if by_model:
        fields = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "outputTokens")
        parts = [_read_usage(one, *fields) for one in by_model]
    else:
        each = [result] if result else list(_messages(found).values())
        fields = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens" if result else "")
        parts = [_read_usage(one.get("usage"), *fields) for one in each]
    return spent(parts, cost(dig(result, "total_cost_usd")))


def _read_usage(value: object, fresh: str, cached: str, written: str, output: str) -> Usage:
    prompt = [count(dig(value, name)) for name in (fresh, cached, written)]
    return Usage(input_tokens=total(prompt), cached_tokens=prompt[1], output_tokens=count(dig(value, output)))
