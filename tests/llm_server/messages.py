"""Anthropic's Messages."""

from __future__ import annotations

import json
from collections.abc import Iterator

from llm_server.protocol import Answer, Body, Event, identifier, opening
from llm_server.script import Usage
from llm_server.tools import Tool

KINDS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
         413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip


class Messages:
    """`/v1/messages`."""

    def tools(self, body: Body) -> list[Tool]:
        """Leave out the provider's own tools, which have no schema."""
        return [Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools", ()) if "input_schema" in tool]

    def results(self, body: Body) -> int:
        """Count blocks: one message holds the results of several calls."""
        contents = [message["content"] for message in body["messages"] if isinstance(message["content"], list)]
        return sum(block.get("type") == "tool_result" for content in contents for block in content)

    def prompt(self, body: Body) -> str:
        """The system's prompt is apart from the messages."""
        return opening(body["messages"])

    def whole(self, answer: Answer) -> Body:
        """A message."""
        return _message(answer, _blocks(answer)) | _stop(answer) | {"usage": _usage(answer.usage)}

    def events(self, answer: Answer) -> Iterator[Event]:
        """The usage comes in two parts, of which the last counts."""
        message = _message(answer, []) | {"stop_reason": None, "stop_sequence": None}
        yield _event("message_start", message=message | {"usage": _usage(answer.usage) | {"output_tokens": 1}})
        for index, block in enumerate(_blocks(answer)):
            yield _event("content_block_start", index=index, content_block=block | _emptied(block))
            yield _event("content_block_delta", index=index, delta=_delta(block))
            yield _event("content_block_stop", index=index)
        yield _event("message_delta", delta=_stop(answer), usage=_usage(answer.usage))
        yield _event("message_stop")

    def error(self, status: int, message: str) -> Body:
        """The kind of an error goes with its status."""
        return {"type": "error", "error": {"type": KINDS.get(status, "api_error"), "message": message}}


def _event(name: str, **data: object) -> Event:
    return name, {"type": name, **data}


def _emptied(block: Body) -> Body:
    return {"text": ""} if block["type"] == "text" else {"input": {}}


def _delta(block: Body) -> Body:
    if block["type"] == "text":
        return {"type": "text_delta", "text": block["text"]}
    return {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}


def _message(answer: Answer, blocks: list[Body]) -> Body:
    return {"id": identifier("msg"), "type": "message", "role": "assistant", "model": answer.model, "content": blocks}


def _blocks(answer: Answer) -> list[Body]:
    blocks: list[Body] = [{"type": "text", "text": answer.text}] if answer.text else []
    if answer.call:
        blocks.append({"type": "tool_use", "id": identifier("toolu"), "name": answer.call.tool.name, "input": answer.call.input})
    return blocks


def _stop(answer: Answer) -> Body:
    reason = "refusal" if answer.step.refused else "tool_use" if answer.call else "end_turn"
    return {"stop_reason": reason, "stop_sequence": None}


def _usage(usage: Usage) -> Body:
    return {"input_tokens": usage.fresh, "cache_read_input_tokens": usage.cached, "cache_creation_input_tokens": 0,
            "output_tokens": usage.output}  # fmt: skip
