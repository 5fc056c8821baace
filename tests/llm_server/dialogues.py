"""The other side of each protocol, as an agent speaks it: what the server's own tests ask and understand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

Body = dict[str, Any]
PARAMETERS = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent understands of an answer."""

    text: str
    call: tuple[str, Any] | None
    stop: str
    usage: tuple[int, int, int]
    """Tokens of the whole prompt, those of them from a cache, and those of the answer."""


class Dialogue(Protocol):
    """An agent's half of a protocol."""

    path: str
    shell: str
    stops: dict[str, str]

    def arguments(self, command: str) -> Body:
        """Return what the shell tool gets."""

    def opening(self, prompt: str) -> Body:
        """Return the first request."""

    def with_result(self, body: Body, answer: Body, result: str) -> Body:
        """Return the next request: with the answer, and the result of the tool that it uses."""

    def assemble(self, events: list[Body]) -> Body:
        """Put a streamed answer together."""

    def read(self, answer: Body) -> Said:
        """Understand an answer."""


class MessagesDialogue:
    """Claude Code's."""

    path = "/v1/messages"
    shell = "Bash"
    stops = {"end": "end_turn", "call": "tool_use", "refusal": "refusal"}

    def arguments(self, command: str) -> Body:
        """Only the command is required."""
        return {"command": command}

    def opening(self, prompt: str) -> Body:
        """With two tools, and one of the provider's own."""
        tools = [{"name": self.shell, "input_schema": PARAMETERS}, {"name": "edit", "input_schema": {}}]
        search = {"type": "web_search_20250305", "name": "web_search"}
        return {"model": "a-model", "max_tokens": 99, "tools": [*tools, search], "messages": [{"role": "user", "content": prompt}]}

    def with_result(self, body: Body, answer: Body, result: str) -> Body:
        """The result is a block of a user's message."""
        ids = [block["id"] for block in answer["content"] if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": name, "content": result} for name in ids]
        added = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results or "Go on."}]
        return body | {"messages": body["messages"] + added}

    def assemble(self, events: list[Body]) -> Body:
        """The last usage counts."""
        assert [events[0]["type"], events[-2]["type"], events[-1]["type"]] == ["message_start", "message_delta", "message_stop"]
        blocks = [event["content_block"] for event in events if event["type"] == "content_block_start"]
        for event in events:
            if event["type"] == "content_block_delta":
                self._extend(blocks[event["index"]], event["delta"])
        return {**events[0]["message"], **events[-2]["delta"], "usage": events[-2]["usage"], "content": blocks}

    def _extend(self, block: Body, delta: Body) -> None:
        if delta["type"] == "text_delta":
            block["text"] += delta["text"]
        else:
            block["input"] = json.loads(delta["partial_json"])

    def read(self, answer: Body) -> Said:
        """The prompt's tokens are in three numbers."""
        text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
        calls = [(block["name"], block["input"]) for block in answer["content"] if block["type"] == "tool_use"]
        usage = answer["usage"]
        prompt = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        tokens = prompt, usage["cache_read_input_tokens"], usage["output_tokens"]
        return Said(text, calls[0] if calls else None, answer["stop_reason"], tokens)


class ResponsesDialogue:
    """Codex's."""

    path = "/v1/responses"
    shell = "exec_command"
    stops = {"end": "completed", "call": "completed", "refusal": "content_filter"}

    def arguments(self, command: str) -> Body:
        """The command has another name, and waiting is bounded."""
        return {"cmd": command, "yield_time_ms": 30_000}

    def opening(self, prompt: str) -> Body:
        """With tools of all kinds."""
        parameters = {"properties": {"cmd": {"type": "string"}, "yield_time_ms": {"type": "number"}}, "required": ["cmd"]}
        tools: list[Body] = [
            {"type": "function", "name": self.shell, "parameters": parameters},
            {"type": "namespace", "name": "files", "tools": [{"type": "function", "name": "edit", "parameters": {}}]},
            {"type": "custom", "name": "apply_patch"},
            {"type": "web_search"},
        ]
        user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}
        return {"model": "a-model", "tools": tools, "input": [{"type": "message", "role": "developer", "content": "Be good."}, user]}

    def with_result(self, body: Body, answer: Body, result: str) -> Body:
        """The result is an item."""
        ids = [item["call_id"] for item in answer["output"] if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": name, "output": result} for name in ids]
        return body | {"input": body["input"] + answer["output"] + results}

    def assemble(self, events: list[Body]) -> Body:
        """The last event holds everything, and so do the items."""
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[0]["type"] == "response.created"
        answer: Body = events[-1]["response"]
        assert events[-1]["type"] == f"response.{answer['status']}"
        assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == answer["output"]
        deltas = [event["delta"] for event in events if event["type"].endswith(".delta")]
        assert deltas == [text for item in answer["output"] for text in self._texts(item)]
        return answer

    def _texts(self, item: Body) -> list[str]:
        if item["type"] == "message":
            return [part.get("text") or part["refusal"] for part in item["content"]]
        return [item["input"] if item["type"] == "custom_tool_call" else item["arguments"]]

    def read(self, answer: Body) -> Said:
        """A refusal has a reason."""
        parts = [part for item in answer["output"] if item["type"] == "message" for part in item["content"]]
        text = "".join(part.get("text", "") + part.get("refusal", "") for part in parts)
        calls = [self._call(item) for item in answer["output"] if item["type"].endswith("_call")]
        usage = answer["usage"]
        tokens = usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"], usage["output_tokens"]
        stop = (answer["incomplete_details"] or {"reason": answer["status"]})["reason"]
        return Said(text, calls[0] if calls else None, stop, tokens)

    def _call(self, item: Body) -> tuple[str, Any]:
        [text] = self._texts(item)
        return item["name"], text if item["type"] == "custom_tool_call" else json.loads(text)


class ChatDialogue:
    """That of agents for many providers."""

    path = "/v1/chat/completions"
    shell = "bash"
    stops = {"end": "stop", "call": "tool_calls", "refusal": "content_filter"}

    def arguments(self, command: str) -> Body:
        """Only the command is required."""
        return {"command": command}

    def opening(self, prompt: str) -> Body:
        """With two functions."""
        tools = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in (self.shell, "edit")]
        messages = [{"role": "system", "content": "Be good."}, {"role": "user", "content": [{"type": "text", "text": prompt}]}]
        return {"model": "a-model", "tools": tools, "messages": messages}

    def with_result(self, body: Body, answer: Body, result: str) -> Body:
        """The result is a message."""
        message = answer["choices"][0]["message"]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": result} for call in message.get("tool_calls", ())]
        return body | {"messages": [*body["messages"], message, *results]}

    def assemble(self, events: list[Body]) -> Body:
        """The usage comes last, without a choice."""
        *chunks, last = events
        message: Body = {}
        for chunk in chunks:
            message |= chunk["choices"][0]["delta"]
        assert last["choices"] == []
        return last | {"choices": [{"message": message, "finish_reason": chunks[-1]["choices"][0]["finish_reason"]}]}

    def read(self, answer: Body) -> Said:
        """One choice."""
        [choice] = answer["choices"]
        functions = [call["function"] for call in choice["message"].get("tool_calls", ())]
        calls = [(function["name"], json.loads(function["arguments"])) for function in functions]
        usage = answer["usage"]
        tokens = usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"], usage["completion_tokens"]
        return Said(choice["message"]["content"] or "", calls[0] if calls else None, choice["finish_reason"], tokens)


DIALOGUES: list[Dialogue] = [MessagesDialogue(), ResponsesDialogue(), ChatDialogue()]
