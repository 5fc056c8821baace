"""What agents are told."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_isobench.agents.prompts import fenced, own_texts, prompt_for, texts_of, workload_source
from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.errors import TaskError, UsageError
from pytest_isobench.models.task import Task

TASKS = Path(__file__).parents[2] / "tasks"
SOURCES = {
    "path": {"kind": "path", "base": "slow", "human": "fast"},
    "pypi": {"kind": "pypi", "package": "total", "base": "1.0", "human": "1.1"},
    "git": {"kind": "git", "repository": "r", "human": "f" * 40},
}
PYTHON = {"kind": "python", "code": "from total import total\n\ndef run(numbers):\n    return total(numbers)\n"}
COMMAND = {"kind": "command", "command": ["{python}", "main.py", "--size", "10 k"], "timeout": 7}
REPORTED = {"kind": "reported", "format": "isobench", "file": "inputs.py"}
SUITE = {"kind": "reported", "format": "asv", "paths": ["benchmarks", "more/speed.py"], "timeout": 9}


def task(source: str = "path", workload: dict[str, object] = PYTHON, brief: dict[str, object] | None = None, **fields: object) -> Task:
    record = {"id": "demo", "description": "Add up many numbers.", "source": SOURCES[source], "workload": workload, "brief": brief or {}}
    return Task.model_validate(record | fields)


def told(made: Task, base: str = "1.0", **options: object) -> str:
    return prompt_for(made, base, **options).text  # type: ignore[arg-type]


def test_a_prompt_says_what_counts() -> None:
    text = told(task(repo="me/total", resources={"cpus": 2, "memory_mb": 512}))
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    assert titles == ["Make this code faster", "The code", "What is measured", "What must hold", "What you hand in"]
    assert "\nAdd up many numbers.\n" in text
    assert "holds me/total as a git" in text
    assert "`time_per_call` in s: lower is better" in text
    assert "2 CPU cores, 512 MB of memory" in text


def test_the_human_is_not_mentioned() -> None:
    text = told(task("git", gain="Uses the built-in sum."), "a" * 40)
    assert "human" not in text.lower()
    assert "built-in" not in text
    assert "f" * 7 not in text


def test_what_is_not_there_leaves_no_gap() -> None:
    text = told(task())
    assert "\n\n\n" not in text
    assert text == text.strip() + "\n"
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize(("source", "base", "shown"), [
    ("path", "total/before", "holds the code as a git"),
    ("pypi", "1.0", "holds the code, version 1.0, as a git"),
    ("git", "0123456789abcdef" * 2 + "01234567", "holds the code, version 0123456789ab, as a git"),
])  # fmt: skip
def test_the_base_version_is_named_where_its_name_says_something(source: str, base: str, shown: str) -> None:
    assert shown in told(task(source), base)


def test_the_statement_stands_for_the_description() -> None:
    text = told(task(brief={"statement": "Make `total` faster for long lists."}))
    assert "Make `total` faster for long lists." in text
    assert "Add up many numbers." not in text


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("workload", [PYTHON, {**COMMAND, "file": "inputs.py"}, REPORTED], ids=["python", "command", "reported"])
def test_the_workload_s_source_is_shown_only_where_the_task_says_so(workload: dict[str, object], shown: bool) -> None:
    made = task(workload=workload, brief={"workload": "shown" if shown else "described"})
    assert ("\n```python\nSOURCE\n```\n" in told(made, workload_text="SOURCE\n")) is shown


def test_a_command_is_told_as_it_is_typed() -> None:
    text = told(task(workload=COMMAND))
    assert "```sh\npython main.py --size '10 k'\n```" in text
    assert "at most" in text
    assert "standard input" not in text
    assert "drawn anew for every run." in told(task(workload={**COMMAND, "file": "inputs.py"}))


@pytest.mark.parametrize(("workload", "said", "same"), [
    (SUITE, "The benchmarks in `benchmarks`, `more/speed.py` are run", "What the benchmarks assert must hold."),
    (REPORTED, "A script that is not in this folder is run", "What the script stores as its result is compared"),
])  # fmt: skip
def test_benchmarks_that_time_themselves_are_told_of_as_such(workload: dict[str, object], said: str, same: str) -> None:
    text = told(task(workload=workload))
    assert said in text
    assert f"- It computes the same. {same}" in text
    assert "drawn anew" not in text


@pytest.mark.parametrize(("strict", "said"), [(True, "Change these files and no others:"), (False, "These files matter most")])
def test_targets_are_named_where_there_are_some(strict: bool, said: str) -> None:
    text = told(task(contract={"files": ["a.py", "b/c.py"], "strict": strict}))
    assert said in text
    assert "\n- `a.py`\n- `b/c.py`\n" in text
    assert "Where to change it" not in told(task())


def test_hints_constraints_and_build_commands_are_told() -> None:
    brief = {"hints": ["Look at `add`.", "Lists are long."], "constraints": ["Python 3.9 still works."]}
    text = told(task(brief=brief, environment={"install": ["make", "make check"], "pythonpath": ["src", "."]}))
    assert "## Hints\n\n- Look at `add`.\n- Lists are long.\n" in text
    assert "\n- Python 3.9 still works.\n" in text
    assert "```sh\nmake\nmake check\n```" in text
    assert "finds its modules in `src`, this folder." in text


def test_gpus_are_told() -> None:
    assert "1 CPU core, 1 H100 GPU, 4096 MB" in told(task(resources={"gpus": 1, "gpu": "H100"}))
    assert "2 GPUs" in told(task(resources={"gpus": 2}))


def test_the_digest_is_the_text_s() -> None:
    prompt = prompt_for(task(), "1.0")
    assert prompt.digest == hashlib.sha256(prompt.text.encode()).hexdigest()
    assert prompt_for(task(), "1.0") == prompt


def test_a_task_that_says_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="task demo does not say what is to become faster"):
        told(task(description=" "))


def test_the_project_s_templates_count(tmp_path: Path) -> None:
    (tmp_path / "python.md.j2").write_text("{{ statement }} Own words.\n")
    (tmp_path / "serve.md.j2").write_text("{% extends 'layout.md.j2' %}{% block workload %}A server.{% endblock %}\n")
    assert told(task(), folder=tmp_path) == "Add up many numbers. Own words.\n"
    assert "## What is measured\n\nA server.\n" in told(task(brief={"family": "serve"}), folder=tmp_path)
    assert "Its whole run counts" in told(task(workload=COMMAND), folder=tmp_path)


@pytest.mark.parametrize(("family", "template", "message"), [
    ("pyton", None, r"no template .*pyton.md.j2 \(did you mean 'python.md.j2'\?\); there are command.md.j2, .*python.md.j2, .*serve.md.j2"),
    ("own", "{{ gain }}", "'gain' is undefined"),
    ("own", "one\n{% if %}\n", "own.md.j2:2: "),
])  # fmt: skip
def test_a_template_that_cannot_be_used_says_why(tmp_path: Path, family: str, template: str | None, message: str) -> None:
    if template is not None:
        (tmp_path / f"{family}.md.j2").write_text(template)
    with pytest.raises(UsageError, match=message):
        told(task(brief={"family": family}), folder=tmp_path)


@given(st.text(alphabet="`a\n "))
def test_code_cannot_end_its_fence(text: str) -> None:
    fence, *lines = fenced(text, "python").split("\n")
    marks = fence.removesuffix("python")
    assert set(marks) == {"`"}
    assert lines.pop() == marks
    assert not [line for line in lines if marks in line]


def test_workloads_are_read_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "w.py").write_text("def run(x): ...\n")
    assert workload_source(task(), tmp_path) == PYTHON["code"]
    assert workload_source(task(workload={"kind": "python", "file": "w.py"}), tmp_path) == "def run(x): ...\n"
    assert workload_source(task(workload=COMMAND), tmp_path) is None
    with pytest.raises(TaskError, match=r"none\.py: cannot be read"):
        workload_source(task(workload={"kind": "python", "file": "none.py"}), tmp_path)


def test_what_is_a_task_s_own() -> None:
    made = task(workload=COMMAND, brief={"hints": ["h"], "constraints": ["c"]}, contract={"files": ["a.py"]})
    assert texts_of(made) == ("Add up many numbers.", "h", "a.py")
    assert own_texts(made) == ("Add up many numbers.", "h", "a.py", "c", "python main.py --size '10 k'")


@pytest.mark.parametrize("name", ["starter", "example"])
def test_every_task_of_the_project_has_a_prompt(name: str) -> None:
    for stub in read_stubs(TASKS / f"{name}.yaml"):
        made = stub.load()
        assert made.description in told(made, stub.base, workload_text=workload_source(made, TASKS))
