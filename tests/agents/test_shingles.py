"""Finding the answer in prompts: in made-up ones, in real ones that hold it, and in none of the package's own."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from pytest_isobench.agents.looking import cleaned
from pytest_isobench.agents.prompts import own_texts, prompt_for, texts_of, workload_source
from pytest_isobench.agents.shingles import PromptLeakError, held_by, new_lines, prompt_leaks, require_fair, tells
from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.errors import UsageError
from pytest_isobench.models.leak import Leak
from pytest_isobench.models.task import Task

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "iso_bench_data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the data is not here")

COMMIT = "0ec82edda59aaf5cf3b07aadf4ecce1aa1131add"
DIFF = """\
diff --git a/total.py b/total.py
--- a/total.py
+++ b/total.py
@@ -1,4 +1,5 @@
 from collections import Counter as Bag, OrderedDict
-    for number in numbers: result = result + number
+    partial_sums = [accumulate(chunk, start=0) for chunk in chunks]
+    return x
+from collections import Counter as Bag,  OrderedDict
 def total(numbers):
"""
NEW = "partial_sums = [accumulate(chunk, start=0) for chunk in chunks]"
MESSAGE = """\
[Perf] Add chunks of numbers

Sums are kept per chunk, so that later calls are cheap.

Signed-off-by: A Person With Many Names <x>
"""


def kinds(prompt: str, **known: Any) -> list[tuple[str, str]]:
    return [(leak.kind, leak.where) for leak in prompt_leaks(prompt, **known)]


@pytest.mark.parametrize(("prompt", "found"), [
    (f"See {COMMIT}.", True),
    ("in vllm_0ec82edd, yes", True),
    ("0EC82ED", True),
    ("0ec82e", False),
    ("0ec82eddb", False),
    ("x0ec82eddx", False),
    ("1234567 and deadbeef", False),
])  # fmt: skip
def test_the_commit_is_found_by_any_prefix(prompt: str, found: bool) -> None:
    assert kinds(prompt, human_commit=COMMIT) == ([("human_commit", "line 1")] if found else [])


@pytest.mark.parametrize("prompt", [
    NEW,
    f"Write:\n\n    {NEW}\n",
    f"> + {NEW}",
    f"do `{NEW}` here",
    NEW.replace(" ", "\n", 3),
    NEW.replace(" ", "\t  "),
])  # fmt: skip
def test_a_line_of_the_human_s_is_found_however_it_is_set(prompt: str) -> None:
    assert [kind for kind, _ in kinds(prompt, human_diff=DIFF)] == ["human_line"]
    assert kinds(prompt, human_diff=DIFF, base_has=lambda line: line == NEW) == []


@pytest.mark.parametrize("prompt", [
    "return x",
    "from collections import Counter as Bag, OrderedDict",
    "for number in numbers: result = result + number",
    f"x{NEW}x",
    "",
])  # fmt: skip
def test_what_the_base_version_has_or_anybody_writes_is_no_leak(prompt: str) -> None:
    assert kinds(prompt, human_diff=DIFF) == []


def test_a_line_that_is_shown_as_changed_is_found() -> None:
    assert kinds("Try:\n-    for number in numbers: result = result + number\n", human_diff=DIFF) == [("human_line", "line 2")]


@pytest.mark.parametrize(("prompt", "found"), [
    ("Please add chunks of numbers.", False),
    ("[Perf] Add chunks of numbers", True),
    ("Hint: sums are\nkept per chunk, so it is fast", True),
    ("Sums are kept.", False),
    ("a person with many names wrote it", False),
])  # fmt: skip
def test_the_commit_s_message_is_found(prompt: str, found: bool) -> None:
    assert [kind for kind, _ in kinds(prompt, message=MESSAGE)] == (["human_message"] if found else [])


OTHERS = {"sort": ["Sort the long list of names by length.", "lib/fast/sort_names_quickly.py", "setup.py"]}


@pytest.mark.parametrize(("prompt", "own", "found"), [
    ("Sort the long list of names by hand", (), True),
    ("Sort the long list of names by hand", ("sort the long list of names, by length",), False),
    ("Sort the long list of names by length.", ("Sort the long list of names by length.",), False),
    ("Sort the list", (), False),
    ("Change `lib/fast/sort_names_quickly.py`", (), True),
    ("Change lib/fast/sort_names_quickly.py:", ("lib/fast/sort_names_quickly.py",), False),
    ("Change setup.py", (), False),
])  # fmt: skip
def test_other_tasks_texts_are_found(prompt: str, own: tuple[str, ...], found: bool) -> None:
    assert kinds(prompt, own=own, others=OTHERS) == ([("other_task", "line 1")] if found else [])


def test_a_leak_refuses_the_task_and_says_where() -> None:
    require_fair("demo", [])
    message = r"the prompt of task demo gives something away; change the task's brief:\n  line 1: 0ec82edd is the human's commit"
    with pytest.raises(PromptLeakError, match=message) as caught:
        require_fair("demo", prompt_leaks("0ec82edd", human_commit=COMMIT))
    assert isinstance(caught.value, UsageError)
    assert [leak.kind for leak in caught.value.leaks] == ["human_commit"]
    many = [Leak(kind="human_line", where=f"line {number}", message="x") for number in range(25)]
    with pytest.raises(PromptLeakError, match="and 5 more"):
        require_fair("demo", many)


def test_the_base_version_is_asked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.py").write_bytes(b"\xff\n    x = first(second,  third)\n")
    (tmp_path / "link").symlink_to("nowhere")
    holds = held_by(tmp_path)
    assert holds("x = first(second, third)")
    assert not holds("x = first(second)")


WORDS = st.lists(st.from_regex(r"[a-z_]{4,12}", fullmatch=True), min_size=4, max_size=9, unique=True)


@given(WORDS, st.text(max_size=80), st.text(max_size=80), st.sampled_from(["", "    ", "+ ", "> - ", "\t"]))
def test_any_new_line_is_found_in_any_text(words: list[str], before: str, after: str, indent: str) -> None:
    line = f"{words[0]} = {words[1]}({', '.join(words[2:])})"
    assume(tells(line))
    diff = f"--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+{line}\n"
    assert new_lines(diff) == [cleaned(line)]
    assert "human_line" in {kind for kind, _ in kinds(f"{before}\n{indent}{line}\n{after}", human_diff=diff)}


@given(st.text(), st.text(), st.text(), st.text())
def test_anything_can_be_looked_through(prompt: str, diff: str, message: str, other: str) -> None:
    last = len(prompt.split("\n"))
    for leak in prompt_leaks(prompt, human_diff=diff, human_commit=COMMIT, message=message, others={"x": [other]}):
        assert 1 <= int(leak.where.removeprefix("line ")) <= last


@cache
def commits() -> dict[str, dict[str, Any]]:
    files = (DATA / "datasets" / f"{name}_commits.jsonl" for name in ("vllm", "sglang"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return {row["commit_hash"]: row for row in rows} | {extracted["commit_hash"]: extracted for extracted in extractions()}


def extractions() -> list[dict[str, Any]]:
    found = []
    for file in (DATA / "datasets" / "commit_extractions").glob("*.json"):
        row = json.loads(file.read_text())
        diff = "\n".join(change["diff"] or "" for change in row["files_changed"])
        found.append({"commit_hash": row["commit_hash"], "diff_text": diff, "commit_message": row["message"]})
    return found


def runs() -> list[tuple[str, dict[str, Any], str]]:
    """Return prompt, plan and human commit of every recorded run."""
    found = []
    for file in sorted(DATA.glob("runs/**/task.txt")):
        plan = json.loads((file.parent / "prompt.json").read_text())
        found.append((file.read_text(), plan, plan["commits"]["human"]))
    return found


def known_of(human: str) -> dict[str, Any]:
    row = next((row for commit, row in commits().items() if commit.startswith(human)), None)
    return {"human_diff": row["diff_text"], "message": row["commit_message"], "human_commit": row["commit_hash"]} if row else {}


@needs_data
def test_real_prompts_that_hold_the_human_s_diff_are_found() -> None:
    held = [(text, human) for text, _, human in runs() if re.search(r"<example_optimization_diff>\s*diff --git", text) and known_of(human)]
    missed = [human for text, human in held if "human_line" not in {kind for kind, _ in kinds(text, **known_of(human))}]
    assert len(held) > 20
    assert missed == []


@needs_data
def test_real_prompts_with_another_task_s_text_are_found() -> None:
    files = (DATA / "tasks" / f"{name}_optimization.yaml" for name in ("moe_align", "prefix_caching", "chunked_local_attn"))
    tasks = [task for file in files for task in yaml.safe_load_all(file.read_text()) if task]
    others = {task["id"]: [task["description"], *task["optimization_contract"]["target_files"]] for task in tasks}
    mixed_up = {True: 0, False: 0}
    for text, plan, human in runs():
        own = [plan["task"], plan["description"], *plan["target_files"]]
        contaminated = "moe_align_block_size.py" in text and not COMMIT.startswith(human[:8])
        assert ("other_task" in {kind for kind, _ in kinds(text, own=own, others=others)}) is contaminated
        mixed_up[contaminated] += 1
    assert mixed_up[True] > 40
    assert mixed_up[False] > 3


@pytest.mark.soak
@needs_data
def test_the_package_s_prompts_for_real_commits_give_nothing_away() -> None:
    rows = [row for row in commits().values() if "apis" in row]
    tasks = {row["commit_hash"]: real_task(row) for row in rows}
    texts = {commit: texts_of(task) for commit, task in tasks.items()}
    assert len(rows) > 100
    for row in rows:
        commit = row["commit_hash"]
        text = prompt_for(tasks[commit], "a" * 40).text
        near = {other: said for other, said in texts.items() if other != commit and tasks[other].repo == tasks[commit].repo}
        own = own_texts(tasks[commit])
        assert prompt_leaks(text, **known_of(commit), own=own, others=near) == []


def real_task(row: dict[str, Any]) -> Task:
    """Write a task as somebody who does not want to give anything away might."""
    command = (row["perf_command"] or "python bench.py").split()
    record = {
        "id": row["commit_hash"][:8],
        "contract": {"files": [name for name in row["files_changed"] if "test" not in name] or ["*"]},
        "repo": "vllm" if "vllm" in row["pr_url"] else "sglang",
        "source": {"kind": "git", "repository": "r", "human": row["commit_hash"]},
        "workload": {"kind": "command", "command": command},
        "brief": {"statement": f"Serving takes its time in {', '.join((row['apis'] or ['the model'])[:3])}.", "hints": ["Profile it."]},
    }
    return Task.model_validate(record)


@needs_data
def test_real_workloads_that_name_the_commit_are_found_when_they_are_shown() -> None:
    scripts = [json.loads(line) for line in (DATA / "datasets" / "test_scripts.jsonl").read_text().splitlines()]
    named = [(script["source"], commit) for script in scripts for commit in commits() if commit.startswith(script["commit"])]
    assert len(named) > 100
    assert all(kinds(source, human_commit=commit) for source, commit in named)


@pytest.mark.parametrize("name", ["starter", "example"])
def test_the_project_s_own_tasks_give_nothing_away(name: str) -> None:
    tasks = {stub.id: (stub, stub.load()) for file in ("starter", "example") for stub in read_stubs(ROOT / "tasks" / f"{file}.yaml")}
    texts = {other: texts_of(task) for other, (_, task) in tasks.items()}
    for stub, task in (tasks[stub.id] for stub in read_stubs(ROOT / "tasks" / f"{name}.yaml")):
        for workload in ("described", "shown"):
            made = task.model_copy(update={"brief": task.brief.model_copy(update={"workload": workload})})
            text = prompt_for(made, stub.base, workload_text=workload_source(made, stub.path.parent)).text
            others = {other: said for other, said in texts.items() if other != task.id}
            assert prompt_leaks(text, message=task.gain, own=own_texts(made), others=others) == []
