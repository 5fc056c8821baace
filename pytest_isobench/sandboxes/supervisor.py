"""The supervisor: the trusted program beside the candidates. It owns the clock, starts and freezes processes, and passes bytes on.

It imports only the standard library and nothing of ours, so that the same file runs on this machine, in a container and far away. The
controller talks to it over stdin and stdout; each candidate has one private pair of pipes. Nothing that a candidate says is parsed
here: an answer is complete when as many bytes have come as its frame announced, and it must carry the nonce of its request.

Frames from and to the controller: length of the header (4 bytes, big endian), a JSON header, then the blobs whose sizes the header lists.
Requests to a candidate:  length of the payload (8 bytes), operation (1 byte), nonce (16 bytes), payload.
Answers of a candidate:   length of the payload (8 bytes), status (1 byte: 0 done, 1 exception), nonce (16 bytes), payload.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import Any, BinaryIO, Callable, Collection, Iterator, NoReturn

FRAME = struct.Struct(">QB16s")
READY = b"\0" * 16
UNTIMED = {ord("G"): "collect", ord("P"): "prepare"}
"""Requests that come before the timed one, and where their seconds stand in the reply."""
LOG_TAIL, SERVER_LOG = 64 * 1024, 16 * 2**20
"""Bytes of a log that are brought back: its end."""
CHUNK = 1 << 20
STOP_LIMIT = 10.0
"""Seconds that processes may take to be frozen: one that is in the middle of a long system call goes on until its end."""
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
STOPPED = ("T", "t")
clock = time.perf_counter_ns


class ControllerGone(Exception):
    """Nobody is left to answer to. What is killed then may be frozen, so nothing must interrupt that half-way."""

    def __init__(self) -> None:
        super().__init__()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def leave(number: int, _frame: object) -> NoReturn:
    """Handle the signal to end: once."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


class Broken(Exception):
    """A candidate did not answer as it should: (status, detail)."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(status, detail)
        self.status, self.detail = status, detail


# Processes ---------------------------------------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """The children of a process, in all of its threads."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def tree(pid: int) -> list[int]:
    """A process and everything below it."""
    found: list[int] = []
    todo = [pid]
    while todo:
        found.append(todo.pop())
        todo += children(found[-1])
    return found


def cpu_of(pid: int) -> int:
    """CPU time of a process in nanoseconds: its clock as clock_getcpuclockid(3) numbers it."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def send_signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def states(pid: int) -> str:
    """The states of a process's threads as proc(5) letters them: the first thread may have ended before the others."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return ""
    return "".join(read_text(f"/proc/{pid}/task/{thread}/stat").rpartition(")")[2].strip()[:1] for thread in threads)


def alive(pid: int) -> bool:
    """Whether a process still is more than an entry that nobody has collected."""
    return bool(states(pid).strip("ZX"))


def stands_still(pid: int) -> bool:
    """Whether a stopped process has come to a stop. One that waits for its child's vfork(2) to end cannot, and cannot go on either."""
    moving = states(pid).strip("TtZX")
    return not moving or (not moving.strip("D") and any(states(child).strip("ZX") in STOPPED for child in children(pid)))


def read_text(path: str) -> str:
    """A file's text, empty when there is none; the name of a process may be any bytes."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def write_text(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def memory_file(name: str) -> BinaryIO:
    """A file for a candidate's hands that is on no disk: writing it back would take time from the others."""
    return os.fdopen(os.memfd_create(name), "w+b")


def set_freezer(path: str, *, frozen: bool) -> None:
    """Freeze or thaw a control group of version 1 (freezer.state) or 2 (cgroup.freeze), and wait until it is."""
    if path.endswith("freezer.state"):
        state, wanted = path, "FROZEN" if frozen else "THAWED"
        write_text(path, wanted)
    else:
        state, wanted = os.path.join(os.path.dirname(path), "cgroup.events"), f"frozen {int(frozen)}"
        write_text(path, str(int(frozen)))
    deadline = time.monotonic() + STOP_LIMIT
    while wanted not in read_text(state):
        if time.monotonic() > deadline:
            raise OSError(f"{path} did not become {wanted!r}")


