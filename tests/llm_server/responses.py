"""OpenAI's Responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

from llm_server.chat import Chat
from llm_server.protocol import Answer, Body, Event, identifier, opening
from llm_server.script import Usage
from llm_server.tools import Call, Tool


class Responses:
    """`/v1/responses`."""

    def tools(self, body: Body) -> list[Tool]:
        """Functions and tools for free text, those in namespaces too; the provider's own ones are not for us."""
        return [tool for entry in body.get("tools") or () for tool in _tools(entry)]

    def results(self, body: Body) -> int:
        """`function_call_output`, `custom_tool_call_output` and their like."""
        return sum(str(item.get("type")).endswith("_call_output") for item in _items(body))

    def prompt(self, body: Body) -> str:
        """Text alone may stand for a list with one message."""
        return opening(_items(body))

    def whole(self, answer: Answer) -> Body:
        """A response."""
        return _response(answer, _output(answer))

    def events(self, answer: Answer) -> Iterator[Event]:
        """Each item is begun, its text sent, and ended; the response ends with all of it."""
        numbers = count()

        def event(name: str, **data: object) -> Event:
            return name, {"type": name, "sequence_number": next(numbers), **data}

        output = _output(answer)
        done = _response(answer, output)
        yield event("response.created", response=done | {"status": "in_progress", "output": [], "usage": None})
        for index, item in enumerate(output):
            yield event("response.output_item.added", output_index=index, item=item | {"status": "in_progress"} | _emptied(item))
            if delta := _delta(item):
                yield event(delta[0], output_index=index, item_id=item["id"], content_index=0, delta=delta[1])
            yield event("response.output_item.done", output_index=index, item=item)
        yield event(f"response.{done['status']}", response=done)

    def error(self, status: int, message: str) -> Body:
        """As in the other protocol."""
        return Chat().error(status, message)


def _items(body: Body) -> list[Body]:
    given = body.get("input", "")
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _tools(entry: Body) -> Iterator[Tool]:
    match entry["type"]:
        case "function":
            yield Tool(entry["name"], entry.get("parameters") or {})
        case "custom":
            yield Tool(entry["name"], free=True)
        case "namespace":
            for tool in entry["tools"]:
                yield Tool(tool["name"], tool.get("parameters") or {}, tool["type"] == "custom", entry["name"])


def _response(answer: Answer, output: list[Body]) -> Body:
    withheld = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    return {"id": identifier("resp"), "object": "response", "created_at": 0, "model": answer.model, "output": output, "error": None,
            "status": "completed", "incomplete_details": None, "parallel_tool_calls": False, "tool_choice": "auto", "tools": [], "usage": _usage(answer.usage),
            **(withheld if answer.step.refused else {})}  # fmt: skip


def _output(answer: Answer) -> list[Body]:
    items = [_message(answer)] if answer.text else []
    return [*items, _call(answer.call)] if answer.call else items


def _message(answer: Answer) -> Body:
    refusal, text = {"type": "refusal", "refusal": answer.text}, {"type": "output_text", "text": answer.text, "annotations": []}
    part = refusal if answer.step.refused else text
    return {"type": "message", "id": identifier("msg"), "role": "assistant", "status": "completed", "content": [part]}


def _call(call: Call) -> Body:
    name = {"name": call.tool.name} | ({"namespace": call.tool.namespace} if call.tool.namespace else {})
    ids = {"id": identifier("item"), "call_id": identifier("call"), "status": "completed"}
    if call.tool.free:
        return {"type": "custom_tool_call", **ids, **name, "input": call.input}
    return {"type": "function_call", **ids, **name, "arguments": json.dumps(call.input)}


def _delta(item: Body) -> tuple[str, str] | None:
    match item:
        case {"type": "message", "content": [{"text": text}]}:
            return "response.output_text.delta", text
        case {"type": "message", "content": [{"refusal": text}]}:
            return "response.refusal.delta", text
        case {"arguments": text}:
            return "response.function_call_arguments.delta", text
        case {"input": text}:
            return "response.custom_tool_call_input.delta", text
    return None


def _emptied(item: Body) -> Body:
    return {key: empty for key, empty in (("content", []), ("arguments", ""), ("input", "")) if key in item}


def _usage(usage: Usage) -> Body:
    return {"input_tokens": usage.prompt, "output_tokens": usage.output, "total_tokens": usage.prompt + usage.output,
            "input_tokens_details": {"cached_tokens": usage.cached}, "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
