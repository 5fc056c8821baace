"""The released Modal client against the local server, through its public interface only, with a GPU (V1) and without (V2)."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

modal = pytest.importorskip("modal")
from grpclib import Status  # noqa: E402 - comes with modal

from modal_server.duplex import ECHO, Duplex  # noqa: E402
from modal_server.faults import CREATE  # noqa: E402
from modal_server.records import State  # noqa: E402
from modal_server.server import ModalServer  # noqa: E402

pytestmark = pytest.mark.engine

Create = Callable[..., Any]


@pytest.fixture
def app(modal_server: ModalServer) -> Any:
    return modal.App.lookup("bench", create_if_missing=True)


@pytest.fixture(params=["H100", None], ids=["v1", "v2"])
def create(request: pytest.FixtureRequest, app: Any) -> Create:
    return lambda *command, **options: modal.Sandbox.create(*command, app=app, gpu=request.param, **{"timeout": 60, **options})


def echo(sandbox: Any, **options: Any) -> Any:
    return sandbox.exec("python3", "-I", "-c", ECHO, text=False, **options)


def shell(sandbox: Any, script: str) -> str:
    process = sandbox.exec("sh", "-c", script)
    assert process.wait() == 0, process.stderr.read()
    output: str = process.stdout.read()
    return output.strip()


# what works


def test_sandbox_is_recorded_as_asked(modal_server: ModalServer, create: Create) -> None:
    image = modal.Image.from_registry("python:3.11-slim").run_commands("pip install numpy")
    sandbox = create(image=image, tags={"run": "7"}, block_network=True, workdir="/srv", secrets=[modal.Secret.from_dict({"KEY": "v"})])
    [record] = modal_server.sandboxes
    assert (record.version, record.gpu) in {(1, "H100:1"), (2, "")}
    assert (record.id, record.tags, record.timeout, record.workdir) == (sandbox.object_id, {"run": "7"}, 60, "/srv")
    assert record.network_blocked
    assert record.secrets == {"KEY": "v"}
    assert record.image.history == ("FROM python:3.11-slim", "FROM base", "RUN pip install numpy")
    assert record.state == State.RUNNING


def test_cost_ends_with_the_sandbox(modal_server: ModalServer, create: Create) -> None:
    create().terminate()
    [record] = modal_server.sandboxes
    cost = record.cost_seconds
    assert record.state is State.TERMINATED
    assert cost > 0
    assert record.cost_seconds == cost


def test_outputs_and_exit_code(create: Create) -> None:
    process = create().exec("sh", "-c", "echo out; echo err >&2; exit 5")
    assert (process.stdout.read(), process.stderr.read(), process.wait(), process.poll()) == ("out\n", "err\n", 5, 5)


def test_exit_code_does_not_wait_for_whoever_holds_the_output(create: Create) -> None:
    process = create().exec("sh", "-c", "sleep 600 & exit 3")
    assert process.wait() == 3


def test_command_of_the_sandbox_is_its_life(create: Create) -> None:
    sandbox = create("sh", "-c", "read name; echo hello $name; exit 4")
    sandbox.stdin.write("you\n")
    sandbox.stdin.drain()
    sandbox.wait()
    assert (sandbox.returncode, sandbox.stdout.read()) == (4, "hello you\n")


def test_sandbox_is_a_machine_of_its_own(create: Create, tmp_path: Path) -> None:
    sandbox, other = create(), create()
    assert shell(sandbox, "id -u; ls /tmp /dev/shm | wc -w; ps -e -o comm= | grep -c pytest || true").split() == ["0", "2", "0"]
    shell(sandbox, "touch /etc/new /tmp/new /dev/shm/new && rm -r /var/cache && sleep 600 > /dev/null 2>&1 &")
    assert not Path("/etc/new").exists()
    assert Path("/var/cache").exists()
    assert shell(other, "ls -d /etc/new /tmp/new /dev/shm/new /var/cache 2> /dev/null || true") == "/var/cache"
    assert "MODAL" not in shell(sandbox, "env")


def test_network_is_cut_only_when_asked(create: Create, modal_server: ModalServer) -> None:
    port = modal_server.environment["MODAL_SERVER_URL"].rpartition(":")[2]
    connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
    assert create(block_network=True).exec("python3", "-c", connect).wait() == 1
    assert create().exec("python3", "-c", connect).wait() == 0


def test_secrets_reach_only_what_they_were_given_to(create: Create, modal_server: ModalServer) -> None:
    modal_server.add_secret("named", {"NAMED": "1"})
    sandbox = create(secrets=[modal.Secret.from_name("named")])
    process = sandbox.exec("sh", "-c", "echo $NAMED $ONE $TWO", env={"ONE": "2"}, secrets=[modal.Secret.from_dict({"TWO": "3"})])
    assert process.stdout.read() == "1 2 3\n"
    assert shell(sandbox, "echo $NAMED $ONE $TWO") == "1"
    [first, second] = modal_server.sandboxes[0].execs.values()
    assert (first.variables, second.variables) == ({"ONE": "2", "TWO": "3"}, {})


def test_volume_outlives_a_sandbox(create: Create) -> None:
    volume = modal.Volume.from_name("results", create_if_missing=True)
    shell(create(volumes={"/data": volume}, workdir="/data"), "mkdir a && echo 1 > a/b")
    volume.reload()
    assert [entry.path for entry in volume.listdir("/", recursive=True)] == ["a", "a/b"]
    assert shell(create(volumes={"/other": volume}), "cat /other/a/b") == "1"
    with pytest.raises(modal.exception.NotFoundError, match="nothing"):
        modal.Volume.from_name("nothing").hydrate()


def test_files(create: Create) -> None:
    sandbox = create()
    # the client's files know their sandbox only as long as somebody else holds it
    files = sandbox.filesystem
    files.write_bytes(b"x" * 2**20, "/made/for/it")
    assert files.read_bytes("/made/for/it") == b"x" * 2**20
    assert [(entry.name, entry.size) for entry in files.list_files("/made/for")] == [("it", 2**20)]
    files.remove("/made", recursive=True)
    with pytest.raises(modal.exception.SandboxFilesystemNotFoundError):
        files.stat("/made")


def test_leftovers_are_found_by_tag(app: Any, create: Create, modal_server: ModalServer) -> None:
    create(tags={"run": "7", "case": "a"})
    create().set_tags({"run": "7"})
    other = create(tags={"run": "8"})
    found = list(modal.Sandbox.list(app_id=app.app_id, tags={"run": "7"}))
    assert [sandbox.get_tags() for sandbox in found] == [{"run": "7"}, {"run": "7", "case": "a"}]
    for sandbox in found:
        sandbox.terminate()
    assert [sandbox.object_id for sandbox in modal.Sandbox.list(app_id=app.app_id)] == [other.object_id]
    assert modal.Sandbox.from_id(other.object_id).exec("true").wait() == 0


# conversations


def test_hundreds_of_round_trips(create: Create) -> None:
    talk = Duplex(echo(create()))
    for number in range(300):
        body = number.to_bytes(2, "big") * number
        talk.send(body)
        assert talk.receive() == body


@pytest.mark.parametrize("create", ["H100"], indirect=True, ids=["v1"])
def test_big_frame(create: Create) -> None:
    talk, body = Duplex(echo(create())), os.urandom(2**20) * 40
    talk.send(body)
    assert talk.receive(60) == body


def test_both_directions_at_once(create: Create) -> None:
    talk, body = Duplex(echo(create())), os.urandom(2**20)
    writer = threading.Thread(target=lambda: list(map(talk.send, [body] * 5)))
    writer.start()
    assert all(talk.receive() == body for _ in range(5))
    writer.join()


def test_read_that_timed_out_loses_nothing(create: Create) -> None:
    talk = Duplex(echo(create()))
    with pytest.raises(TimeoutError, match="0 of 8"):
        talk.receive(0.1)
    talk.send(b"late")
    assert talk.receive() == b"late"


def test_write_that_timed_out_goes_on_where_it_was(create: Create) -> None:
    process = create().exec("sh", "-c", "read line; sleep 0.3; wc -c", text=False)
    process.stdin.write(b"go\n" + b"x" * 2**20)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(process.stdin.drain.aio(), 0.1))
    process.stdin.write_eof()
    process.stdin.drain()
    assert int(process.stdout.read()) == 2**20


def test_broken_streams_go_on_by_offset(create: Create, modal_server: ModalServer) -> None:
    modal_server.faults.break_stdio(2, after_bytes=300_000)
    talk, body = Duplex(echo(create())), os.urandom(2**20)
    talk.send(body)
    assert talk.receive() == body
    assert modal_server.faults.breaks == 0


def test_lost_answers_to_input_repeat_nothing(create: Create, modal_server: ModalServer) -> None:
    talk = Duplex(echo(create()))
    for late in (False, True):
        modal_server.faults.refuse("TaskExecStdinWrite", Status.UNAVAILABLE, times=2, late=late)
        talk.send(b"once")
        assert talk.receive() == b"once"
    with pytest.raises(TimeoutError):
        talk.receive(0.1)


# what fails


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (Status.UNAUTHENTICATED, modal.exception.AuthError),
        (Status.RESOURCE_EXHAUSTED, modal.exception.ResourceExhaustedError),
        (Status.INVALID_ARGUMENT, modal.exception.InvalidError),
        (Status.UNAVAILABLE, modal.exception.ServiceError),
    ],
)
def test_refused_sandboxes(create: Create, modal_server: ModalServer, status: Status, error: type[Exception]) -> None:
    modal_server.faults.refuse(CREATE, status, message="not today")
    with pytest.raises(error, match="not today"):
        create()
    assert modal_server.sandboxes == []


@pytest.mark.parametrize("late", [False, True])
def test_client_tries_again_and_gets_one_sandbox(create: Create, modal_server: ModalServer, late: bool) -> None:
    modal_server.faults.refuse(CREATE, Status.UNAVAILABLE, times=3, late=late)
    sandbox = create()
    assert [record.id for record in modal_server.sandboxes] == [sandbox.object_id]


def test_wrong_token(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    modal.Client.from_env().close()
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "wrong")
    with pytest.raises(modal.exception.AuthError, match="unknown token"):
        modal.App.lookup("bench")


def test_unknown_image(create: Create, modal_server: ModalServer) -> None:
    modal_server.faults.missing_images.add("no/such:1")
    with pytest.raises(modal.exception.ImageBuildError, match="no/such:1: not found"):
        create(image=modal.Image.from_registry("no/such:1"))


def test_build_that_fails_may_work_later(create: Create, modal_server: ModalServer) -> None:
    modal_server.faults.failing_commands.add("make")
    with pytest.raises(modal.exception.ImageBuildError, match="RUN make"):
        create(image=modal.Image.debian_slim().run_commands("make"))
    modal_server.faults.failing_commands.clear()
    assert create(image=modal.Image.debian_slim().run_commands("make")).exec("true").wait() == 0


def test_no_capacity_on_v1_holds_create_up(app: Any, modal_server: ModalServer) -> None:
    modal_server.faults.no_capacity = True
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(modal.Sandbox.create.aio(app=app, gpu="H100"), 0.7))
    [record] = modal_server.sandboxes
    assert (record.state, record.cost_seconds) == (State.TERMINATED, 0)


def test_no_capacity_on_v2_holds_exec_up(app: Any, modal_server: ModalServer) -> None:
    modal_server.faults.no_capacity = True
    sandbox = modal.Sandbox.create(app=app)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(sandbox.exec.aio("true"), 0.7))
    modal_server.faults.no_capacity = False
    assert sandbox.exec("true").wait() == 0


def test_lifetime_is_over_during_exec(create: Create) -> None:
    sandbox = create(timeout=1)
    process = echo(sandbox)
    with pytest.raises(EOFError):
        Duplex(process).receive()
    assert (process.wait(), sandbox.poll()) == (137, 124)
    with pytest.raises(modal.exception.SandboxTimeoutError):
        sandbox.wait()
    with pytest.raises(modal.exception.NotFoundError, match="timed out"):
        sandbox.exec("true")


def test_killed_from_outside(create: Create, modal_server: ModalServer) -> None:
    sandbox = create()
    talk = Duplex(process := echo(sandbox))
    modal_server.sandboxes[0].kill()
    with pytest.raises(EOFError):
        talk.receive()
    sandbox.wait()
    assert (process.wait(), sandbox.returncode) == (137, 137)
    assert modal_server.sandboxes[0].state is State.FINISHED


def test_terminated_under_a_read(create: Create) -> None:
    sandbox = create()
    talk = Duplex(process := echo(sandbox))
    threading.Timer(0.2, sandbox.terminate).start()
    with pytest.raises(EOFError):
        talk.receive()
    assert process.wait() == 137
    with pytest.raises(modal.exception.SandboxTerminatedError):
        sandbox.wait()
    with pytest.raises(modal.exception.ConflictError, match="input was not taken"):
        talk.send(b"anybody there?")


def test_router_that_forgets_an_ended_sandbox(create: Create, modal_server: ModalServer) -> None:
    modal_server.faults.forget_ended = True
    sandbox = create()
    process = echo(sandbox)
    sandbox.terminate()
    with pytest.raises(modal.exception.NotFoundError, match="no task"):
        process.wait()
    with pytest.raises(modal.exception.NotFoundError, match="no task"):
        Duplex(process).receive()


def test_stream_that_breaks_for_good_ends_by_the_readers_deadline(create: Create, modal_server: ModalServer) -> None:
    talk = Duplex(process := echo(create()))
    modal_server.faults.break_stdio(after_bytes=5)
    talk.send(b"far too long")
    with pytest.raises(TimeoutError, match="5 of 8 bytes"):
        talk.receive(0.5)
    assert process.poll() is None


def test_lost_worker_is_known_to_the_control_plane_only(create: Create, modal_server: ModalServer) -> None:
    sandbox = create()
    process = echo(sandbox)
    modal_server.lose_worker()
    sandbox.wait()
    assert sandbox.poll() == 137
    # the client would go on asking the worker: 10 seconds for most questions, for good when it waits for an exit code
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(process.wait.aio(), 0.5))


def test_exec_timeout(create: Create, modal_server: ModalServer) -> None:
    sandbox = create()
    process = echo(sandbox, timeout=1)
    with pytest.raises(EOFError):
        Duplex(process).receive()
    assert (process.wait(), sandbox.poll()) == (-1, None)
    [record] = modal_server.sandboxes[0].execs.values()
    deadline = time.monotonic() + 20
    while record.returncode is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert record.returncode == -9


def test_programs_that_are_not_there(create: Create) -> None:
    process = create().exec("no-such-program")
    assert (process.wait(), "not found" in process.stderr.read()) == (127, True)


def test_nothing_is_left_when_the_server_closes(create: Create, modal_server: ModalServer) -> None:
    sandbox = create()
    shell(sandbox, "exec setsid sleep 98765.4 > /dev/null 2>&1 &")
    folder = modal_server.sandboxes[0].folder.parent
    modal_server.close()
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if b"98765.4" in command or bytes(folder) in command]
    assert not modal_server.sandboxes[0].folder.exists()
