"""Cheats in a candidate's own process and its children: memory, clocks, moved work, threads, and attacks on who plays next."""

from __future__ import annotations

from arena import answer, cheat, edited, indented, twin
from cheats_answers import FAST, instead

from pytest_isobench.models.result import Outcome

CHEATED, CRASHED, TIMED_OUT, INCORRECT = Outcome.CHEATED, Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.INCORRECT

FRAMES = """
import sys
def frame_of(name):
    frame = sys._getframe()
    while frame.f_code.co_name != name:
        frame = frame.f_back
    return frame
"""
"""Finds the worker's own frames: it runs in the candidate's process, which may do with it what it likes."""

BUSY = """
import time
def busy(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
"""

SPIN = "while True:\\n    x = bytearray(2**20)\\n"


def once(body: str, before: str = "") -> str:
    """Do something at the first call, and then what the baseline does."""
    attack = f"{before}\ndone = []\n\ndef attack():\n    done.append(1)\n{indented(body)}\n"
    return instead("done or attack()\nreturn honest(table, scale)", attack)


WORK_CHEATS = [
    # memory of earlier calls
    cheat("memo", instead("""
key = tuple(table.values), scale
if key not in seen:
    seen[key] = honest(table, scale)
return seen[key]
""", "seen = {}")),
    cheat("memo_lru_cache", instead("return cached(tuple(table.values), scale)", """import functools
@functools.lru_cache(maxsize=None)
def cached(values, scale):
    return honest(Table(values), scale)
""")),
    # the clock and the collector
    cheat("patched_clocks", edited("""
import time
for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
    setattr(time, name, lambda: 0.0)
    setattr(time, name + "_ns", lambda: 0)
time.clock_gettime = time.clock_gettime_ns = lambda _: 0
time.sleep = lambda _: None
""")),
    cheat("patched_collector", edited("""
import gc
gc.disable()
gc.freeze()
gc.set_threshold(0)
gc.collect = lambda *_: 0
gc.enable = gc.set_threshold = lambda *_: None
""")),
    cheat("patched_json", edited("import json\njson.dumps = lambda *_, **__: '[]'"), INCORRECT),
    cheat("patched_json_decoder", edited("import json\njson.loads = lambda *_, **__: []"), INCORRECT, CRASHED),
    cheat("patched_struct_and_os", edited("""
import os, struct
os.write = os.read = lambda *_: 0
class Struct:
    size = 25
    def pack(self, *_):
        return b"\\0" * 25
    def unpack(self, *_):
        return 0, 82, b""
struct.Struct = Struct
""")),
    # the worker's frames
    cheat("early_answer", once("""
frame = frame_of("serve")
answers, nonce = frame.f_locals["answers"], frame.f_locals["nonce"]
answers.write(struct.pack(">QB16s", 2, 0, nonce) + b"[]")
answers.flush()
""", FRAMES + "import struct"), CHEATED, finding="private_pipe"),
    cheat("answer_before_the_request", edited(FRAMES + """
import struct
answers = frame_of("serve").f_locals["answers"]
answers.write(struct.pack(">QB16s", 2, 0, b"?" * 16) + b"[]")
answers.flush()
"""), CHEATED, finding="private_pipe"),
    cheat("answer_through_every_descriptor", once("""
for number in range(3, 64):
    try:
        os.write(number, b"\\0" * 25)
    except OSError:
        pass
""", "import os"), CHEATED, finding="private_pipe"),
    cheat("closed_pipe", once("os.closerange(3, 64)", "import os"), CHEATED, CRASHED),
    cheat("pipe_read_back", edited("""
import os, threading
def take(path):
    with open(path, "rb", buffering=0) as pipe:
        while True:
            pipe.read(1)
for path in (f"/proc/self/fd/{number}" for number in range(3, 16)):
    for _ in range(4 if os.path.exists(path) and os.readlink(path).startswith("pipe:") else 0):
        threading.Thread(target=take, args=(path,), daemon=True).start()
""")),
    cheat("work_in_a_hooked_prepare", edited(FRAMES + """
def hook():
    frame = frame_of("serve")
    worker, operations = frame.f_locals["worker"], frame.f_locals["operations"]
    prepare = operations["P"]
    def work_ahead(payload):
        prepare(payload)
        worker.prepared = [summary(*prepared) for prepared in worker.prepared]
    operations["G"] = lambda _: None
    operations["P"] = work_ahead
    operations["R"] = lambda _: worker.prepared
hook()
"""), CHEATED, finding="work_in_prepare"),
    cheat("work_in_a_constructor", edited(f"""
class Table:
    def __init__(self, values):
        self.values = list(values)
        for _ in range(EFFORT):
            self.weights = [weight(value) for value in self.values]

def summary(table, scale):
    return {answer("table.weights")}
"""), CHEATED, finding="work_in_prepare"),
    cheat("work_in_a_replaced_run", edited("""
import sys
ahead = []
class Table(Table):
    def __init__(self, values):
        super().__init__(values)
        ahead.append(honest(self, 1.0))
        sys.modules["isobench_workload"].run = lambda prepared: scaled(ahead.pop(0), prepared[1])
honest = summary
def scaled(answer, scale):
    return {**answer, "mean": answer["mean"] * scale}
"""), CHEATED, finding="work_in_prepare"),
    cheat("work_at_import", edited(f"{BUSY}busy(1.2)\n{FAST}"), CHEATED, finding="work_in_import"),
    cheat("work_in_the_warm_up", once("busy(1.2)", BUSY + FAST), CHEATED, finding="work_in_import"),
    cheat("work_while_collecting", edited(BUSY + FRAMES + FAST + """
def hook():
    frame_of("serve").f_locals["operations"]["G"] = lambda _: busy(0.18)
hook()
"""), CHEATED, finding="work_in_import"),
]

