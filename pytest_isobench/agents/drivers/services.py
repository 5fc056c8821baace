"""The services of models that programs can ask for many of them: their keys, their URLs, and what their failures mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_isobench.agents.drivers.base import Account, End
from pytest_isobench.agents.drivers.calling import host_of
from pytest_isobench.agents.drivers.reading import count, dig, excerpt, passing
from pytest_isobench.models.agent import Usage


@dataclass(frozen=True, slots=True)
class Service:
    """One service, as the programs' own variables name its key and its URL."""

    key: str
    bases: tuple[str, ...]
    url: str

    def host(self, variables: Mapping[str, str]) -> str:
        """Return HOST:PORT. Raises `UsageError` for a URL that is none."""
        return host_of(variables, next((name for name in self.bases if variables.get(name)), self.bases[0]), self.url)


SERVICES = {
    "openai": Service("OPENAI_API_KEY", ("OPENAI_BASE_URL", "OPENAI_API_BASE"), "https://api.openai.com/v1"),
    "anthropic": Service("ANTHROPIC_API_KEY", ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"), "https://api.anthropic.com"),
    "openrouter": Service("OPENROUTER_API_KEY", ("OPENROUTER_BASE_URL", "OPENROUTER_API_BASE"), "https://openrouter.ai/api/v1"),
    "gemini": Service("GEMINI_API_KEY", ("GEMINI_API_BASE",), "https://generativelanguage.googleapis.com"),
    "google": Service("GOOGLE_API_KEY", ("GOOGLE_BASE_URL",), "https://generativelanguage.googleapis.com"),
    "deepseek": Service("DEEPSEEK_API_KEY", ("DEEPSEEK_API_BASE",), "https://api.deepseek.com"),
}
KEYS = tuple(service.key for service in SERVICES.values())
ENVIRONMENT = tuple(name for service in SERVICES.values() for name in (service.key, *service.bases))
BEDROCK_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK")
BEDROCK = (*BEDROCK_KEYS, "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_REGION_NAME")
OUTSPOKEN = {"PYTHONUNBUFFERED": "1"}
"""Without it, what a program of Python has printed is lost when it is stopped."""
OFFLINE = {**OUTSPOKEN, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""For programs with litellm, which looks up prices on the net when it is imported unless it is told not to."""

_STATUS = re.compile(r"(?:[Ee]rror code|[Ss]tatus(?: code)?)\W{1,3}([45]\d\d)\b")
_NAME = re.compile(r"(?:[a-z]\w*\.)*([A-Z]\w*(?:Error|Timeout|Reached|Refusal))\b")
_LASTING = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing", re.IGNORECASE)
_FULL = re.compile(r"context_length_exceeded|context window|maximum context length|prompt is too long", re.IGNORECASE)
_WITHHELD = re.compile(r"content_filter|content_policy|content management policy", re.IGNORECASE)
_UNREACHED = re.compile(r"connection error|connection reset|timed? ?out|overloaded|temporarily unavailable|rate.?limit", re.IGNORECASE)
_PASSING = {"RateLimitError", "ServiceUnavailableError", "InternalServerError", "BadGatewayError", "APIConnectionError", "Timeout",
            "APITimeoutError", "TimeoutError", "MidStreamFallbackError", "NoResponseError", "OverloadedError"}  # fmt: skip
_MALFORMED = {"BadRequestError", "UnprocessableEntityError", "MalformedConversationHistoryError", "400", "413", "422"}
_BARRED = {"AuthenticationError", "PermissionDeniedError", "NotFoundError", "UnsupportedParamsError", "BudgetExceededError"}
_FULL_NAMES = {"ContextWindowExceededError", "ContextWindowExceedError", "ContextWindowTooSmallError"}
_WITHHELD_NAMES = {"ContentPolicyViolationError", "UsagePolicyRefusal"}


def hosts_of(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return HOST:PORT of every service whose key is handed on. Raises `UsageError` for a URL that is none."""
    found = [service.host(variables) for service in SERVICES.values() if variables.get(service.key)]
    if any(variables.get(name) for name in BEDROCK_KEYS):
        region = variables.get("AWS_REGION_NAME") or variables.get("AWS_REGION") or "us-east-1"
        found.append(f"bedrock-runtime.{region}.amazonaws.com:443")
    return tuple(dict.fromkeys(found))


def failure(said: str, *, answered: bool, name: str = "") -> Account | None:
    """Judge an error of a program by the exception's name, the status or the words in it; None when it is not the service's.

    A request that the service takes for malformed, after others were answered, is the program's own doing: it ends the attempt,
    and what was done before counts.
    """
    said = excerpt(said)
    reason = said or name
    kind = (name or _first(_NAME, said)).removeprefix("LLM")
    status = _first(_STATUS, said)
    if kind in _FULL_NAMES or _FULL.search(said):
        return Account(end=End.GAVE_UP, reason=reason)
    if kind in _WITHHELD_NAMES or _WITHHELD.search(said):
        return Account(end=End.REFUSED, reason=reason)
    if {kind, status} & _MALFORMED and answered and not _LASTING.search(said):
        return Account(end=End.GAVE_UP, reason=reason)
    if kind in _PASSING or (passing(int(status)) if status else _UNREACHED.search(said)):
        return Account(end=End.API_FAILURE, reason=reason, retry=not _LASTING.search(said))
    known = status or kind in _MALFORMED | _BARRED or _LASTING.search(said)
    return Account(end=End.API_FAILURE, reason=reason) if known else None


def chat_usage(value: object) -> Usage:
    """Read the usage of one answer of Chat Completions, where cached tokens are a part of those that were read."""
    return Usage(
        input_tokens=count(dig(value, "prompt_tokens")),
        cached_tokens=count(dig(value, "prompt_tokens_details", "cached_tokens")),
        output_tokens=count(dig(value, "completion_tokens")),
        reasoning_tokens=count(dig(value, "completion_tokens_details", "reasoning_tokens")),
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
