"""Runs of the original ISO-Bench as recorded attempts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_isobench.agents.store import AttemptStore
from pytest_isobench.dataset.stubs import Broken, Stub
from pytest_isobench.models.agent import AgentStatus, AttemptRecord
from pytest_isobench.preparing.importing import Import, import_runs, without_own
from pytest_isobench.preparing.original import slug

REAL = Path(__file__).parents[2] / ".." / "shared" / "iso_bench_data" / "runs"
HUMAN, BASE = "8aa1485f" + "1" * 32, "7" * 40
DIFF = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-1\n+2\n"
OWN = "diff --git a/model_patch.diff b/model_patch.diff\nnew file mode 100644\n--- /dev/null\n+++ b/model_patch.diff\n@@ -0,0 +1,2 @@\n"
NESTED = f"{OWN}+diff --git a/x.py b/x.py\n+--- a/x.py\n"
BAD_REQUEST = "Error code: 400 - {'message': 'no tool output'}"
STEP = {"state": "completed", "llm_response": {"content": "x"}}


class Runs:
    """A folder with runs."""

    def __init__(self, folder: Path) -> None:
        self.root, self.patches = folder / "runs", folder / "patches"

    def add(self, place: str, patch: str | None = DIFF, *, human: str = HUMAN, files: dict[str, str] | None = None, **journal: Any) -> Path:
        """Add an item; fields of the journal may be given."""
        folder = self.root / place
        folder.mkdir(parents=True, exist_ok=True)
        commits = {"commits": {"human": human, "pre": BASE}}
        (folder / "journal.json").write_text(json.dumps({"task_id": "core", "status": "success", **commits, **journal}))
        (folder / "prompt.json").write_text(json.dumps({"task": "vLLM core performance", **commits}))
        (folder / "task.txt").write_text("Make it fast.")
        if patch is not None:
            (folder / "model_patch.diff").write_text(patch)
        for name, text in (files or {}).items():
            (folder / name).write_text(text)
        return folder

    def take(self, *stubs: Stub, agent: str | None = None) -> Import:
        return import_runs(self.root, self.patches, stubs, agent)

    def only(self, *stubs: Stub) -> AttemptRecord:
        (attempt,) = self.take(*stubs).attempts
        return attempt.record

    def state(self) -> dict[str, tuple[int, bytes]]:
        files = [path for path in sorted(self.patches.rglob("*")) if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def stub(name: str, human: str = HUMAN, base: str = "") -> Stub:
    return Stub(path=Path("t.yaml"), line=1, id=name, body=Broken("none"), human=human, base=base)


def trajectory(error: str | None, *, success: bool = False, result: str | None = None) -> str:
    calls = [{"response": {"model": "gpt", "usage": {"input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 4}}}] * 3
    record = {"provider": "openai", "max_steps": 9, "success": success, "final_result": result, "end_time": "now"}
    return json.dumps({**record, "llm_interactions": calls, "agent_steps": [STEP, {**STEP, "error": error}]})


def test_a_run_becomes_an_attempt(runs: Runs) -> None:
    place = "vllm/trae/gpt-5/2025-11-06_03-26-11/vllm_core-0007"
    section = {"duration_s": 100.5, "returncode": 0, "time_budget_minutes": 60}
    more = {"trae": section, "metrics": {"time_to_first_edit_s": 3.5}, "timestamps": {"written": 1762385127.5}}
    runs.add(place, DIFF + NESTED, files={"trajectory.json": trajectory(None, success=True), "trae_stdout.txt": "said"}, **more)
    record = runs.only()
    assert (record.task, record.agent, record.attempt, record.status) == ("vllm-8aa1485f", "trae_gpt5", 0, AgentStatus.MADE_PATCH)
    assert (record.driver, record.model, record.models, record.base) == ("trae", "gpt-5", ("gpt",), BASE)
    assert (record.seconds, record.first_edit, record.started) == (100.5, 3.5, "2025-11-05T23:23:47+00:00")
    assert (record.usage.input_tokens, record.usage.cached_tokens, record.usage.output_tokens, record.steps) == (30, 12, 6, 3)
    assert (record.files, record.origin, record.key) == (("x.py",), place, "")
    assert [(each.path, each.rule) for each in record.excluded] == [("model_patch.diff", "a benchmark's runner")]
    store = AttemptStore(runs.patches / "trae_gpt5")
    assert store.record("vllm-8aa1485f", 0) == record
    assert store.diff("vllm-8aa1485f", 0).read_text() == DIFF
    kept = {path.name: path.read_text() for path in store.kept("vllm-8aa1485f", 0).iterdir()}
    assert (kept["prompt.md"], kept["stdout.txt"]) == ("Make it fast.", "said")
    assert "trajectory.json" in kept


@pytest.mark.parametrize("above", ["vllm/claude_code/default/2025-12-22_21-40-38", "x/vllm/claude_code/default", "vllm/claude_code"])
def test_items_are_found_however_deep_they_lie(runs: Runs, above: str) -> None:
    runs.add(f"{above}/one")
    record = runs.only()
    assert (record.task, record.agent, record.driver) == ("vllm-8aa1485f", "claude_code", "claude_code")


def test_without_telling_folders_the_files_tell(runs: Runs) -> None:
    runs.add("one", codex_cli={"returncode": 0})
    record = runs.only()
    assert (record.task, record.agent, record.driver) == ("vllm-8aa1485f", "codex_cli", "codex")


def test_the_folder_of_one_item_can_be_imported(runs: Runs) -> None:
    runs.root = runs.add("vllm/codex/gpt-5/one")
    assert runs.only().agent == "codex_gpt5"


LIMIT = "Task execution exceeded maximum steps without completion."
JUDGED = [
    ("success", DIFF, {}, {}, AgentStatus.MADE_PATCH),
    ("success", "", {}, {}, AgentStatus.MADE_NONE),
    ("success", NESTED, {}, {}, AgentStatus.MADE_NONE),
    ("success", None, {}, {}, AgentStatus.MADE_NONE),
    ("max_steps_exceeded", DIFF, {}, {}, AgentStatus.OUT_OF_BUDGET),
    ("success", DIFF, {"trajectory.json": trajectory(None, result=LIMIT)}, {}, AgentStatus.OUT_OF_BUDGET),
    ("error", "", {}, {"trae": {"duration_s": 3601.0, "time_budget_minutes": 60}}, AgentStatus.OUT_OF_TIME),
    ("timeout", DIFF, {}, {}, AgentStatus.OUT_OF_TIME),
    ("exception", "", {}, {"error": "[Errno 2] No such file", "error_type": "FileNotFoundError"}, AgentStatus.PROGRAM_FAILURE),
    ("error", "", {}, {"error": "Error code: 429 - slow down"}, AgentStatus.API_FAILURE),
    ("error", "", {}, {}, AgentStatus.PROGRAM_FAILURE),
    ("error", "", {"trae_stdout.txt": "Error: Config file not found."}, {}, AgentStatus.PROGRAM_FAILURE),
    ("error", "", {"trajectory.json": trajectory("Error code: 503 - overloaded")}, {}, AgentStatus.API_FAILURE),
    ("success", DIFF, {"trajectory.json": trajectory("Error code: 503 - overloaded")}, {}, AgentStatus.API_FAILURE),
    ("error", "", {"trajectory.json": trajectory(BAD_REQUEST)}, {}, AgentStatus.GAVE_UP),
    ("success", DIFF, {"trajectory.json": trajectory(BAD_REQUEST)}, {}, AgentStatus.MADE_PATCH),
    ("error", "", {"trajectory.json": trajectory(None, success=True)}, {}, AgentStatus.MADE_NONE),
    ("error", DIFF, {}, {}, AgentStatus.MADE_PATCH),
]


@pytest.mark.parametrize(("said", "patch", "files", "journal", "status"), JUDGED)
def test_how_it_ended_follows_from_all_evidence(
    runs: Runs, said: str, patch: str | None, files: dict[str, str], journal: dict[str, Any], status: AgentStatus
) -> None:
    runs.add("vllm/trae/gpt-5/one", patch, files=files, **{"status": said, **journal})
    record = runs.only()
    assert record.status is status
    assert (record.patch_digest is not None) == AttemptStore(runs.patches / "trae_gpt5").diff(record.task, 0).exists() == (patch == DIFF)
    assert record.reasons or status in (AgentStatus.MADE_PATCH, AgentStatus.MADE_NONE)


@pytest.mark.parametrize(("patch", "status"), [(None, AgentStatus.INTERRUPTED), (DIFF, AgentStatus.MADE_PATCH)])
@pytest.mark.parametrize("journal", ["", "{", "[]", None])
def test_an_empty_journal_is_a_run_that_was_cut_off(runs: Runs, journal: str | None, patch: str | None, status: AgentStatus) -> None:
    file = runs.add("vllm/claude_code/default/one", patch) / "journal.json"
    file.unlink() if journal is None else file.write_text(journal)
    record = runs.only()
    assert (record.task, record.status) == ("vllm-8aa1485f", status)


def test_what_cannot_be_imported_is_named_and_takes_nothing_with_it(runs: Runs) -> None:
    runs.add("vllm/trae/gpt-5/good")
    runs.add("vllm/trae/gpt-5/torn", human="HEAD", files={"prompt.json": ""})
    runs.add("vllm/trae/gpt-5/odd", files={"prompt.json": json.dumps({"commits": {"human": "f" * 40}})})
    runs.add("whose", files={"prompt.json": ""})
    runs.add("vllm/trae/gpt-5/other", human="feedbeef")
    done = runs.take(stub("task", "feedbeef" + "0" * 32, "6" * 40))
    assert [each.record.origin for each in done.attempts] == ["vllm/trae/gpt-5/good"]
    said = {each.name.rpartition("/")[2]: each.reason for each in done.refused}
    assert said["torn"] == "no file says which commit it was about: 'HEAD' is none"
    assert said["odd"].startswith("its files disagree on the human commit: ")
    assert said["whose"] == "nothing says which agent it was; name it with --agent"
    assert said["other"] == f"its base is {BASE}, and task starts from {'6' * 40}"


def test_tasks_are_found_by_commit_alone(runs: Runs) -> None:
    runs.add("vllm/trae/gpt-5/core-0001", human="8aa1485f")
    runs.add("vllm/trae/gpt-5/later/core-0001", human="c" * 40)
    done = runs.take(stub("one", base=BASE[:9]), stub("two", base="main"), stub("core-0001", human="d" * 40))
    assert sorted(each.record.task for each in done.attempts) == ["one", "two", "vllm-cccccccc"]


def test_several_runs_of_a_commit_are_attempts_in_order_of_time(runs: Runs) -> None:
    times = {"b": 1760000300.0, "a": 1760000200.0, "c": 1760000100.0}
    for name, written in times.items():
        runs.add(f"vllm/trae/gpt-5/{name}", DIFF.replace("+2", f"+{written}"), timestamps={"written": written})
    runs.add("vllm/trae/gpt-5/2025-01-01_00-00-00/d")
    attempts = {each.record.origin[-1]: each.record.attempt for each in runs.take().attempts}
    assert attempts == {"d": 0, "c": 1, "a": 2, "b": 3}


def test_importing_twice_changes_nothing(runs: Runs, tmp_path: Path) -> None:
    for name in ("a", "b"):
        runs.add(f"vllm/trae/gpt-5/2025-11-06_03-26-1{name == 'b':d}/{name}")
    runs.add("vllm/trae/gpt-5/empty", "", human="e" * 40)
    assert Counter(each.change for each in runs.take().attempts) == {"new": 3}
    before = runs.state()
    assert Counter(each.change for each in runs.take().attempts) == {"unchanged": 3}
    elsewhere = Runs(tmp_path)
    elsewhere.root = runs.root / "vllm"
    assert {each.change for each in elsewhere.take().attempts if each.record.started} == {"unchanged"}
    assert {name: state for name, state in runs.state().items() if name in before} == before
    AttemptStore(runs.patches / "trae_gpt5").diff("vllm-8aa1485f", 1).unlink()
    assert Counter(each.change for each in runs.take().attempts) == {"unchanged": 2, "updated": 1}


def test_what_comes_from_elsewhere_is_never_replaced(runs: Runs) -> None:
    store = AttemptStore(runs.patches / "trae_gpt5")
    mine = AttemptRecord(task="vllm-8aa1485f", agent="trae_gpt5", attempt=0, status=AgentStatus.API_FAILURE, driver="trae", key="k")
    store.write(mine, DIFF, {})
    store.write(mine.model_copy(update={"attempt": 2, "origin": "other/place"}), DIFF, {})
    store.folder.joinpath("vllm-8aa1485f.1.diff").write_text(DIFF)
    before = runs.state()
    runs.add("vllm/trae/gpt-5/one")
    assert runs.only().attempt == 3
    assert {name: state for name, state in runs.state().items() if name in before} == before


def test_one_agent_for_all(runs: Runs) -> None:
    runs.add("vllm/trae/gpt-5/one")
    runs.add("whose", timestamps={"written": 1.0})
    assert [(each.record.agent, each.record.attempt) for each in runs.take(agent="old").attempts] == [("old", 0), ("old", 1)]


def test_a_prediction_stands_in_for_a_patch(runs: Runs) -> None:
    line = json.dumps({"instance_id": "wrong", "model_patch": DIFF})
    runs.add("vllm/trae/gpt-5/one", None, files={"prediction.jsonl": f"torn\n{line}\n"})
    assert runs.only().files == ("x.py",)


def test_secrets_are_not_kept(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "very-secret-value")
    runs.add("vllm/trae/gpt-5/one", files={"trae_stderr.txt": "key very-secret-value"}, status="error", error="very-secret-value")
    runs.take()
    assert not [name for name, (_, data) in runs.state().items() if b"very-secret-value" in data]


@pytest.mark.parametrize(
    ("model", "short"),
    [
        ("gpt-5", "gpt5"),
        ("claude-sonnet-45", "sonnet45"),
        ("us-anthropic-claude-sonnet-4-5-20250929-v1-0", "sonnet45"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "sonnet45"),
        ("anthropic/claude-opus-4.1", "opus4.1"),
        ("default", "default"),
        ("", ""),
    ],
)
def test_one_model_has_one_name(model: str, short: str) -> None:
    assert slug(model) == short


def test_only_the_runners_own_copy_is_taken_out() -> None:
    assert without_own(DIFF) == (DIFF, ())
    assert without_own(DIFF + NESTED + DIFF.replace("x.py", "y.py"))[0] == DIFF + DIFF.replace("x.py", "y.py")
    assert without_own("") == ("", ())


@pytest.mark.skipif(not REAL.is_dir(), reason="needs iso_bench_data")
def test_real_runs(tmp_path: Path) -> None:
    done = import_runs(REAL, tmp_path / "patches")
    assert done.refused == []
    records = [each.record for each in done.attempts]
    assert len(records) == len({path.parent for path in REAL.rglob("prompt.json")})
    assert all(record.patch_digest for record in records if record.status is AgentStatus.MADE_PATCH)
    assert {record.task.partition("-")[0] for record in records} == {"vllm", "sglang"}
    agents = {"claude_code", "codex_cli", "codex_gpt5", "openhands_gpt5", "trae_gpt5", "trae_sonnet45"}
    assert {record.agent for record in records} == agents
    for record in records:
        patch = REAL / record.origin / "model_patch.diff"
        nested = patch.is_file() and "diff --git a/model_patch.diff" in patch.read_text()
        assert bool(record.excluded) == nested, record.origin
    again = import_runs(REAL, tmp_path / "patches")
    assert {each.change for each in again.attempts} == {"unchanged"}