def collect_orphans(own: Collection[int]) -> list[resource.struct_rusage]:
    """Kill and wait for what ended processes left to us, such as the first process of their namespace; what these have used."""
    used = []
    while orphans := set(children(os.getpid())).difference(own):
        for pid in orphans:
            send_signal(pid, signal.SIGKILL)
            used.append(os.wait4(pid, 0)[2])
    return used


class Cell:
    """A started process with everything below it: to freeze, to account for, and to kill."""

    def __init__(self, root: int, spec: dict[str, Any]) -> None:
        self.root, self.kept, self.cores = root, spec["keep"], set(spec["cores"])
        cgroups = spec["cgroups"]
        self.frozen = False
        self.usage_at_freeze = 0
        self.freezer = next((path for g in cgroups for path in (f"{g}/freezer.state", f"{g}/cgroup.freeze") if os.path.exists(path)), None)
        self.account = next((path for g in cgroups for path in (f"{g}/cpuacct.usage", f"{g}/cpu.stat") if os.path.exists(path)), None)

    def usage(self) -> int:
        """CPU nanoseconds used by all of it so far."""
        if self.account is None:
            return sum(map(cpu_of, tree(self.root)))
        text = read_text(self.account)
        return int(text.split()[1]) * 1000 if text.startswith("usage_usec") else int(text or 0)

    def freeze(self) -> None:
        if self.freezer is None:
            self._stop_tree()
        else:
            set_freezer(self.freezer, frozen=True)
        self.frozen, self.usage_at_freeze = True, self.usage()

    def freeze_or_not(self) -> bool:
        """Freeze; False for one that does not stand still in time."""
        try:
            self.freeze()
        except OSError:
            self.frozen, self.usage_at_freeze = True, self.usage()
            return False
        return True

    def thaw(self) -> int:
        """Let it go on; return the CPU nanoseconds that it used although it was frozen."""
        if not self.frozen:
            return 0
        stolen = self.usage() - self.usage_at_freeze
        if self.freezer is None:
            for pid in reversed(tree(self.root)):
                send_signal(pid, signal.SIGCONT)
        else:
            set_freezer(self.freezer, frozen=False)
        self.frozen = False
        return max(0, stolen)

    def _stop_tree(self) -> None:
        """Stop every process but the keeper, who must be able to end the others; again until all stand still, as one may wake another.

        A process whose parent ends during a look is in that look nowhere: only two looks that find the same have seen everybody.
        """
        deadline = time.monotonic() + STOP_LIMIT
        spared = {self.root} if self.kept else set()
        before: set[int] | None = None
        while (found := set(tree(self.root)) - spared) != before:
            running = [pid for pid in found if not stands_still(pid)]
            for pid in running:
                send_signal(pid, signal.SIGSTOP)
            before = None if running else found
            if time.monotonic() > deadline:
                raise OSError(f"processes {running or sorted(found)} do not stop")

    def notes(self) -> list[str]:
        """What is odd about the living processes."""
        found = set()
        for pid in tree(self.root)[1:] or [self.root]:
            try:
                if self.cores and not os.sched_getaffinity(pid) <= self.cores:
                    found.add("left_cores")
            except OSError:
                continue
        return sorted(found)

    def max_rss(self) -> int:
        """Bytes: the largest peak among the living processes."""
        lines = "".join(read_text(f"/proc/{pid}/status") for pid in tree(self.root)).splitlines()
        return max((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), default=0) * 1024

    def kill(self) -> None:
        """Kill all of it, the root last, so that it goes on adopting orphans until none is left."""
        self.freeze_or_not()
        deadline = time.monotonic() + 10
        while (below := [pid for pid in tree(self.root)[1:] if alive(pid)]) and time.monotonic() < deadline:
            for pid in below:
                send_signal(pid, signal.SIGKILL)
            self.thaw()
        send_signal(self.root, signal.SIGKILL)
        self.thaw()


def lowered(limit: int, value: int) -> tuple[int, int]:
    """A resource limit with its value, which cannot be higher than what this process has itself."""
    ceiling = resource.getrlimit(limit)[1]
    return limit, value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)


