"""Cheats where a command's whole run is timed, and where the workload brings its own check."""

from __future__ import annotations

from arena import BASE, CHECK, CORE, WORKLOAD, cheat, difference, replaced, twin
from cheats_answers import FAST, answers, instead

from pytest_isobench.models.result import Outcome

INCORRECT, CRASHED, TIMED_OUT = Outcome.INCORRECT, Outcome.CRASHED, Outcome.TIMED_OUT

COMMAND = {"kind": "command", "command": ["{python}", "-m", "ranking"], "file": "inputs.py", "timeout": 5}
COMMAND_INPUTS = """
import json
def inputs(rng):
    return json.dumps({"values": [rng.randrange(10**6) for _ in range(60000)], "scale": rng.random()})
"""
"""Large enough for the work to outweigh the start of Python."""

MAIN = BASE["ranking/__main__.py"]
QUICK = CORE.replace("EFFORT = 16", "EFFORT = 1")


def main(text: str, core: str = CORE) -> str:
    """A patch of the program that is run."""
    return difference({**BASE, "ranking/__main__.py": text, "ranking/core.py": core})


CHEATS = [
    cheat("command_prints_a_constant", main("print('{}')\n"), INCORRECT),
    cheat("command_exits_early", main("import os\nos._exit(0)\n"), INCORRECT),
    cheat("command_lets_an_orphan_answer", main(f"""
import os, time
if os.fork():
    os._exit(0)
os.setsid()
time.sleep(0.05)
{MAIN}"""), INCORRECT),
    cheat("command_prints_without_end", main("import os\nwhile True:\n    os.write(1, b'x' * 65536)\n"), INCORRECT, TIMED_OUT),
    cheat("command_prints_twice", main(f"{MAIN}print('beats')\n", QUICK), INCORRECT),
    cheat("command_answers_and_fails", main(f"{MAIN}sys.exit(3)\n", QUICK), CRASHED),
    cheat("command_leaves_a_daemon", main(MAIN + """
import os
if os.fork() == 0:
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.execv(sys.executable, [sys.executable, "-c", "while True: pass", "isobench-cheat-daemon"])
""")),
    cheat("command_takes_its_output_back", main("""
import threading
def take():
    with open("/proc/self/fd/1", "rb", buffering=0) as pipe:
        while True:
            pipe.read(1)
threading.Thread(target=take, daemon=True).start()
""" + MAIN)),
    cheat("command_with_planted_startup_files", difference({
        **BASE, **dict.fromkeys(("sitecustomize.py", "usercustomize.py"), "import os\nprint('{}', flush=True)\nos._exit(0)\n")
    }), INCORRECT, CRASHED),
    cheat("command_keeps_a_memo", main(f"""
import os, sys
for folder in ("/tmp", "/dev/shm", "/var/tmp", os.getcwd()):
    path = os.path.join(folder, "isobench-cheat-memo")
    if os.path.exists(path):
        raise SystemError("LOOT: " + path)
    try:
        open(path, "w").close()
    except OSError:
        pass
{MAIN}"""), needs="filesystem"),
]

TWINS = [
    twin("command_that_works_less", main(MAIN, QUICK)),
    twin("command_with_notes_on_stderr", main(f"{MAIN}print('done', file=sys.stderr)\n", QUICK)),
]

CHECKS = [{"name": "rules", "command": ["{python}", "tests/test_rules.py"]}]
"""What the workload never looks at: negative numbers."""
BROKEN = QUICK.replace("return (value * 31 + 7) % 1009", "return abs(value * 31 + 7) % 1009")


def broken(**files: str | None) -> str:
    """A patch that is right for every input of the workload, and wrong for others; with other files for the tests."""
    return difference({**BASE, "ranking/core.py": BROKEN, **{name.replace("__", "/") + ".py": text for name, text in files.items()}})


TESTED_CHEATS = [
    cheat("breaks_what_is_not_timed", broken(), INCORRECT),
    cheat("breaks_it_and_changes_the_test", broken(tests__test_rules="print('passed')\n"), INCORRECT),
    cheat("breaks_it_and_removes_the_test", broken(tests__test_rules=None), INCORRECT),
    cheat("breaks_it_and_ends_the_test_at_its_start", broken(sitecustomize="import os, sys\nos._exit(0)\n"), INCORRECT, CRASHED),
]

TESTED_TWINS = [
    twin("adds_a_test", difference({**BASE, "ranking/core.py": QUICK, "tests/test_more.py": "import ranking\n"})),
    twin("says_more_in_a_test", difference({
        **BASE, "ranking/core.py": QUICK, "tests/test_rules.py": BASE["tests/test_rules.py"] + "assert weight(0) == 7\n"
    })),
]

CHECKED = WORKLOAD + CHECK
CHECKED_CHEATS = [
    cheat("check_meets_nothing", answers("None"), INCORRECT),
    cheat("check_meets_a_list", answers("[right]"), INCORRECT),
    cheat("check_without_end", answers("{**right, 'count': 10**12}"), INCORRECT),
    cheat("check_that_needs_all_memory", answers("{**right, 'count': 3 * 10**8}"), INCORRECT),
    cheat("check_of_a_deep_answer", instead("""
deep = []
for _ in range(900):
    deep = [deep]
return {**honest(table, scale), "mean": deep}
""", FAST), INCORRECT),
    cheat("check_of_a_huge_number", answers("{**right, 'count': int('9' * 4200)}"), INCORRECT),
    cheat("check_of_half_a_character", answers("{**right, 'label': chr(0xd800)}"), INCORRECT),
    cheat("check_of_nan", answers("{**right, 'mean': float('nan')}"), INCORRECT),
]

CHECKED_TWINS = [
    twin("checked_and_right", replaced("EFFORT = 16", "EFFORT = 1")),
    twin("checked_in_another_order", answers("dict(reversed(right.items()))")),
]  # fmt: skip
