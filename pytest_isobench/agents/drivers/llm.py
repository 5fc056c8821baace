"""A model without a program: one question to a service that speaks OpenAI's Chat Completions, as most do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from pydantic import Field

from pytest_isobench.agents.drivers.base import Account, End, Job
from pytest_isobench.agents.drivers.calling import host_of, options_of, variables_of
from pytest_isobench.agents.drivers.edits import EditError, diff, parse
from pytest_isobench.agents.drivers.reading import Line, dig, names, objects, record, words
from pytest_isobench.agents.drivers.services import SERVICES, chat_usage, failure
from pytest_isobench.agents.drivers.texts import shown, text_of
from pytest_isobench.errors import MissingExtraError, UsageError
from pytest_isobench.models.base import Record

FORM = """\
You change the code below. Nobody can answer questions, and you cannot run anything. Answer with edits; this is one:

path/of/the/file.py
<<<<<<< SEARCH
lines of the file, exactly as they stand in it, with their indentation
=======
lines that take their place
>>>>>>> REPLACE

The path stands alone in the line before the edit. The lines between SEARCH and ======= must stand in the file exactly once: repeat as
many lines around the change as that takes, and no more. Edits are made one after the other. An edit whose SEARCH is empty makes a new
file. An edit that does not fit spoils the whole answer. Everything outside of edits is for people."""


class Options(Record):
    """What an agent's file may say of a model."""

    base_url: str | None = Field(None, description="The service; by default OPENAI_BASE_URL, else OpenAI's own.")
    max_tokens: int | None = Field(None, gt=0, description="Tokens of the answer, reasoning included; by default the service's own limit.")
    temperature: float | None = Field(None, ge=0, le=2, description="By default the service's own, which some models insist on.")
    reasoning_effort: str | None = Field(None, pattern=r"^\w+$", description="As the model knows it: low, medium, high.")
    context_kb: int = Field(200, gt=0, description="kB of code that the model is shown at most.")


class Llm:
    """The driver of models."""

    options: ClassVar[type[Record]] = Options
    keys: ClassVar[tuple[str, ...]] = ("OPENAI_API_KEY",)
    environment: ClassVar[tuple[str, ...]] = ("OPENAI_API_KEY", "OPENAI_BASE_URL")

    def ask(self, job: Job, tree: Path) -> tuple[str, Account]:
        """Return the diff against a tree, empty for none, and the account of it.

        Raises:
            UsageError: options that do not fit, or code that is too large to be shown to a model as a whole.
            MissingExtraError: the client library is not installed.
        """
        options = options_of(job.spec, Options)
        if not job.spec.model:
            raise UsageError("an agent of the driver 'llm' is a model: name it under 'model', such as gpt-5")
        question = _question(job.prompt, shown(tree, job.targets, 1000 * options.context_kb))
        said, trouble = _answer(_client(), job, options, question)
        answer = record(said) or {}
        patch, account = ("", trouble) if trouble else _judge(answer, tree)
        return patch, replace(
            account,
            models=names([answer.get("model")]),
            session=words(answer.get("id")),
            usage=chat_usage(answer.get("usage")),
            steps=1,
            trajectory={"question.json": json.dumps(question, ensure_ascii=False, indent=1).encode("utf-8", "replace"),
                        "answer.json": said.encode("utf-8", "replace")},
        )  # fmt: skip


def _client() -> ModuleType:
    try:
        import openai
    except ModuleNotFoundError:
        raise MissingExtraError("the driver llm", "llm") from None
    return openai


def _question(prompt: str, texts: Mapping[str, str]) -> list[dict[str, str]]:
    files = "\n\n".join(f'<file path="{name}">\n{text}\n</file>' for name, text in texts.items())
    return [{"role": "system", "content": FORM}, {"role": "user", "content": f"{prompt}\n\n{files}"}]


def _answer(openai: Any, job: Job, options: Options, question: list[dict[str, str]]) -> tuple[str, Account | None]:
    """Ask, and return the service's answer as it came; or what went wrong."""
    variables = variables_of(job)
    url = options.base_url or variables.get("OPENAI_BASE_URL") or SERVICES["openai"].url
    host_of({"base_url": url}, "base_url", SERVICES["openai"].url)
    own = url == SERVICES["openai"].url
    wanted = {"max_completion_tokens" if own else "max_tokens": options.max_tokens, "temperature": options.temperature,
              "reasoning_effort": options.reasoning_effort}  # fmt: skip
    given = {name: value for name, value in wanted.items() if value is not None}
    try:
        with openai.OpenAI(api_key=variables.get("OPENAI_API_KEY", ""), base_url=url, timeout=job.seconds, max_retries=0) as client:
            answer = client.chat.completions.with_raw_response.create(model=job.spec.model, messages=question, **given)
        return answer.http_response.text, None
    except openai.APITimeoutError:
        return "", Account(end=End.OUT_OF_BUDGET, reason=f"no answer within {job.spec.budget.minutes:g} minutes")
    except openai.OpenAIError as error:
        known = failure(str(error), answered=False, name=type(error).__name__)
        return "", known or Account(end=End.API_FAILURE, reason=words(str(error)))


def _judge(answer: Line, tree: Path) -> tuple[str, Account]:
    """Return the diff that an answer makes, and its end."""
    choice = next(objects(answer.get("choices")), None)
    if choice is None:
        said = words(dig(answer, "error", "message")) or "the service's answer holds none of the model"
        return "", Account(end=End.API_FAILURE, reason=said, retry=True)
    text, refusal = dig(choice, "message", "content"), words(dig(choice, "message", "refusal"))
    if refusal or choice.get("finish_reason") == "content_filter":
        return "", Account(end=End.REFUSED, reason=refusal or "the service withheld the answer")
    if choice.get("finish_reason") == "length":
        return "", Account(end=End.OUT_OF_BUDGET, reason="the answer was cut off at the limit of tokens; raise the option 'max_tokens'")
    try:
        edits = parse(text if isinstance(text, str) else "")
        patch = diff(edits, lambda name: text_of(tree, name))
    except EditError as error:
        return "", Account(end=End.FINISHED, reason=str(error))
    return patch, Account(end=End.FINISHED, reason="" if patch else "the answer holds no edit" if not edits else "the edits change nothing")