def become(spec: dict[str, Any]) -> None:
    """Become the user of a process's description."""
    if spec["user"] is not None:
        os.setgroups([])
        os.setgid(spec["user"] if spec["group"] is None else spec["group"])
        os.setuid(spec["user"])


def sweep(spec: dict[str, Any]) -> None:
    """Remove, as a process's own user, its temporary folder and what the user left in folders that others can write to as well."""
    if not spec["temporary"] and not spec["swept"]:
        return
    places = [path for path in [spec["temporary"]] if path and os.path.lexists(path)]
    if spec["user"] is not None:
        places += [entry.path for path in spec["swept"] for entry in scan(path) if belongs(entry, spec["user"])]
    if not places and not (spec["swept"] and any(segments(spec["user"]))):
        return
    pid = os.fork()
    if pid == 0:
        try:
            become(spec)
            for path in dict.fromkeys(places):
                remove(path)
            remove_segments(spec["user"])
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def segments(user: int | None) -> Iterator[tuple[str, int]]:
    """The System V objects of a user that outlive its processes: kind and number."""
    for kind, name in ("shm", "shmid"), ("sem", "semid"), ("msg", "msqid"):
        head, *rows = read_text(f"/proc/sysvipc/{kind}").splitlines() or [""]
        columns = head.split()
        for row in rows:
            facts = dict(zip(columns, row.split(), strict=True))
            if facts["cuid"] == str(user):
                yield kind, int(facts[name])


def remove_segments(user: int | None) -> None:
    for kind, number in list(segments(user)):
        control = getattr(LIBC, kind + "ctl")
        control(number, 0, 0, 0) if kind == "sem" else control(number, 0, None)


def scan(path: str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(path))
    except OSError:
        return []


def belongs(entry: os.DirEntry[str], user: int) -> bool:
    """Tell whether a file is a user's; one that is gone meanwhile is nobody's."""
    try:
        return entry.stat(follow_symlinks=False).st_uid == user
    except FileNotFoundError:
        return False


def remove(path: str) -> None:
    """Remove a file or a folder with all that is in it, whatever its modes; what cannot be removed stays."""
    command = ["chmod -R u+rwX -- \"$1\"; exec rm -rf -- \"$1\"", "sh", path]
    subprocess.call(["/bin/sh", "-c", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


def arrive(directory: str) -> None:
    """Make a folder the current one, even when its owner, who is the user by now, has closed it to himself."""
    try:
        os.chdir(directory)
    except PermissionError:
        os.chmod(directory, 0o700)
        os.chdir(directory)


@functools.cache
def joint_network() -> list[tuple[int, int]]:
    """Make a network with nothing in it but the loopback, for processes that talk to each other: its namespaces' descriptors and kinds.

    Who is not root makes it in a user namespace, where their processes are themselves.
    """
    kinds = {"net": CLONE_NEWNET} if os.geteuid() == 0 else {"user": CLONE_NEWUSER, "net": CLONE_NEWNET}
    (made, tell), (wait, end) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(end)
            open_network(sum(kinds.values()))
            os.write(tell, b"1")
            os.read(wait, 1)
        finally:
            os._exit(0)
    for descriptor in (tell, wait):
        os.close(descriptor)
    try:
        if not os.read(made, 1):
            raise OSError("no network can be made for processes that talk to each other")
        return [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), kind) for name, kind in kinds.items()]
    finally:
        os.close(made)
        os.close(end)
        os.waitpid(pid, 0)


