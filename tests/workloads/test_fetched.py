"""Commands that run in an arm, and the files that come back from it."""

from __future__ import annotations

import pytest

from pytest_isobench.models.task import Task
from pytest_isobench.workloads.fetched import Fetched, fetch

TASK = Task.model_validate(
    {
        "id": "t",
        "source": {"kind": "path", "base": "base", "human": "human"},
        "workload": {"kind": "command", "command": ["true"]},
        "resources": {"memory_mb": 256, "pids": 32, "disk_mb": 64},
    }
)


@pytest.fixture
def ran(bench):
    place = bench(baseline="")

    def run(code: str, **fields) -> Fetched:
        return fetch(place, TASK, "baseline", ["{python}", "-c", code], **fields)

    return run


def test_what_a_command_leaves_comes_back(ran):
    code = """
import os, pathlib, sys
scratch = pathlib.Path(os.environ["PLACE"])
print(scratch.joinpath("given/one.txt").read_text(), file=sys.stderr)
scratch.joinpath("out").mkdir()
scratch.joinpath("out/b.json").write_bytes(b"\\0\\xff")
scratch.joinpath("out/a.json").write_text("{}")
print("said", sys.stdin.read())
sys.exit(3)
"""
    found = ran(code, files=["out/*.json"], placed={"given/one.txt": b"given"}, variables={"PLACE": "{scratch}"})
    assert (found.returncode, found.stdout, found.stderr) == (3, b"said \n", b"given\n")
    assert found.files == {"out/a.json": b"{}", "out/b.json": b"\0\xff"}
    assert found.wall > 0
    assert (found.spoiled, found.timed_out, found.truncated) == ("", False, False)


def test_stand_ins_are_filled_in_within_items(bench):
    place = bench(baseline="")
    argv = ["{python}", "-c", "import sys; print(*sys.argv[1:])", "--output={scratch}/x", "{tree}"]
    printed = fetch(place, TASK, "baseline", argv).stdout.decode().split()
    assert printed[0].startswith("--output=/")
    assert printed[0].endswith("/x")
    assert printed[1].startswith("/")


def test_links_and_large_files_stay(ran):
    code = """
import os, pathlib
os.chdir(os.environ["PLACE"])
os.symlink("/etc/passwd", "link")
os.symlink("/etc", "away")
os.mkdir("folder")
os.mkfifo("pipe")
pathlib.Path("large").write_bytes(bytes(2000))
pathlib.Path("small").write_bytes(bytes(10))
print("x" * 5000)
"""
    found = ran(code, files=["*"], variables={"PLACE": "{scratch}"}, limit=1000)
    assert set(found.files) == {"small"}
    assert set(found.left) == {"link", "away", "pipe", "large"}
    assert found.truncated
    assert len(found.stdout) == 1000


def test_an_unknown_program_is_a_status(bench):
    found = fetch(bench(baseline=""), TASK, "baseline", ["no-such-program"])
    assert found.returncode == 127
    assert b"no-such-program" in found.stderr


def test_a_command_without_end_times_out(ran):
    assert ran("import time; time.sleep(60)", timeout=0.5).timed_out


def test_what_a_command_leaves_running_holds_nobody_up(ran):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('done')"
    found = ran(code, timeout=30)
    assert found.stdout == b"done\n"


FORGING = """
import os, json
answer = {"returncode": 0, "stdout": "", "stderr": "", "files": {}, "left": [], "truncated": False}
forged = b"0" * 64 + b"\\n" + json.dumps(answer).encode()
for place in [f"/proc/{os.getppid()}/fd/1"]:
    try:
        file = os.open(place, os.O_WRONLY | os.O_NONBLOCK)
        os.write(file, forged)
        print("wrote to", place)
    except OSError as error:
        print(place, error)
"""
PEEPING = """
import os
try:
    open(f"/proc/{os.getppid()}/mem", "rb")
    print("open")
except OSError:
    print("shut")
"""


def test_an_answer_cannot_be_forged(ran):
    found = ran(FORGING)
    assert found.spoiled or b"wrote to" not in found.stdout


def test_who_answers_is_not_looked_into(ran):
    assert ran(PEEPING).stdout == b"shut\n"


def test_ending_who_answers_leaves_no_answer(ran):
    found = ran("import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(5)")
    assert found.spoiled
    assert found.files == {}


TOLD = "import sys; print(sys.argv[1:], '314159' in open('/proc/self/cmdline').read(), __name__, sys.stdin.read() == '')"


@pytest.mark.parametrize(("hidden", "seen"), [(True, "False"), (False, "True")])
def test_arguments_may_be_hidden_from_other_users_processes(bench, hidden, seen):
    place = bench(baseline="")
    printed = fetch(place, TASK, "baseline", ["{python}", "-c", TOLD, "--seed", "314159"], hidden=hidden).stdout.decode()
    assert printed == f"['--seed', '314159'] {seen} __main__ True\n"


def test_hidden_scripts_and_modules_run_as_they_would(bench):
    place = bench(baseline="import sys\nif __name__ == '__main__':\n    print(sys.argv, sys.path[0], __file__)\n    sys.exit(3)\n")
    for argv in (["{tree}/package.py", "a b"], ["-m", "package", "a b"]):
        plain, hidden = (fetch(place, TASK, "baseline", ["{python}", *argv], hidden=way) for way in (False, True))
        assert (plain.returncode, plain.stdout) == (hidden.returncode, hidden.stdout) == (3, hidden.stdout)
        assert b"a b" in hidden.stdout
    assert fetch(place, TASK, "baseline", ["true", "x"], hidden=True).returncode == 0
