"""OpenHands: the program `openhands` without its screen, whose exit status is always 0; it prints events as lines of JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from pytest_isobench.agents.drivers.base import Account, Call, End, Job, NoOptions, Output
from pytest_isobench.agents.drivers.calling import host_of, options_of, variables_of
from pytest_isobench.agents.drivers.reading import Line, cost, count, dig, excerpt, lines, names, objects, record, spent, unfinished, words
from pytest_isobench.agents.drivers.services import OFFLINE, SERVICES, failure
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Usage
from pytest_isobench.models.base import Record

_STATE = ".openhands/conversations/*/base_state.json"
_CONVERSATION = re.compile(r"Conversation ID: ([0-9a-f-]{32,36})")
_LONGEST = 120_000
"""Bytes of the longest argument that Linux passes on, and some room."""
_QUIET = {**OFFLINE, "OPENHANDS_SUPPRESS_BANNER": "1"}


class OpenHands:
    """The driver of OpenHands. Its program stops after 500 turns, and takes no other number."""

    command: ClassVar[tuple[str, ...]] = ("openhands",)
    options: ClassVar[type[Record]] = NoOptions
    keys: ClassVar[tuple[str, ...]] = ("LLM_API_KEY",)
    environment: ClassVar[tuple[str, ...]] = ("LLM_API_KEY", "LLM_BASE_URL", "LLM_MODEL")

    def call(self, job: Job) -> Call:
        """Describe the call. Raises `UsageError` for an agent without a model, and for a prompt that is no argument for its length."""
        options_of(job.spec, NoOptions)
        variables = variables_of(job)
        if job.spec.model:
            variables["LLM_MODEL"] = job.spec.model
        if not variables.get("LLM_MODEL"):
            raise UsageError("OpenHands has no model of its own: name one under 'model', such as openai/gpt-5, or in LLM_MODEL")
        if (size := len(job.prompt.encode())) > _LONGEST:
            raise UsageError(f"the prompt has {size} bytes, and OpenHands takes it as an argument of up to {_LONGEST}; shorten the prompt")
        given = ("--headless", "--json", "--override-with-envs", f"--task={job.prompt}")
        return Call(
            argv=(*(job.spec.command or self.command), *given, *job.spec.arguments),
            variables={**_QUIET, **variables},
            collect=(_STATE,),
            hosts=(_host(variables),),
        )

    def version(self, spec: AgentSpec) -> tuple[str, ...]:
        """Return the command that prints the program's version."""
        return (*(spec.command or self.command), "--version")

    def read(self, output: Output) -> Account:
        """Return what the events and the state of the conversation say."""
        events = lines(output.stdout)
        session, state = _state(output)
        metrics = [one for one in objects(dig(state, "stats", "usage_to_metrics")) if _is_used(one)]
        answers = {words(event.get("llm_response_id")) for event in events if event.get("source") == "agent"} - {""}
        return replace(
            _judge(events, state, output, answered=bool(answers)),
            models=names(one.get("model_name") for one in metrics),
            session=session,
            usage=spent(map(_usage, metrics), _cost(metrics)),
            steps=len(answers) if events else None,
            trajectory={"trajectory.jsonl": output.stdout.encode("utf-8", "replace")},
        )


def _host(variables: Mapping[str, str]) -> str:
    """Return the host of the service that the model's name begins with, unless a URL says another."""
    service = SERVICES.get(variables["LLM_MODEL"].partition("/")[0], SERVICES["openai"])
    return host_of(variables, "LLM_BASE_URL", service.url)


def _state(output: Output) -> tuple[str, Line]:
    """Return the conversation's name and state; one of several is the one that the program names at its end."""
    named = _CONVERSATION.search(output.stdout)
    wanted = named[1].replace("-", "") if named else ""
    states = {path.split("/")[-2]: data for path, data in sorted(output.files.items()) if path.count("/") > 1}
    name = wanted if wanted in states else next(iter(states), wanted)
    return name, record(states.get(name, b"").decode("utf-8", "replace")) or {}


def _judge(events: list[Line], state: Line, output: Output, *, answered: bool) -> Account:
    errors = [event for event in events if event.get("kind") == "ConversationErrorEvent"]
    status = words(state.get("execution_status"))
    if errors and status != "finished":
        return _failure(words(errors[-1].get("code")), words(errors[-1].get("detail")), answered=answered)
    if status == "stuck":
        return Account(end=End.GAVE_UP, reason="is stuck: it did the same over and over again")
    if status == "finished" or any(map(_finishes, events[-2:])):
        return Account(end=End.FINISHED, reason=_last_words(events))
    return unfinished(output, events)


def _finishes(event: Line) -> bool:
    return event.get("kind") == "ObservationEvent" and dig(event, "observation", "kind") == "FinishObservation"


def _failure(code: str, detail: str, *, answered: bool) -> Account:
    if code == "MaxIterationsReached":
        return Account(end=End.OUT_OF_BUDGET, reason=detail or code)
    return failure(detail, answered=answered, name=code) or Account(end=End.PROGRAM_FAILURE, reason=excerpt(f"{code}: {detail}"))


def _last_words(events: list[Line]) -> str:
    said = [words(dig(event, "action", "message")) for event in events if event.get("source") == "agent"]
    return next(filter(None, reversed(said)), "")


def _is_used(metrics: Line) -> bool:
    """Tell whether something was counted: a program that was stopped leaves its counts at nothing."""
    return bool(count(dig(metrics, "accumulated_token_usage", "prompt_tokens")))


def _usage(metrics: Line) -> Usage:
    used = dig(metrics, "accumulated_token_usage")
    fields = {"input_tokens": "prompt_tokens", "cached_tokens": "cache_read_tokens", "output_tokens": "completion_tokens",
              "reasoning_tokens": "reasoning_tokens"}  # fmt: skip
    return Usage.model_validate({field: count(dig(used, name)) for field, name in fields.items()})


def _cost(metrics: list[Line]) -> float | None:
    """Return what it cost; None for nothing, which is what a model of unknown price costs."""
    known = [usd for one in metrics if (usd := cost(one.get("accumulated_cost")))]
    return sum(known) or None