def open_network(kinds: int) -> None:
    """Leave the machine's network for a new one."""
    user, group = os.geteuid(), os.getegid()
    LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    demand(LIBC.unshare(kinds))
    if kinds & CLONE_NEWUSER:
        write_text("/proc/self/setgroups", "deny")
        write_text("/proc/self/uid_map", f"{user} {user} 1")
        write_text("/proc/self/gid_map", f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name, flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", name, flags | IFF_UP))


def demand(done: int) -> None:
    """Raise `OSError` for a call of the C library that failed."""
    if done:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def spawn(spec: dict[str, Any], stdin: int | BinaryIO, stdout: int, stderr: int | BinaryIO) -> subprocess.Popen[bytes]:
    """Start a process as its description says: limits, control groups, cores, user, and dying with us."""
    files = [(os.open(path, os.O_RDONLY), number) for path, number in spec["descriptors"].items()]
    limits = [lowered(getattr(resource, name), value) for name, value in spec["limits"].items()]
    namespaces = joint_network() if spec["joint"] else []

    def enter() -> None:
        LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # only so may it change its own score
        write_text("/proc/self/oom_score_adj", "1000")  # when memory runs out, a candidate ends, not the measuring
        for group in spec["cgroups"]:
            write_text(f"{group}/cgroup.procs", "0")
        for limit, value in limits:
            resource.setrlimit(limit, (value, value))
        if spec["cores"]:
            os.sched_setaffinity(0, spec["cores"])
        for opened, number in files:
            os.dup2(opened, number)
        for namespace, kind in namespaces:
            demand(LIBC.setns(namespace, kind))
        become(spec)
        arrive(spec["directory"])  # which may be its user's alone
        if spec["temporary"]:
            os.mkdir(spec["temporary"], 0o700)
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, int(spec["keep"]), 0, 0, 0)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM if spec["keep"] else signal.SIGKILL, 0, 0, 0)

    argv = spec["argv"]
    if spec["keep"]:
        argv = [sys.executable, "-I", "-S", "-c", KEEPER, *argv]
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=spec["environment"],
            preexec_fn=enter,
            start_new_session=True,
            close_fds=False,  # all of ours close themselves; those of `files` stay
        )
    finally:
        for opened, _ in files:
            os.close(opened)


KEEPER = """
import ctypes, os, signal, sys

def leave(number, frame):
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)

def below():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()

ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # it has its child's user: so the child cannot look into it, or steer it
signal.signal(signal.SIGTERM, leave)
try:
    child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
    while (ended := os.wait())[0] != child:
        pass
    code = os.waitstatus_to_exitcode(ended[1])
    sys.exit(code if code >= 0 else 128 - code)
finally:
    while pids := below():
        for pid in pids:
            os.kill(int(pid), signal.SIGKILL)
        os.wait()
"""
"""The parent of a process where no pid namespace is: adopts its orphans and kills them at the end. Short, as its start is timed too."""


# Candidates --------------------------------------------------------------------------------------------------------------------


class Resident:
    """A process that stays until it is stopped."""

    log_tail = LOG_TAIL
    processes_at_start = 0

    def __init__(self, spec: dict[str, Any], stdin: int = subprocess.DEVNULL, stdout: int | None = None) -> None:
        self.log = memory_file("log")
        self.process = spawn(spec, stdin, self.log.fileno() if stdout is None else stdout, self.log)
        self.spec, self.cell = spec, Cell(self.process.pid, spec)

    def stop(self) -> tuple[dict[str, Any], bytes]:
        """Kill it; what remained of it."""
        code = self.process.poll()
        extra = max(0, len(tree(self.process.pid)) - self.processes_at_start) if code is None and self.processes_at_start else 0
        notes, peak = ([], 0) if code is not None else (self.cell.notes(), self.cell.max_rss())
        if code is None:
            self.cell.kill()
            self.process.wait()
        size = self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, size - self.log_tail))
        log = self.log.read(self.log_tail)
        self.log.close()
        sweep(self.spec)
        return {"returncode": code, "processes": extra, "max_rss": peak, "notes": notes}, log


class Service(Resident):
    """A server that others ask over the network. It is never frozen: only one runs at a time."""

    log_tail = SERVER_LOG


