"""OpenAI's Chat Completions."""

from __future__ import annotations

import json
from collections.abc import Iterator

from llm_server.protocol import Answer, Body, Event, identifier, opening
from llm_server.script import Usage
from llm_server.tools import Tool


class Chat:
    """`/v1/chat/completions`."""

    def tools(self, body: Body) -> list[Tool]:
        """Functions only."""
        functions = [tool["function"] for tool in body.get("tools") or () if tool["type"] == "function"]
        return [Tool(function["name"], function.get("parameters", {})) for function in functions]

    def results(self, body: Body) -> int:
        """A message for each."""
        return sum(message["role"] == "tool" for message in body["messages"])

    def prompt(self, body: Body) -> str:
        """The system's prompt is a message of another role."""
        return opening(body["messages"])

    def whole(self, answer: Answer) -> Body:
        """A completion with one choice."""
        choice = {"index": 0, "message": _message(answer), "finish_reason": _finish(answer), "logprobs": None}
        return _frame("chat.completion", answer) | {"choices": [choice], "usage": _usage(answer.usage)}

    def events(self, answer: Answer) -> Iterator[Event]:
        """Chunks of one choice, then the usage without any choice."""
        frame = _frame("chat.completion.chunk", answer)
        delta = _message(answer)
        for index, call in enumerate(delta.get("tool_calls", ())):
            call["index"] = index
        for content, finish in ((delta, None), ({}, _finish(answer))):
            yield None, frame | {"choices": [{"index": 0, "delta": content, "finish_reason": finish}]}
        yield None, frame | {"choices": [], "usage": _usage(answer.usage)}

    def error(self, status: int, message: str) -> Body:
        """The form of all of OpenAI's errors."""
        return {"error": {"message": message, "type": "server_error" if status >= 500 else "invalid_request_error", "code": str(status)}}


def _frame(kind: str, answer: Answer) -> Body:
    return {"id": identifier("chatcmpl"), "object": kind, "created": 0, "model": answer.model}


def _message(answer: Answer) -> Body:
    message: Body = {"role": "assistant", "content": answer.text or None}
    if answer.call:
        function = {"name": answer.call.tool.name, "arguments": json.dumps(answer.call.input)}
        message["tool_calls"] = [{"id": identifier("call"), "type": "function", "function": function}]
    return message


def _finish(answer: Answer) -> str:
    return "content_filter" if answer.step.refused else "tool_calls" if answer.call else "stop"


def _usage(usage: Usage) -> Body:
    return {"prompt_tokens": usage.prompt, "completion_tokens": usage.output, "total_tokens": usage.prompt + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached}}  # fmt: skip
