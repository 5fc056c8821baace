"""Services of models: their hosts, and what their failures mean."""

from __future__ import annotations

import pytest

from pytest_isobench.agents.drivers.base import End
from pytest_isobench.agents.drivers.services import ENVIRONMENT, KEYS, SERVICES, failure, hosts_of
from pytest_isobench.errors import UsageError


@pytest.mark.parametrize(
    ("variables", "hosts"),
    [
        ({}, ()),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, ()),
        ({"OPENAI_API_KEY": "k"}, ("api.openai.com:443",)),
        ({"OPENAI_API_KEY": "k", "OPENAI_API_BASE": "http://127.0.0.1:9/v1"}, ("127.0.0.1:9",)),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://a:1", "OPENAI_API_BASE": "http://b:2"}, ("a:1",)),
        ({"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}, ("api.openai.com:443", "api.anthropic.com:443")),
        ({"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "eu-west-1"}, ("bedrock-runtime.eu-west-1.amazonaws.com:443",)),
        ({"AWS_ACCESS_KEY_ID": "k"}, ("bedrock-runtime.us-east-1.amazonaws.com:443",)),
    ],
)
def test_a_program_may_reach_the_services_that_it_has_keys_for(variables: dict[str, str], hosts: tuple[str, ...]) -> None:
    assert hosts_of(variables) == hosts


def test_a_url_that_is_none_is_said() -> None:
    with pytest.raises(UsageError, match="OPENAI_API_BASE is 'gateway', which is no URL of a service"):
        hosts_of({"OPENAI_API_KEY": "k", "OPENAI_API_BASE": "gateway"})


def test_the_variables_are_those_of_the_services() -> None:
    assert set(KEYS) < set(ENVIRONMENT)
    assert len(set(ENVIRONMENT)) == len(ENVIRONMENT) == sum(1 + len(service.bases) for service in SERVICES.values())


WRONG = "Error code: 400 - {'error': {'message': 'a tool was not answered', 'type': 'invalid_request_error'}}"


@pytest.mark.parametrize(
    ("name", "said", "answered", "end", "retries"),
    [
        ("RateLimitError", "too many requests", False, End.API_FAILURE, True),
        ("LLMRateLimitError", "", True, End.API_FAILURE, True),
        ("RateLimitError", "You exceeded your current quota, please check your plan and billing details.", True, End.API_FAILURE, False),
        ("RateLimitError", "Error code: 429 - {'error': {'code': 'insufficient_quota'}}", False, End.API_FAILURE, False),
        ("InternalServerError", "OpenAIException - Connection error.", True, End.API_FAILURE, True),
        ("LLMServiceUnavailableError", "litellm.InternalServerError: Connection error.", False, End.API_FAILURE, True),
        ("Timeout", "", False, End.API_FAILURE, True),
        ("LLMTimeoutError", "", False, End.API_FAILURE, True),
        ("AuthenticationError", "no such key", True, End.API_FAILURE, False),
        ("LLMAuthenticationError", "no such key", True, End.API_FAILURE, False),
        ("NotFoundError", "no such model", False, End.API_FAILURE, False),
        ("BadRequestError", "an empty message", False, End.API_FAILURE, False),
        ("BadRequestError", "an empty message", True, End.GAVE_UP, False),
        ("BadRequestError", "Your credit balance is too low", True, End.API_FAILURE, False),
        ("ContextWindowExceededError", "", True, End.GAVE_UP, False),
        ("LLMContextWindowExceedError", "", True, End.GAVE_UP, False),
        ("BadRequestError", "prompt is too long: 210000 tokens > 200000 maximum", True, End.GAVE_UP, False),
        ("ContentPolicyViolationError", "withheld", True, End.REFUSED, False),
        ("BadRequestError", "{'code': 'content_filter'}", False, End.REFUSED, False),
        ("", "litellm.RateLimitError: RateLimitError: OpenAIException - slow down", False, End.API_FAILURE, True),
        ("", "litellm.AuthenticationError: no such key", False, End.API_FAILURE, False),
        ("", "Error code: 401 - {'error': {'message': 'no such key'}}", False, End.API_FAILURE, False),
        ("", "Error code: 429 - {'error': {'message': 'slow down'}}", False, End.API_FAILURE, True),
        ("", "Error code: 529 - {'type': 'error', 'error': {'type': 'overloaded_error'}}", True, End.API_FAILURE, True),
        ("", WRONG, True, End.GAVE_UP, False),
        ("", WRONG, False, End.API_FAILURE, False),
        ("", "Connection error.", True, End.API_FAILURE, True),
        ("", "Request timed out.", True, End.API_FAILURE, True),
    ],
)
def test_a_failure_is_judged_by_name_status_and_words(name: str, said: str, answered: bool, end: End, retries: bool) -> None:
    account = failure(said, answered=answered, name=name)
    assert account is not None
    assert (account.end, account.retry, account.reason) == (end, retries, said or name)


@pytest.mark.parametrize("said", ["", "division by zero", "'NoneType' object has no attribute 'x'", "list index out of range"])
def test_what_is_not_the_services_failure_is_not_judged(said: str) -> None:
    assert failure(said, answered=True) is None
    assert failure(said, answered=True, name="RuntimeError") is None