CHEATS = [
    # who goes on after the answer
    cheat("thread_that_goes_on", once("threading.Thread(target=spin, daemon=True).start()", """import threading
def spin():
    while True:
        pass
""")),
    cheat("thread_that_works_ahead", instead("""
wanted.append((table, scale))
if not worker:
    worker.append(threading.Thread(target=ahead, daemon=True))
    worker[0].start()
return honest(table, scale)
""", """import threading, time
wanted, worker = [], []
def ahead():
    while True:
        if wanted:
            honest(*wanted[-1])
""")),
    cheat("children_that_go_on", once("""
for _ in range(3):
    subprocess.Popen([sys.executable, "-c", SPIN])
""", f"import subprocess, sys\nSPIN = '{SPIN}'"), finding="left_processes"),
    cheat("daemon", once("""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", SPIN, "isobench-cheat-daemon"])
    os._exit(0)
""", f"import os, sys\nSPIN = '{SPIN}'"), finding="left_processes"),
    cheat("children_that_wake_each_other", once("""
pids = []
for _ in range(4):
    if (pid := os.fork()) == 0:
        while True:
            for other in range(2, 30):
                try:
                    os.kill(other, signal.SIGCONT)
                except OSError:
                    pass
""", "import os, signal")),
    cheat("process_without_its_first_thread", once("""
if os.fork() == 0:
    threading.Thread(target=spin).start()
    ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)
""", """import ctypes, os, threading
def spin():
    while True:
        pass
"""), finding="left_processes"),
    cheat("process_with_a_strange_name", once("""
libc = ctypes.CDLL(None)
libc.prctl(15, b"\\xff\\xfe) Z 1\\n", 0, 0, 0)
if os.fork() == 0:
    time.sleep(100)
""", "import ctypes, os, time"), finding="left_processes"),
    # who slows the others
    cheat("higher_priority", once("""
for attempt in (
    lambda: os.nice(-20),
    lambda: os.setpriority(os.PRIO_PROCESS, 0, -20),
    lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
    lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)),
):
    try:
        attempt()
    except OSError:
        continue
    raise SystemError("LOOT: a priority")
""", "import os")),
    cheat("other_cores", instead("""
try:
    os.sched_setaffinity(0, range(os.cpu_count()))
except OSError:
    pass
if len(os.sched_getaffinity(0)) > 1:
    raise SystemError("LOOT: another core")
return honest(table, scale)
""", "import os"), needs="processes"),
    cheat("signals_to_everybody", once("""
me = os.getpid()
for pid in (1, os.getppid(), *range(2, 400)):
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
        try:
            if pid != me:
                os.kill(pid, number)
        except OSError:
            pass
""", "import os, signal"), needs="processes"),
    cheat("signal_to_all_at_once", once("os.kill(-1, signal.SIGKILL)", "import os, signal"), needs="processes"),
    cheat("stops_itself", once("os.kill(os.getpid(), signal.SIGSTOP)", "import os, signal"), TIMED_OUT),
    cheat("fork_bomb", once("""
while True:
    try:
        os.fork()
    except OSError:
        pass
""", "import os"), TIMED_OUT, CRASHED, CHEATED, needs="processes"),
    cheat("thread_bomb", once("""
import time
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
except (RuntimeError, MemoryError):
    pass
""", "import threading")),
    cheat("descriptor_bomb", once("""
held = []
try:
    while True:
        held.append(open(os.devnull))
except OSError:
    pass
""", "import os")),
    cheat("memory_fill", once("""
held = []
while True:
    held.append(bytearray(b"x" * 2**24))
"""), CRASHED, TIMED_OUT),
    cheat("memory_in_children", once("""
for _ in range(20):
    if os.fork() == 0:
        try:
            held = bytearray(b"x" * (150 * 2**20))
            time.sleep(60)
        finally:
            os._exit(0)
time.sleep(0.2)
""", "import os, time"), needs="limits"),
    cheat("disk_fill", once("""
for folder in ("/tmp", "/dev/shm", os.environ.get("TMPDIR", "/tmp")):
    try:
        with open(os.path.join(folder, "isobench-cheat-fill"), "wb") as file:
            while True:
                file.write(b"x" * 2**20)
    except OSError:
        pass
""", "import os"), needs="filesystem"),
    cheat("log_flood", once("""
try:
    while True:
        os.write(2, b"[isobench] beats the human x99\\n" * 4096)
except OSError:
    pass
""", "import os, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)")),
    cheat("long_system_calls", once("threading.Thread(target=populate, daemon=True).start()", """import mmap, threading
def populate():
    while True:
        try:
            mmap.mmap(-1, 100 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()
        except OSError:
            pass
""")),
    # who chooses the rounds that count
    cheat("unsteady_on_purpose", instead("""
if random.random() < 0.2:
    time.sleep(0.003)
return honest(table, scale)
""", "import random, time")),
    cheat("spoils_rounds_that_it_loses", instead("""
begin = time.perf_counter()
answer = honest(table, scale)
spent = time.perf_counter() - begin
best[0] = min(best[0], spent)
if spent > 1.02 * best[0]:
    time.sleep(0.002)
return answer
""", "import time\nbest = [1.0]")),
    cheat("slow_preparation_to_spend_the_budget", edited("""
import time
class Table(Table):
    def __init__(self, values):
        super().__init__(values)
        time.sleep(0.02)
"""), CHEATED, finding="work_in_prepare"),
]

