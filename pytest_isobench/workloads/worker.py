"""The worker: the program inside the candidate. It loads the workload, which imports the code under test, and does what it is asked.

It imports only the standard library and nothing of ours, and owns nothing worth stealing: no clock, no verdict, no reference. It may
be rewritten in memory by the code that it imports; nothing of what it says is believed without a check by the controller.
The frames are described in the supervisor.
"""

from __future__ import annotations

import base64
import gc
import json
import linecache
import os
import random
import struct
import sys
import traceback
import types
from typing import Any, BinaryIO, Callable

FRAME = struct.Struct(">QB16s")
ERROR_LIMIT = 16 * 1024


class Worker:
    """Holds the workload's functions and what they were given."""

    def __init__(self) -> None:
        self.workload: Any = None
        self.prepared: list[Any] = []

    def load(self, payload: bytes) -> dict[str, bool]:
        """Import the workload, and with it the code under test."""
        request = json.loads(payload)
        sys.path[:0] = map(os.path.abspath, request["paths"])
        module = types.ModuleType("isobench_workload")
        module.__file__ = request["filename"]
        sys.modules[module.__name__] = module
        source = request["source"]
        linecache.cache[module.__file__] = (len(source), None, source.splitlines(keepends=True), module.__file__)
        exec(compile(source, module.__file__, "exec", dont_inherit=True), module.__dict__)
        self.workload = module
        return {"prepare": hasattr(module, "prepare"), "check": hasattr(module, "check")}

    def inputs(self, payload: bytes) -> list[Any]:
        """Make fresh inputs; asked of the trusted oracle only."""
        request = json.loads(payload)
        return [self.workload.inputs(random.Random(f"{request['seed']}:{index}")) for index in range(request["count"])]

    def collect(self, _payload: bytes, collect: Callable[[], int] = gc.collect) -> None:
        """Collect the garbage of earlier samples, untimed and before the inputs come."""
        self.reset_collector()
        collect()

    def reset_collector(
        self,
        enable: Callable[[], None] = gc.enable,
        set_threshold: Callable[..., None] = gc.set_threshold,
        threshold: tuple[int, ...] = gc.get_threshold(),
    ) -> None:
        """Let the collector work as it does where nobody has changed it for the whole process."""
        enable()
        set_threshold(*threshold)

    def prepare(self, payload: bytes) -> None:
        """Take the inputs of one sample, untimed."""
        inputs = decode(payload)
        step = getattr(self.workload, "prepare", None)
        self.prepared = [step(value) for value in inputs] if step else inputs
        self.reset_collector()

    def run(self, _payload: bytes) -> list[Any]:
        """The timed part: all calls of one sample."""
        run = self.workload.run
        answers = [run(value) for value in self.prepared]
        self.prepared = []
        return answers

    def check(self, payload: bytes) -> list[str | None]:
        """Judge answers by the workload's own check; asked of the trusted oracle only."""
        request = decode(payload)
        return [self._check_one(*case) for case in zip(request["inputs"], request["answers"], request["references"], strict=True)]

    def _check_one(self, value: Any, answer: Any, reference: Any) -> str | None:
        try:
            self.workload.check(value, answer, reference)
        except AssertionError as error:
            return str(error) or "the workload's check failed"
        except Exception as error:
            return f"the workload's check failed with {type(error).__name__}: {error}"
        return None

    def echo(self, _payload: bytes) -> None:
        """Nothing: what the transport itself costs."""


def encode_other(value: Any) -> dict[str, str]:
    """Plain data beyond JSON's own: bytes, and arrays as npy without pickle."""
    if isinstance(value, (bytes, bytearray)):
        return {"__bytes__": base64.b64encode(value).decode()}
    if type(value).__module__ == "numpy":
        import io

        import numpy

        buffer = io.BytesIO()
        numpy.save(buffer, numpy.asarray(value), allow_pickle=False)
        return {"__array__": base64.b64encode(buffer.getvalue()).decode()}
    raise TypeError(f"an answer must be plain data (numbers, text, lists, dicts, bytes, arrays), not {type(value).__name__}")


def decode_other(mapping: dict[str, Any]) -> Any:
    if len(mapping) == 1:
        if "__bytes__" in mapping:
            return base64.b64decode(mapping["__bytes__"])
        if "__array__" in mapping:
            import io

            import numpy

            return numpy.load(io.BytesIO(base64.b64decode(mapping["__array__"])), allow_pickle=False)
    return mapping


def decode(payload: bytes) -> Any:
    return json.loads(payload, object_hook=decode_other)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the pipe closes."""
    worker = Worker()
    operations: dict[str, Callable[[bytes], Any]] = {
        "L": worker.load,
        "I": worker.inputs,
        "G": worker.collect,
        "P": worker.prepare,
        "R": worker.run,
        "C": worker.check,
        "E": worker.echo,
    }
    answers.write(FRAME.pack(0, 0, b"\0" * 16))
    answers.flush()
    while header := requests.read(FRAME.size):
        length, operation, nonce = FRAME.unpack(header)
        payload = requests.read(length)
        try:
            status, answer = 0, json.dumps(operations[chr(operation)](payload), default=encode_other).encode()
            sys.stdout.flush()
        except BaseException:
            status, answer = 1, traceback.format_exc()[-ERROR_LIMIT:].encode(errors="replace")
        answers.write(FRAME.pack(len(answer), status, nonce) + answer)
        answers.flush()


def main() -> None:
    """Move the private pipe away from stdin and stdout, so that a print goes to the log."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    serve(requests, answers)


if __name__ == "__main__":
    main()
