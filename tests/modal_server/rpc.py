"""gRPC services made from the client's own descriptions of them."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpclib import GRPCError, Status
from grpclib.const import Cardinality, Handler
from grpclib.server import Stream

from modal_server.faults import Faults
from modal_server.records import Image, Sandbox, Volume, identifier

AnyStream = Stream[Any, Any]
KINDS = {(kind.value.client_streaming, kind.value.server_streaming): kind for kind in Cardinality}


def jwt() -> str:
    """Make a token whose only content is that it does not end today."""
    parts = ({"alg": "none"}, {"exp": int(time.time()) + 86400})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".local"


@dataclass
class World:
    """All that the services share."""

    folder: Path
    faults: Faults
    token_id: str = field(default_factory=lambda: identifier("ak"))
    token_secret: str = field(default_factory=lambda: identifier("as"))
    token: str = field(default_factory=jwt)
    router_url: str = ""
    calls: list[str] = field(default_factory=list)
    sandboxes: list[Sandbox] = field(default_factory=list)
    images: dict[str, Image] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    apps: dict[str, str] = field(default_factory=dict)


class Service:
    """A service whose calls are the methods of these names; the client is told the name of a missing one."""

    description: ServiceDescriptor

    def __init__(self, world: World) -> None:
        self.world = world
        self._answers: dict[str, Any] = {}

    def __mapping__(self) -> dict[str, Handler]:
        return {f"/{self.description.full_name}/{method.name}": self._handler(method) for method in self.description.methods}

    def authenticate(self, call: str, metadata: dict[str, str]) -> None:
        """Raise for a caller without the right tokens."""
        raise NotImplementedError

    def _handler(self, method: MethodDescriptor) -> Handler:
        async def serve(stream: AnyStream) -> None:
            metadata: dict[str, str] = dict(stream.metadata or {})  # type: ignore[arg-type]
            self.world.calls.append(method.name)
            self.world.faults.meet(method.name)
            self.authenticate(method.name, metadata)
            act = getattr(self, method.name, None)
            if act is None:
                raise GRPCError(Status.UNIMPLEMENTED, f"the local Modal server has no {method.name}")
            if method.client_streaming:
                await stream.send_message(await act(stream))
            elif method.server_streaming:
                async for answer in act(await stream.recv_message()):
                    await stream.send_message(answer)
            else:
                answer = await self._once(act, await stream.recv_message(), metadata.get("x-idempotency-key"))
                self.world.faults.meet(method.name, late=True)
                await stream.send_message(answer)

        return Handler(
            serve,
            KINDS[method.client_streaming, method.server_streaming],
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
        )

    async def _once(self, act: Any, request: Any, key: str | None) -> Any:
        """Serve a call; a repetition of one whose answer was lost has the same key, and gets the same answer."""
        if key not in self._answers:
            answer = await act(request)
            if key is None:
                return answer
            self._answers[key] = answer
        return self._answers[key]
