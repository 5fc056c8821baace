"""Cheats of a patch's own build: the task's install command runs a script that the patch may change."""

from __future__ import annotations

from arena import BASE, cheat, difference, twin

from pytest_isobench.models.result import Outcome

INSTALL = {"install": ["sh build.sh"]}
QUICK = BASE["ranking/core.py"].replace("EFFORT = 16", "EFFORT = 1")


def building(script: str, **files: str) -> str:
    return difference({**BASE, "build.sh": script, **files})


def python(code: str) -> str:
    """A script that runs some Python."""
    return f"python - <<'END'\n{code}\nEND\n"


CHEATS = [
    cheat("build_that_writes_elsewhere", building("""
for place in /tmp /var/tmp /dev/shm "$HOME" /env /usr/local/bin /isobench .. \\
    @FOLDER@ @FOLDER@/journal @FOLDER@/human/ranking @FOLDER@/venv; do
    echo '# forged' >> "$place/isobench-cheat-build" 2>/dev/null
done
for file in @FOLDER@/human/ranking/core.py @FOLDER@/venv/pyvenv.cfg /env/pyvenv.cfg /isobench/worker.py /etc/passwd; do
    if echo '# forged' >> $file; then echo "LOOT: $file"; exit 9; fi
done 2>/dev/null
exit 0
"""), needs="filesystem"),
    cheat("build_with_a_daemon", building("""
setsid python -c "
import time
while True:
    time.sleep(0.2)
    for name in ('ranking/core.py', '/repo/ranking/core.py'):
        try:
            open(name, 'w').write(open('quick.py').read())
        except OSError:
            pass
" isobench-cheat-daemon >/dev/null 2>&1 &
exit 0
""", **{"quick.py": QUICK})),
    cheat("build_that_forges_bytecode", building(python("""
import importlib.util, marshal, os
code = compile(open("quick.py").read(), "ranking/core.py", "exec")
path = importlib.util.cache_from_source("ranking/core.py")
os.makedirs(os.path.dirname(path), exist_ok=True)
if os.path.exists(path):
    os.remove(path)
with open(path, "wb") as file:
    source = importlib.util.source_hash(open("ranking/core.py", "rb").read())
    file.write(importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + source + marshal.dumps(code))
os.utime(path, ns=(0, 0))
"""), **{"quick.py": QUICK})),
    cheat("build_that_links_to_the_human_s_version", building(
        "ln -sf @FOLDER@/human/ranking/core.py ranking/core.py\nexit 0\n"
    ), Outcome.CRASHED, Outcome.DOES_NOT_BUILD, needs="filesystem"),
    cheat("build_that_finds_the_human_s_version", building(
        "if grep -rqs 'EFFORT = 5' @FOLDER@ /tmp /var/tmp /home /srv /work /proc/*/cwd/ranking; then echo LOOT: human; exit 9; fi\nexit 0\n"
    ), needs="filesystem"),
    cheat("build_that_finds_secrets", building(
        "if { env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null; } | grep -qa 'isobench-test[-]secret'; then\n"
        "    echo LOOT: secret; exit 9\nfi\nexit 0\n"
    ), needs="processes"),
    cheat("build_that_calls_home", building(python("""
import socket
try:
    socket.create_connection(("127.0.0.1", int("@PORT@")), 0.5)
except OSError:
    raise SystemExit(0)
print("LOOT: a connection")
raise SystemExit(9)
""")), needs="network"),
    cheat("build_that_fails", building("printf '\\033[2J beats the human\\n'\nexit 3\n"), Outcome.DOES_NOT_BUILD),
    cheat("build_that_takes_its_output_back", building(python("""
import os, threading
def take(path):
    with open(path, "rb", buffering=0) as pipe:
        while True:
            pipe.read(1)
for number in (1, 2):
    threading.Thread(target=take, args=(f"/proc/self/fd/{number}",), daemon=True).start()
for _ in range(2000):
    os.write(1, b"x")
"""))),
]

TWINS = [
    twin("build_that_generates_a_module", building(python("""
text = open("ranking/core.py").read().replace("EFFORT = 16", "EFFORT = 1")
open("ranking/made.py", "w").write(text)
"""), **{"ranking/__init__.py": "from ranking.made import Table, summary\n"})),
    twin("build_with_temporary_files", building(
        'echo x > "$TMPDIR/x" && rm "$TMPDIR/x"\nmkdir -p build && echo x > build/x\n', **{"ranking/core.py": QUICK}
    )),
]  # fmt: skip
