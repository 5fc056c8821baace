"""The command router: what a client asks the machine of a sandbox directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from grpclib import GRPCError, Status
from modal_proto import task_command_router_pb2 as pb

from modal_server.processes import Process, Spool
from modal_server.records import Sandbox
from modal_server.rpc import AnyStream, Service


class CommandRouter(Service):
    """Runs commands in sandboxes and carries their input and output."""

    description = pb.DESCRIPTOR.services_by_name["TaskCommandRouter"]

    def authenticate(self, call: str, metadata: dict[str, str]) -> None:
        if metadata.get("authorization") != f"Bearer {self.world.token}":
            raise GRPCError(Status.UNAUTHENTICATED, f"{call} needs the token of the sandbox")

    async def TaskExecStart(self, request: Any) -> Any:
        sandbox = self._sandbox(request.task_id)
        if not sandbox.running:
            raise GRPCError(Status.NOT_FOUND, f"sandbox {sandbox.id} is not running: {sandbox.state}")
        variables = {entry.name: entry.value for entry in request.env}
        for source in request.secret_sources:
            variables |= self.world.secrets[source.secret_id] if source.secret_id else dict(source.env.contents)
        quiet = (request.stdout_config == pb.TASK_EXEC_STDOUT_CONFIG_DEVNULL, request.stderr_config == pb.TASK_EXEC_STDERR_CONFIG_DEVNULL)
        await sandbox.run(request.exec_id, request.command_args, variables, request.workdir, timeout=request.timeout_secs, quiet=quiet)
        return pb.TaskExecStartResponse()

    async def TaskExecStdioRead(self, request: Any) -> AsyncIterator[Any]:
        process = self._process(request)
        is_error = request.file_descriptor == pb.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDERR
        async for data in self._read(process.stderr if is_error else process.stdout, request.offset):
            yield pb.TaskExecStdioReadResponse(data=data)

    async def SandboxStdioReadV2(self, request: Any) -> AsyncIterator[Any]:
        process, offset = self._main(request.task_id), request.offset
        is_error = request.file_descriptor == pb.SANDBOX_STDIO_FILE_DESCRIPTOR_STDERR
        async for data in self._read(process.stderr if is_error else process.stdout, offset):
            yield pb.SandboxStdioReadV2Response(data=data, starting_offset=offset)
            offset += len(data)

    async def _read(self, spool: Spool, offset: int) -> AsyncIterator[bytes]:
        """Yield output from an offset on, up to where the stream is to break."""
        async for data in spool.read(offset):
            sent = 0
            while sent < len(data):
                part = data[sent:][: self.world.faults.meet_stream(offset + sent)]
                yield part
                sent += len(part)
            offset += sent

    async def TaskExecStdinWrite(self, request: Any) -> Any:
        await _write(self._process(request), request.offset, request.data, end=request.eof)
        return pb.TaskExecStdinWriteResponse()

    async def SandboxStdinWriteV2(self, request: Any) -> Any:
        await _write(self._main(request.task_id), request.offset, request.data, end=request.eof)
        return pb.SandboxStdinWriteV2Response()

    async def TaskExecStdinWriteStream(self, stream: AnyStream) -> Any:
        first = await stream.recv_message()
        assert first
        start = first.start
        process, offset = self._process(start), start.offset
        async for message in stream:
            await _write(process, offset, message.data, end=message.HasField("end"))
            offset += len(message.data)
        return pb.TaskExecStdinWriteStreamResponse()

    async def TaskExecStdinStatus(self, request: Any) -> Any:
        process = self._process(request)
        return pb.TaskExecStdinStatusResponse(num_bytes_written=process.written, closed=process.input_closed)

    async def TaskExecWait(self, request: Any) -> Any:
        code = await self._process(request).wait()
        return pb.TaskExecWaitResponse(**_exit(code))

    async def TaskExecPoll(self, request: Any) -> Any:
        code = self._process(request).returncode
        return pb.TaskExecPollResponse(**({} if code is None else _exit(code)))

    def _sandbox(self, task_id: str) -> Sandbox:
        for sandbox in self.world.sandboxes:
            if sandbox.task_id == task_id and not (sandbox.ended_for_good and self.world.faults.forget_ended):
                return sandbox
        raise GRPCError(Status.NOT_FOUND, f"no task {task_id} on this worker")

    def _process(self, request: Any) -> Process:
        entry = self._sandbox(request.task_id).execs.get(request.exec_id)
        if entry is None or entry.process is None:
            raise GRPCError(Status.NOT_FOUND, f"no process {request.exec_id} in task {request.task_id}")
        return entry.process

    def _main(self, task_id: str) -> Process:
        machine = self._sandbox(task_id).machine
        assert machine
        return machine.main


def _exit(code: int) -> dict[str, int]:
    return {"code": code} if code >= 0 else {"signal": -code}


async def _write(process: Process, offset: int, data: bytes, *, end: bool) -> None:
    try:
        await process.write(offset, data, end=end)
    except ValueError as error:
        raise GRPCError(Status.INVALID_ARGUMENT, str(error)) from error
    except (BrokenPipeError, ConnectionResetError) as error:
        raise GRPCError(Status.FAILED_PRECONDITION, f"input was not taken: {error}") from error
