"""The control plane: apps, images, secrets, volumes, and the life of sandboxes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from modal_server.records import Image, Sandbox, State, Volume, identifier
from modal_server.rpc import Service

EVER_BUILT: dict[str, Image] = {}
"""Images of all servers of this process: the client keeps its default image for as long as the process lives."""
OUTCOMES = {
    State.TERMINATED: pb.GenericResult.GENERIC_STATUS_TERMINATED,
    State.TIMED_OUT: pb.GenericResult.GENERIC_STATUS_TIMEOUT,
}


def result(sandbox: Sandbox) -> Any:
    """What became of a sandbox; an empty result while it is there."""
    if not sandbox.ended_for_good:
        return pb.GenericResult()
    finished = pb.GenericResult.GENERIC_STATUS_FAILURE if sandbox.returncode else pb.GenericResult.GENERIC_STATUS_SUCCESS
    return pb.GenericResult(status=OUTCOMES.get(sandbox.state, finished), exitcode=sandbox.returncode or 0)


def _metadata(sandbox: Sandbox) -> Any:
    return pb.SandboxHandleMetadata(app_id=sandbox.app_id)


class ControlPlane(Service):
    """Answers what `modal.App`, `Image`, `Secret`, `Volume` and `Sandbox` ask; V1 sandboxes have a GPU, V2 have none."""

    description = pb.DESCRIPTOR.services_by_name["ModalClient"]

    def authenticate(self, call: str, metadata: dict[str, str]) -> None:
        given = metadata.get("x-modal-token-id"), metadata.get("x-modal-token-secret")
        if given != (self.world.token_id, self.world.token_secret):
            raise GRPCError(Status.UNAUTHENTICATED, "unknown token id or secret")
        if call.startswith("Sandbox") and call.endswith("V2") and metadata.get("x-modal-auth-token") != self.world.token:
            raise GRPCError(Status.UNAUTHENTICATED, f"{call} needs x-modal-auth-token")

    # apps and environments

    async def ClientHello(self, _request: Any) -> Any:
        return pb.ClientHelloResponse()

    async def AuthTokenGet(self, _request: Any) -> Any:
        return pb.AuthTokenGetResponse(token=self.world.token)

    async def EnvironmentGetOrCreate(self, _request: Any) -> Any:
        settings = pb.EnvironmentSettings(image_builder_version="2025.06")
        return pb.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=pb.EnvironmentMetadata(name="main", settings=settings))

    async def AppGetOrCreate(self, request: Any) -> Any:
        self._require(request, request.app_name in self.world.apps, f"app {request.app_name!r}")
        app_id = self.world.apps.setdefault(request.app_name, identifier("ap"))
        return pb.AppGetOrCreateResponse(app_id=app_id)

    # images

    async def ImageGetOrCreate(self, request: Any) -> Any:
        asked = request.image
        base = EVER_BUILT[asked.base_images[0].image_id] if asked.base_images else None
        commands = tuple(asked.dockerfile_commands)
        secrets, registry_secret = tuple(asked.secret_ids), asked.image_registry_config.secret_id
        image = Image(identifier("im"), commands, base, secrets, registry_secret, self._build_error(commands))
        known = next((old for old in self.world.images.values() if old.commands == commands and old.base == base and not old.error), image)
        self.world.images[known.id] = EVER_BUILT[known.id] = known
        return pb.ImageGetOrCreateResponse(image_id=known.id)

    async def ImageJoinStreaming(self, request: Any) -> AsyncIterator[Any]:
        error = self.world.images[request.image_id].error
        status = pb.GenericResult.GENERIC_STATUS_FAILURE if error else pb.GenericResult.GENERIC_STATUS_SUCCESS
        metadata = pb.ImageMetadata(image_builder_version="2025.06")
        yield pb.ImageJoinStreamingResponse(result=pb.GenericResult(status=status, exception=error), eof=True, metadata=metadata)

    def _build_error(self, commands: tuple[str, ...]) -> str:
        for line in commands:
            keyword, _, rest = line.partition(" ")
            if keyword == "FROM" and rest in self.world.faults.missing_images:
                return f"failed to resolve source metadata for {rest}: not found"
            if any(text in line for text in self.world.faults.failing_commands):
                return f"{line!r} ended with exit code 1"
        return ""

    async def MountGetOrCreate(self, _request: Any) -> Any:
        return pb.MountGetOrCreateResponse(mount_id=identifier("mo"))

    # secrets and volumes

    async def SecretGetOrCreate(self, request: Any) -> Any:
        name = request.deployment_name
        self._require(request, not name or f"st-{name}" in self.world.secrets, f"secret {name!r}")
        secret_id = f"st-{name}" if name else identifier("st")
        self.world.secrets.setdefault(secret_id, dict(request.env_dict))
        return pb.SecretGetOrCreateResponse(secret_id=secret_id)

    async def VolumeGetOrCreate(self, request: Any) -> Any:
        known = next((volume for volume in self.world.volumes.values() if volume.name == request.deployment_name), None)
        self._require(request, known is not None, f"volume {request.deployment_name!r}")
        if known is None:
            volume_id = identifier("vo")
            known = self.world.volumes[volume_id] = Volume(volume_id, request.deployment_name, self.world.folder / volume_id)
            known.folder.mkdir()
        return pb.VolumeGetOrCreateResponse(volume_id=known.id, metadata=pb.VolumeMetadata(name=known.name))

    async def VolumeReload(self, _request: Any) -> Any:
        return Empty()

    async def VolumeCommit(self, _request: Any) -> Any:
        return pb.VolumeCommitResponse()

    async def VolumeListFiles(self, request: Any) -> AsyncIterator[Any]:
        top = self.world.volumes[request.volume_id].folder
        folder = top / request.path.strip("/")
        if not folder.exists():
            raise GRPCError(Status.NOT_FOUND, f"no such path in the volume: {request.path}")
        entries = []
        for path in sorted(folder.rglob("*") if request.recursive else folder.iterdir()):
            kind = pb.FileEntry.FileType.DIRECTORY if path.is_dir() else pb.FileEntry.FileType.FILE
            status = path.stat()
            entries.append(pb.FileEntry(path=str(path.relative_to(top)), type=kind, mtime=int(status.st_mtime), size=status.st_size))
        yield pb.VolumeListFilesResponse(entries=entries)

    # sandboxes

    async def SandboxCreate(self, request: Any) -> Any:
        definition = request.definition
        secrets = {name: value for secret_id in definition.secret_ids for name, value in self.world.secrets[secret_id].items()}
        sandbox = await self._create(request, 1, secrets)
        return pb.SandboxCreateResponse(sandbox_id=sandbox.id, metadata=_metadata(sandbox))

    async def SandboxCreateV2(self, request: Any) -> Any:
        secrets: dict[str, str] = {}
        for source in request.secret_sources:
            secrets |= self.world.secrets[source.secret_id] if source.secret_id else dict(source.env.contents)
        sandbox = await self._create(request, 2, secrets)
        return pb.SandboxCreateV2Response(
            sandbox_id=sandbox.id,
            task_id=sandbox.task_id if sandbox.running else "",
            metadata=_metadata(sandbox),
            command_router_access=pb.CommandRouterAccess(jwt=self.world.token, url=self.world.router_url) if sandbox.running else None,
        )

    async def _create(self, request: Any, version: int, secrets: dict[str, str]) -> Sandbox:
        definition, sandbox_id = request.definition, identifier("sb", "V" * (version - 1))
        access = definition.network_access.network_access_type
        if access == pb.NetworkAccess.ALLOWLIST:
            raise GRPCError(Status.UNIMPLEMENTED, "the local Modal server has no allow lists: block the network or leave it open")
        gpu = definition.resources.gpu_config
        sandbox = Sandbox(
            id=sandbox_id,
            task_id=sandbox_id.replace("sb-", "ta-"),
            version=version,
            app_id=request.app_id,
            command=tuple(definition.entrypoint_args),
            image=EVER_BUILT[definition.image_id],
            gpu=f"{gpu.gpu_type}:{gpu.count}" if gpu.gpu_type else "",
            tags={tag.tag_name: tag.tag_value for tag in request.tags},
            timeout=definition.timeout_secs,
            secrets=secrets,
            volumes={mount.mount_path: self.world.volumes[mount.volume_id] for mount in definition.volume_mounts},
            workdir=definition.workdir,
            network_blocked=access == pb.NetworkAccess.BLOCKED,
            folder=self.world.folder / sandbox_id,
        )
        self.world.sandboxes.append(sandbox)
        await self._schedule(sandbox)
        return sandbox

    async def _schedule(self, sandbox: Sandbox) -> None:
        if not self.world.faults.no_capacity:
            await sandbox.start()

    async def SandboxGetTaskId(self, request: Any) -> Any:
        sandbox = self._sandbox(request.sandbox_id)
        await self._schedule(sandbox)
        if sandbox.state is State.WAITING:
            return pb.SandboxGetTaskIdResponse()
        if not sandbox.started:
            return pb.SandboxGetTaskIdResponse(task_result=result(sandbox))
        return pb.SandboxGetTaskIdResponse(task_id=sandbox.task_id)

    async def TaskGetCommandRouterAccess(self, request: Any) -> Any:
        self._running(request.task_id)
        return pb.TaskGetCommandRouterAccessResponse(jwt=self.world.token, url=self.world.router_url)

    async def SandboxGetCommandRouterAccess(self, request: Any) -> Any:
        self._running(request.task_id or self._sandbox(request.sandbox_id).task_id)
        return pb.SandboxGetCommandRouterAccessResponse(jwt=self.world.token, url=self.world.router_url)

    async def SandboxWait(self, request: Any) -> Any:
        sandbox = self._sandbox(request.sandbox_id)
        with suppress(TimeoutError):
            async with asyncio.timeout(request.timeout):
                await sandbox.over.wait()
        return pb.SandboxWaitResponse(result=result(sandbox), metadata=_metadata(sandbox))

    async def SandboxTerminate(self, request: Any) -> Any:
        sandbox = self._sandbox(request.sandbox_id)
        before = result(sandbox)
        await sandbox.stop()
        return pb.SandboxTerminateResponse(existing_result=before)

    async def SandboxList(self, request: Any) -> Any:
        wanted = {(tag.tag_name, tag.tag_value) for tag in request.tags}
        found = [
            sandbox
            for sandbox in reversed(self.world.sandboxes)
            if (not request.app_id or sandbox.app_id == request.app_id)
            and wanted <= set(sandbox.tags.items())
            and (request.include_finished or not sandbox.ended_for_good)
            and (not request.before_timestamp or sandbox.created < request.before_timestamp)
        ]
        return pb.SandboxListResponse(sandboxes=[self._info(sandbox) for sandbox in found])

    def _info(self, sandbox: Sandbox) -> Any:
        tags = [pb.SandboxTag(tag_name=name, tag_value=value) for name, value in sandbox.tags.items()]
        task = pb.TaskInfo(id=sandbox.task_id, result=result(sandbox))
        return pb.SandboxInfo(id=sandbox.id, created_at=sandbox.created, task_info=task, tags=tags, metadata=_metadata(sandbox))

    async def SandboxTagsSet(self, request: Any) -> Any:
        self._sandbox(request.sandbox_id).tags = {tag.tag_name: tag.tag_value for tag in request.tags}
        return Empty()

    async def SandboxTagsGet(self, request: Any) -> Any:
        return pb.SandboxTagsGetResponse(tags=self._info(self._sandbox(request.sandbox_id)).tags)

    async def SandboxGetLogs(self, request: Any) -> AsyncIterator[Any]:
        machine = self._sandbox(request.sandbox_id).machine
        assert machine
        spool = machine.main.stderr if request.file_descriptor == pb.FILE_DESCRIPTOR_STDERR else machine.main.stdout
        offset = int(request.last_entry_id or 0)
        async for data in spool.read(offset):
            offset += len(data)
            item = pb.TaskLogs(data=data.decode(errors="replace"), file_descriptor=request.file_descriptor)
            yield pb.TaskLogsBatch(items=[item], entry_id=str(offset))
        yield pb.TaskLogsBatch(entry_id=str(offset), eof=True)

    async def SandboxStdinWrite(self, request: Any) -> Any:
        machine = self._sandbox(request.sandbox_id).machine
        assert machine
        await machine.main.write(machine.main.written, request.input, end=request.eof)
        return pb.SandboxStdinWriteResponse()

    SandboxWaitV2, SandboxTerminateV2, SandboxListV2 = SandboxWait, SandboxTerminate, SandboxList
    SandboxGetTaskIdV2, SandboxTagsSetV2, SandboxTagsGetV2 = SandboxGetTaskId, SandboxTagsSet, SandboxTagsGet

    def _sandbox(self, sandbox_id: str) -> Sandbox:
        for sandbox in self.world.sandboxes:
            if sandbox.id == sandbox_id:
                return sandbox
        raise GRPCError(Status.NOT_FOUND, f"no sandbox {sandbox_id}")

    def _running(self, task_id: str) -> None:
        if not any(sandbox.task_id == task_id and sandbox.running for sandbox in self.world.sandboxes):
            raise GRPCError(Status.FAILED_PRECONDITION, f"task {task_id} is not running")

    def _require(self, request: Any, there: bool, what: str) -> None:
        """Raise for something missing that the client does not want to be created."""
        if not there and request.object_creation_type == pb.OBJECT_CREATION_TYPE_UNSPECIFIED:
            raise GRPCError(Status.NOT_FOUND, f"there is no {what}")