class Candidate(Resident):
    """A resident worker, spoken to over its own pair of pipes."""

    def __init__(self, spec: dict[str, Any]) -> None:
        request_end, self.requests = os.pipe()
        self.answers, answer_end = os.pipe()
        try:
            super().__init__(spec, request_end, answer_end)
        finally:
            os.close(request_end)
            os.close(answer_end)
        for end in (self.requests, self.answers):
            os.set_blocking(end, False)
        self.ready = False

    def wait_until_ready(self, timeout: float) -> None:
        if self.ready:
            return
        self._receive(READY, time.monotonic() + timeout, 0)
        self.ready, self.processes_at_start = True, len(tree(self.process.pid))

    def exchange(self, operation: int, payload: bytes, timeout: float, limit: int) -> tuple[int, int, bytes]:
        """One request and its complete answer: (nanoseconds, status byte, payload). Raises `Broken`."""
        if select.select([self.answers], [], [], 0)[0] and self.process.poll() is None:
            raise Broken("protocol", "unasked-for bytes on the private pipe")
        nonce = os.urandom(16)
        deadline = time.monotonic() + timeout
        message = FRAME.pack(len(payload), operation, nonce) + payload
        begin = clock()
        self._send(message, deadline)
        status, answer = self._receive(nonce, deadline, limit)
        return clock() - begin, status, answer

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.requests, view) :]
            except BlockingIOError:
                wait_for(self.requests, select.POLLOUT, deadline)
            except BrokenPipeError:
                raise self._end() from None

    def _receive(self, nonce: bytes, deadline: float, limit: int) -> tuple[int, bytes]:
        length, status, echoed = FRAME.unpack(self._read(FRAME.size, deadline))
        if echoed != nonce or status > 1:
            raise Broken("protocol", "an answer that belongs to no request")
        if length > limit:
            raise Broken("oversized", f"an answer of {length} bytes; {limit} are allowed")
        return status, self._read(length, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        parts = []
        while size:
            wait_for(self.answers, select.POLLIN, deadline)
            try:
                part = os.read(self.answers, min(size, CHUNK))
            except BlockingIOError:  # it has opened its pipe once more and taken its answer back
                continue
            if not part:
                raise self._end()
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _end(self) -> Broken:
        """It closed its pipe: it has ended, or pretends to."""
        try:
            code = self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return Broken("protocol", "closed its private pipe")
        return Broken("exited", f"ended with status {code}")

    def stop(self) -> tuple[dict[str, Any], bytes]:
        remains = super().stop()
        os.close(self.requests)
        os.close(self.answers)
        return remains


def wait_for(descriptor: int, event: int, deadline: float) -> None:
    """Wait until a descriptor is ready, the time is over or the controller is gone."""
    poll = select.poll()
    poll.register(descriptor, event)
    poll.register(0, 0)
    left = deadline - time.monotonic()
    ready = dict(poll.poll(max(0, left) * 1000)) if left > 0 else {}
    if ready.get(0, 0) & (select.POLLHUP | select.POLLERR):
        raise ControllerGone
    if descriptor not in ready:
        raise Broken("timed_out", "no answer in time")


# Commands ----------------------------------------------------------------------------------------------------------------------


class Command:
    """One command that runs to its end while its two outputs are read."""

    def __init__(self, spec: dict[str, Any], stdin: bytes, limit: int, on_output: Callable[[int, bytes], None]) -> None:
        self.limit, self.on_output = limit, on_output
        self.kept, self.truncated, self.cancelled = [bytearray(), bytearray()], False, False
        pipes = [os.pipe(), os.pipe()]
        self.reads = [read for read, _ in pipes]
        for read in self.reads:
            os.set_blocking(read, False)
        try:
            with memory_file("stdin") as source:
                source.write(stdin)
                source.seek(0)
                self.begin = clock()
                self.process = spawn(spec, source, pipes[0][1], pipes[1][1])
        except BaseException:
            self._close()
            raise
        finally:
            for _, write in pipes:
                os.close(write)
        self.spec, self.cell = spec, Cell(self.process.pid, spec)

    def finish(self, timeout: float, others: Collection[int] = ()) -> dict[str, Any]:
        """Wait for the end, by its own will or by ours; the facts about it. `others` are children that it has nothing to do with."""
        watch = os.pidfd_open(self.process.pid)
        try:
            ended = self._read_until(watch, time.monotonic() + timeout)
            if not ended:
                self.cell.kill()
            _, status, usage = os.wait4(self.process.pid, 0)
            wall = clock() - self.begin
            used = [usage, *collect_orphans(others)]
            self.process.returncode = os.waitstatus_to_exitcode(status)
            self._read_until(None, time.monotonic())
        finally:
            os.close(watch)
            if self.process.returncode is None:
                self.cell.kill()
                self.process.wait()
            self._close()
            sweep(self.spec)
        times = {"user": sum(part.ru_utime for part in used), "system": sum(part.ru_stime for part in used)}
        timed_out = not ended and not self.cancelled
        facts = {"returncode": self.process.returncode, "wall": wall / 1e9, "timed_out": timed_out, "truncated": self.truncated}
        return {**facts, **times, "max_rss": max(part.ru_maxrss for part in used) * 1024}

    def _read_until(self, watch: int | None, deadline: float) -> bool:
        """Read the outputs until the process ends (True), or the time is over or the controller has something else to say (False).

        Without `watch`, read what is there already.
        """
        poll = select.poll()
        poll.register(0, 0 if watch is None else select.POLLIN)
        for descriptor in self.reads if watch is None else [*self.reads, watch]:
            poll.register(descriptor, select.POLLIN)
        while True:
            events = dict(poll.poll(max(0, deadline - time.monotonic()) * 1000))
            said = events.pop(0, 0)
            if said & (select.POLLHUP | select.POLLERR):
                raise ControllerGone
            if watch in events:
                return True
            if said:
                self.cancelled = True
                return False
            if not events or (watch is not None and time.monotonic() > deadline):
                return False
            for descriptor in events:
                if not self._take(descriptor):
                    poll.unregister(descriptor)

    def _take(self, descriptor: int) -> bool:
        """Read once; False at the end of an output."""
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:  # it has opened its output once more and taken it back
            return True
        index = self.reads.index(descriptor)
        self.on_output(index, data)
        room = max(0, self.limit - len(self.kept[index]))
        self.truncated |= len(data) > room
        self.kept[index] += data[:room]
        return bool(data)

    def _close(self) -> None:
        for read in self.reads:
            os.close(read)


# The controller's requests -----------------------------------------------------------------------------------------------------


Answer = tuple[dict[str, Any], list[bytes]]
"""A header and its blobs."""


class Server:
    """Answers the controller's requests, one at a time."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self.source, self.sink = source, sink
        self.candidates: dict[str, Candidate] = {}
        self.services: dict[str, Service] = {}

    def serve(self) -> NoReturn:
        while True:
            header, blobs = self.receive()
            if header["do"] == "cancel":  # has done its work by coming while a command ran
                continue
            try:
                answer, out = getattr(self, "do_" + header["do"])(header, *blobs)
            except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
                answer, out = {"error": f"{type(error).__name__}: {error}"}, []
            self.send(answer, out)

    def receive(self) -> tuple[dict[str, Any], list[bytes]]:
        (size,) = struct.unpack(">I", self._exactly(4))
        header = json.loads(self._exactly(size))
        return header, [self._exactly(length) for length in header["blobs"]]

    def _exactly(self, size: int) -> bytes:
        data = self.source.read(size)
        if len(data) != size:
            raise ControllerGone
        return data

    def send(self, header: dict[str, Any], blobs: list[bytes]) -> None:
        text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
        try:
            self.sink.write(struct.pack(">I", len(text)) + text)
            for blob in blobs:
                self.sink.write(blob)
            self.sink.flush()
        except BrokenPipeError:
            raise ControllerGone from None

    def close(self) -> None:
        for resident in (*self.candidates.values(), *self.services.values()):
            resident.stop()
        self.candidates.clear()
        self.services.clear()

    def pids(self) -> list[int]:
        return [resident.process.pid for resident in (*self.candidates.values(), *self.services.values())]

    def do_hello(self, _header: dict[str, Any]) -> Answer:
        return {"pid": os.getpid(), "python": sys.executable, "environment": dict(os.environ)}, []

    def do_mount(self, header: dict[str, Any]) -> Answer:
        for mount in header["mounts"]:
            argv = ["mount", "-t", mount["type"], "-o", mount["options"], mount["source"], mount["target"]]
            done = subprocess.run(argv, check=False, capture_output=True, text=True, errors="replace")
            if done.returncode:
                return {"error": f"{' '.join(argv)}: {done.stderr.strip()}"}, []
        return {}, []

    def do_start(self, header: dict[str, Any]) -> Answer:
        self.candidates[header["name"]] = Candidate(header["process"])
        return {}, []

    def do_serve(self, header: dict[str, Any]) -> Answer:
        self.services[header["name"]] = Service(header["process"])
        return {}, []

    def do_look(self, header: dict[str, Any]) -> Answer:
        return {"running": self.services[header["name"]].process.poll() is None}, []

    def do_ask(self, header: dict[str, Any], payload: bytes) -> Answer:
        reply, answer = self.play(header["name"], [(ord(header["operation"]), payload)], header["timeout"], header["limit"])
        return reply, [answer]

    def do_turns(self, header: dict[str, Any], *inputs: bytes) -> Answer:
        """In every turn each arm in order collects its garbage, prepares its inputs and runs on them; one that failed sits out the rest.

        The garbage goes before the inputs come: whoever leaves it where it is has spare time, but nothing to use it for.
        """
        gc.disable()
        played: list[dict[str, Any]] = []
        answers: list[bytes] = []
        failed: set[str] = set()
        for turn, (order, payload) in enumerate(zip(header["orders"], inputs, strict=True)):
            for name in order:
                if name not in failed:
                    requests = [(ord("G"), b""), (ord("P"), payload), (ord("R"), b"")]
                    reply, answer = self.play(name, requests, header["timeout"], header["limit"])
                    played.append({"turn": turn, "arm": name, **reply})
                    answers.append(answer)
                    if reply["status"] != "ok":
                        failed.add(name)
        gc.enable()
        return {"played": played}, answers

    def play(self, name: str, requests: list[tuple[int, bytes]], timeout: float, limit: int) -> tuple[dict[str, Any], bytes]:
        """Thaw a candidate, make the requests, freeze it again: what the clock says of the last one, and its answer."""
        candidate = self.candidates[name]
        reply: dict[str, Any] = {"status": "ok", "seconds": 0.0, "cpu": 0.0, "prepare": 0.0, "collect": 0.0, "detail": ""}
        reply["stolen"] = candidate.cell.thaw() / 1e9
        answer = b""
        try:
            candidate.wait_until_ready(timeout)
            for operation, payload in requests:
                before = candidate.cell.usage()
                spent, status, answer = candidate.exchange(operation, payload, timeout, limit)
                used = candidate.cell.usage() - before
                reply["seconds"], reply["cpu"] = spent / 1e9, used / 1e9
                if operation in UNTIMED:
                    reply[UNTIMED[operation]] = spent / 1e9
                if status:
                    reply["status"] = "exception"
                    break
        except Broken as broken:
            reply["status"], reply["detail"], answer = broken.status, broken.detail, b""
        if not candidate.cell.freeze_or_not():
            candidate.cell.kill()
            reply["status"], reply["detail"], answer = "timed_out", f"could not be stopped within {STOP_LIMIT:g} s after its turn", b""
        return reply, answer

    def do_stop(self, header: dict[str, Any]) -> Answer:
        remains, logs = [], []
        for name in header["names"]:
            resident = self.candidates.pop(name, None) or self.services.pop(name, None)
            if resident is not None:
                facts, log = resident.stop()
                remains.append({"name": name, **facts})
                logs.append(log)
        collect_orphans(self.pids())
        return {"remains": remains}, logs

    def do_run(self, header: dict[str, Any], stdin: bytes) -> Answer:
        def forward(index: int, data: bytes) -> None:
            if header["stream"] and data:
                self.send({"output": index}, [data])

        collect_orphans(self.pids())
        command = Command(header["process"], stdin, header["limit"], forward)
        return command.finish(header["timeout"], self.pids()), [bytes(kept) for kept in command.kept]


def main() -> int:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = Server(sys.stdin.buffer, sys.stdout.buffer)
    try:
        server.serve()
    except ControllerGone:
        return 0
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
