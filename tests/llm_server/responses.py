"""OpenAI's Responses."""

from __future__ import annotations

import json
from collections.abc import Iterator

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
        output = _output(answer)
        done = _response(answer, output)
        events = [_event("response.created", response={**done, "status": "in_progress", "output": [], "usage": None})]
        for index, item in enumerate(output):
            begun = {**item, "status": "in_progress", **_emptied(item)}
            events.append(_event("response.output_item.added", output_index=index, item=begun))
            events += [_event(name, output_index=index, item_id=item["id"], **data) for name, data in _parts(item)]
            events.append(_event("response.output_item.done", output_index=index, item=item))
        events.append(_event(f"response.{done['status']}", response=done))
        for number, (name, data) in enumerate(events):
            yield name, {**data, "sequence_number": number}

    def error(self, status: int, message: str) -> Body:
        """As in the other protocol."""
        return Chat().error(status, message)


def _event(kind: str, /, **data: object) -> tuple[str, Body]:
    return kind, {"type": kind, **data}


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
    end: Body = {"status": "completed", "incomplete_details": None}
    if answer.step.refused:
        end = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    return {"id": identifier("resp"), "object": "response", "created_at": 0, "model": answer.model, "output": output, "error": None,
            "parallel_tool_calls": False, "tool_choice": "auto", "tools": [], "usage": _usage(answer.usage), **end}  # fmt: skip


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


def _parts(item: Body) -> Iterator[tuple[str, Body]]:
    """Yield what is sent between an item's begin and its end."""
    match item:
        case {"type": "message", "content": [part]}:
            key, kind = ("text", "output_text") if "text" in part else ("refusal", "refusal")
            yield "response.content_part.added", {"content_index": 0, "part": {**part, key: ""}}
            yield f"response.{kind}.delta", {"content_index": 0, "delta": part[key]}
            yield f"response.{kind}.done", {"content_index": 0, key: part[key]}
            yield "response.content_part.done", {"content_index": 0, "part": part}
        case {"arguments": text, "name": name}:
            yield "response.function_call_arguments.delta", {"delta": text}
            yield "response.function_call_arguments.done", {"arguments": text, "name": name}
        case {"input": text}:
            yield "response.custom_tool_call_input.delta", {"delta": text}
            yield "response.custom_tool_call_input.done", {"input": text}


def _emptied(item: Body) -> Body:
    return {key: empty for key, empty in (("content", []), ("arguments", ""), ("input", "")) if key in item}


def _usage(usage: Usage) -> Body:
    return {"input_tokens": usage.prompt, "output_tokens": usage.output, "total_tokens": usage.prompt + usage.output,
            "input_tokens_details": {"cached_tokens": usage.cached}, "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