WORK_TWINS = [
    twin("dearer_constructor", edited(FAST + """
class Table:
    def __init__(self, values):
        self.values = list(values)
        self.size = len(self.values)
        self.name = f"{self.size} numbers"
""")),
    twin("table_at_import", edited("""
WEIGHTS = [weight(value) for value in range(1009)]
def weight(value, WEIGHTS=WEIGHTS):
    return WEIGHTS[value % 1009]
EFFORT = 3
""")),
    twin("collector_paused_and_resumed", instead("""
gc.disable()
try:
    return honest(table, scale)
finally:
    gc.enable()
""", "import gc\n" + FAST)),
    twin("more_libraries", edited("import argparse, decimal, email.message, fractions, http.client, logging, sqlite3, unittest\n" + FAST)),
]

TWINS = [
    twin("two_threads_that_are_joined", instead("""
found = {}
halves = [threading.Thread(target=lambda: found.update(honest(table, scale))) for _ in range(2)]
for half in halves:
    half.start()
for half in halves:
    half.join()
return found
""", "import threading\n" + FAST)),
    twin("a_child_that_is_waited_for", instead("""
if not known:
    known.append(subprocess.run([sys.executable, "-I", "-S", "-c", "print(1)"], capture_output=True).stdout)
return honest(table, scale)
""", "import subprocess, sys\nknown = []\n" + FAST)),
    twin("a_resting_pool", instead("return pool.submit(honest, table, scale).result()", f"""
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(2)
{FAST}""")),
    twin("a_temporary_file", instead("""
with tempfile.TemporaryFile() as file:
    file.write(b"x" * 1000)
return honest(table, scale)
""", "import tempfile\n" + FAST)),
]  # fmt: skip
