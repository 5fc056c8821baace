"""Agents of files at work: what they make is recorded with how they ended; what the machine spoilt is made again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_isobench.agents import attempting, live
from pytest_isobench.agents.base import AgentContext, Assignment
from pytest_isobench.agents.live import LiveAgent
from pytest_isobench.agents.running import Progress
from pytest_isobench.agents.shingles import PromptLeakError
from pytest_isobench.agents.store import AttemptStore
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.patches import parse_patch
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.errors import AgentError, NoPatchError, UsageError
from pytest_isobench.models.agent import AgentSpec, AgentStatus
from pytest_isobench.models.task import Task
from pytest_isobench.sandboxes.local import LocalProvider

SLOW = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result += number\n    return result\n"
EDIT = "sed -i 's/result = 0/result = 0  # tuned/' sums.py"
RECORD = {
    "id": "sums",
    "description": "Add up ten thousand numbers.",
    "source": {"kind": "path", "base": "base", "human": "human"},
    "workload": {"kind": "python", "code": "def run(x): pass"},
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o755)
    return folder


@pytest.fixture
def assignment(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Assignment:
    monkeypatch.setenv("ISOBENCH_CACHE", str(cache))
    for name, text in (("base", SLOW), ("human", "def total(numbers):\n    return sum(value for value in iter(numbers))\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sums.py").write_text(text)
    task = Task.model_validate(RECORD)
    return Assignment(task=task, attempt=0, source=make_source(task, tmp_path, Cache(cache)), folder=tmp_path)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., LiveAgent]:
    monkeypatch.setattr(live, "FIRST_WAIT", 0.01)

    def make(script: str = EDIT, *, runs: bool = True, **fields: object) -> LiveAgent:
        given = {"version": 1, "driver": "command", "command": ("/bin/sh", "-c", script), **fields}
        context = AgentContext(directory=tmp_path, patches=tmp_path / "patches", provider=LocalProvider if runs else None)
        return LiveAgent("coder", AgentSpec.model_validate(given), context)

    return make


def test_what_an_agent_makes_is_recorded(agent: Callable[..., LiveAgent], assignment: Assignment, tmp_path: Path) -> None:
    script = f"cat > $TMPDIR/prompt; {EDIT}; echo thinking; echo '{{\"input_tokens\": 7, \"usd\": 0.5}}' > $HOME/usage.json"
    coder = agent(script)
    record = coder.make(assignment)
    assert (record.status, record.tries, record.base, record.files) == (AgentStatus.MADE_PATCH, 1, "base", ("sums.py",))
    assert (record.usage.input_tokens, record.usage.usd) == (7, 0.5)
    assert record.first_edit is not None
    submission = coder.submit(assignment)
    assert submission.record == record == AttemptStore(tmp_path / "patches/coder").record("sums", 0)
    assert "+    result = 0  # tuned" in str(submission.patch)
    assert record.patch_digest == parse_patch(str(submission.patch)).digest
    kept = tmp_path / "patches/coder/sums.0"
    assert (kept / "prompt.md").read_text().startswith("# Make this code faster\n\nAdd up ten thousand numbers.")
    assert (kept / "output.txt").read_text() == "thinking\n"
    assert not (kept / "stdout.txt").exists()


@pytest.mark.soak
@pytest.mark.parametrize(
    ("script", "fields", "status", "patched"),
    [
        ("true", {}, AgentStatus.MADE_NONE, False),
        ("exit 3", {}, AgentStatus.GAVE_UP, False),
        (f"{EDIT}; exit 3", {}, AgentStatus.GAVE_UP, True),
        (f"{EDIT}; exec sleep 300", {"budget": {"minutes": 0.05}}, AgentStatus.OUT_OF_TIME, True),
        (f"{EDIT}; exit 127", {}, AgentStatus.PROGRAM_FAILURE, True),
        ("exit 75", {"retries": 2}, AgentStatus.API_FAILURE, False),
    ],
)
def test_how_it_ended(
    agent: Callable[..., LiveAgent], assignment: Assignment, script: str, fields: dict[str, object], status: AgentStatus, patched: bool
) -> None:
    coder = agent(script, **fields)
    record = coder.make(assignment)
    assert (record.status, record.patch_digest is not None) == (status, patched)
    assert record.tries == 1 + (2 if status is AgentStatus.API_FAILURE else 0)
    without = agent(script, runs=False, **fields)
    if status in (AgentStatus.API_FAILURE, AgentStatus.PROGRAM_FAILURE):
        with pytest.raises(AgentError, match=status.value.replace("_", " ")):
            without.submit(assignment)
    elif patched:
        assert "tuned" in str(without.submit(assignment).patch)
    else:
        with pytest.raises(NoPatchError, match=f"coder has no patch: {status.value.replace('_', ' ')}"):
            without.submit(assignment)


def test_a_failure_of_the_service_is_tried_again(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    heard = list[str]()
    with socket.create_server(("127.0.0.1", 0)) as service:
        port = service.getsockname()[1]

        def answer() -> None:
            for said in (b"75", b"0"):
                client, _ = service.accept()
                with client:
                    client.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        ask = f"import socket; print(socket.create_connection(('127.0.0.1', {port})).recv(9).decode())"
        script = f'grep tuned sums.py && exit 1; {EDIT}; exit $(python -c "{ask}")'
        record = agent(script, hosts=[f"127.0.0.1:{port}"]).make(assignment, progress=lambda now: heard.append(now.phase))
    assert (record.status, record.tries, record.files) == (AgentStatus.MADE_PATCH, 2, ("sums.py",))
    assert any(text.startswith("waiting 0 s before try 2") for text in heard)


def test_nothing_is_made_without_permission(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    with pytest.raises(NoPatchError, match=r"there is no .*sums\.0\.diff"):
        agent(runs=False).submit(assignment)


@pytest.mark.soak
def test_what_is_recorded_is_not_made_again(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    agent("true").make(assignment)
    with pytest.raises(NoPatchError, match="made none"):
        agent(EDIT).submit(assignment)
    agent("exit 127").make(assignment)
    assert "tuned" in str(agent(EDIT).submit(assignment).patch)


def test_a_patch_without_a_record_is_not_replaced(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    coder = agent()
    coder.folder.mkdir(parents=True)
    (coder.folder / "sums.0.diff").write_text("")
    assert coder.submit(assignment).record is None
    with pytest.raises(UsageError, match=r"sums\.0\.diff is there, and no record"):
        coder.make(assignment)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("script", "status", "patched"),
    [
        (f"{EDIT}; kill -9 $PPID; sleep 300", AgentStatus.GAVE_UP, True),
        (f"{EDIT}; kill -9 $$", AgentStatus.GAVE_UP, True),
        ("truncate -s 20M sums.py", AgentStatus.MADE_NONE, False),
        (f"{EDIT}; truncate -s 20M new.bin", AgentStatus.MADE_PATCH, True),
        (f"{EDIT}; rm -r * .git; ln -s /etc/passwd sums.py", AgentStatus.MADE_NONE, False),
        (f"{EDIT}; chmod 000 sums.py .", AgentStatus.MADE_PATCH, True),
        (f"mkdir many; cd many; seq 20100 | xargs touch; cd ..; {EDIT}", AgentStatus.MADE_NONE, False),
    ],
)
def test_what_an_agent_does_is_its_own_doing(
    agent: Callable[..., LiveAgent], assignment: Assignment, script: str, status: AgentStatus, patched: bool
) -> None:
    record = agent(script).make(assignment)
    assert (record.status, record.patch_digest is not None) == (status, patched), record.reasons
    assert record.final


@pytest.mark.soak
def test_stop_keeps_what_was_made(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    stop = threading.Event()

    def progress(now: Progress) -> None:
        if now.edited:
            stop.set()

    record = agent(f"{EDIT}; while :; do echo on; sleep 0.3; done").make(assignment, progress=progress, stop=stop)
    assert (record.status, record.files) == (AgentStatus.INTERRUPTED, ("sums.py",))
    assert not record.final


def test_a_secret_stays_out_of_everything(
    agent: Callable[..., LiveAgent], assignment: Assignment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CODER_KEY", "very-secret-4711")
    script = f"{EDIT}; echo $CODER_KEY | tee -a sums.py; echo $CODER_KEY >&2; echo $CODER_KEY > notes; touch $CODER_KEY.log; exit 3"
    record = agent(script, environment=["CODER_KEY"]).make(assignment)
    assert (record.patch_digest, [finding.kind for finding in record.findings]) == (None, ["secret_in_patch"])
    everything = b"".join(path.read_bytes() for path in (tmp_path / "patches").rglob("*") if path.is_file())
    assert b"very-secret" not in everything
    assert b"***" in everything


@pytest.mark.soak
def test_an_agent_sees_neither_the_task_file_nor_other_attempts(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    if not LocalProvider().isolation().filesystem:
        pytest.skip("this machine's sandbox shows the machine's files")
    agent(f"{EDIT}; echo REMARKABLE >> sums.py").make(assignment)
    places = "$(ls -d /* | grep -vE '^/(proc|sys|dev|usr|lib.*|s?bin)$')"
    script = f"grep -rlE 'REMARKABLE|iter[(]numbers' {places} 2>/dev/null; git rev-list --all --count; git stash list; true"
    second = replace(assignment, attempt=1)
    record = agent(script).make(second)
    output = Path(str(agent().store.kept("sums", 1)), "output.txt").read_text()
    assert (record.status, output) == (AgentStatus.MADE_NONE, "1\n")


def test_the_network_is_closed_but_for_listed_hosts(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    if not LocalProvider().isolation().network:
        pytest.skip("this machine's sandbox has no closed network")
    ask = "import urllib.request as u\ntry: u.urlopen('http://upstream.example/')\nexcept OSError as e: print(e)"
    record = agent(f'python -c "{ask}"').make(assignment)
    assert (record.network, [finding.kind for finding in record.findings]) == ("listed_hosts", ["network_refused"])
    assert "upstream.example:80" in record.findings[0].message


def test_key_follows_what_an_attempt_depends_on(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    key = agent().key(assignment)
    assert key == agent(retries=7, description="x").key(replace(assignment, attempt=3))
    assert key != agent(model="other").key(assignment)
    told = assignment.task.model_copy(update={"description": "Add up a million numbers."})
    assert key != agent().key(replace(assignment, task=told))


def test_a_prompt_with_the_answer_is_refused(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    told = assignment.task.model_copy(update={"description": "Write\nreturn sum(value for value in iter(numbers))\nthere."})
    with pytest.raises(PromptLeakError, match="gives something away"):
        agent().make(replace(assignment, task=told))


def test_a_program_that_is_not_installed(agent: Callable[..., LiveAgent], assignment: Assignment) -> None:
    with pytest.raises(UsageError, match="'no-such-agent' is not installed"):
        agent(command=["no-such-agent"]).make(assignment)


def test_a_key_that_is_not_set(agent: Callable[..., LiveAgent], assignment: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "CODEX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=r"needs a key: set .*OPENAI_API_KEY"):
        agent(driver="codex", command=["/bin/true"]).make(assignment)


def test_versions_are_told_without_the_caller_s_variables(agent: Callable[..., LiveAgent], assignment: Assignment, tmp_path: Path) -> None:
    program = tmp_path / "teller"
    program.write_text(f'#!/bin/sh\necho "teller 1.2 $ISOBENCH_CACHE"; exec {sys.executable} -c pass\n')
    program.chmod(0o755)
    spec = AgentSpec.model_validate({"version": 1, "driver": "claude_code", "command": (str(program),)})
    made = attempting.Attempting(spec, assignment, AgentContext(directory=tmp_path, patches=tmp_path))
    assert made.program == "teller 1.2"
    assert os.environ["ISOBENCH_CACHE"]


PROJECT = {
    "tasks/sums.yaml": {"version": 1, "tasks": [RECORD]},
    "agents/coder.yaml": {"version": 1, "driver": "command", "command": ["/bin/sh", "-c", EDIT]},
}


@pytest.mark.soak
def test_interrupting_pytest_ends_the_agent_and_keeps_its_work(assignment: Assignment, tmp_path: Path) -> None:
    script = f"{EDIT}; while :; do echo on; sleep 0.2; done"
    files = {**PROJECT, "agents/coder.yaml": {"version": 1, "driver": "command", "command": ["/bin/sh", "-c", script]}}
    for name, value in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(value))
    for folder in ("base", "human"):
        (tmp_path / folder).rename(tmp_path / "tasks" / folder)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(
        "import os, signal, pytest_isobench.agents.live as live\n"
        "told, sent = live.said, []\n"
        "def said(now):\n"
        "    if now.edited and not sent:\n"
        "        sent.append(os.kill(os.getpid(), signal.SIGINT))\n"
        "    return told(now)\n"
        "live.said = said\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--isobench-agent=coder", "--isobench-run-agents"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2, done.stdout
    record = AttemptStore(tmp_path / "fixtures/patches/coder").record("sums", 0)
    assert record is not None
    assert (record.status, record.files) == (AgentStatus.INTERRUPTED, ("sums.py",))
