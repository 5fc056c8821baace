"""From task files, agents and lists of commits to plans."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from makers import FakeMaker
from prepare_project import Project

from pytest_isobench.dataset.commits import read_commits
from pytest_isobench.errors import UsageError
from pytest_isobench.preparing.plan import join, make_plan, read_plan, write_plan


def ids(planned) -> list[str]:
    return [f"{todo.item.task}:{todo.item.agent}:{todo.item.attempt}" for todo in planned.todos]


def test_every_agent_makes_every_attempt_at_every_task(project: Project) -> None:
    project.task("one")
    project.task("two")
    other = FakeMaker("other", project.path)
    planned = make_plan(project.files, project.scope(project.maker, other), 2)
    assert ids(planned) == [f"{task}:{agent}:{attempt}" for task in ("one", "two") for agent in ("other", "quick") for attempt in (0, 1)]
    item = planned.plan.items[0]
    assert item.id == f"one@{item.base[:12]}:other:0"
    assert (item.file, item.human) == ("tasks/all.json", "none.diff")


def test_a_plan_depends_on_nothing_but_tasks_and_agents(project: Project, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        project.task(name, f"name = {name!r}\n")
    make_plan(project.files, project.scope(), 12)
    write_plan(make_plan(project.files, project.scope(), 12).plan, tmp_path / "first.json")
    twin = Project(tmp_path / "elsewhere" / "far" / "away")
    for name in ("three", "two", "one"):
        twin.task(name, f"name = {name!r}\n")
    write_plan(make_plan(twin.files, twin.scope(), 12).plan, tmp_path / "second.json")
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()
    assert str(tmp_path) not in (tmp_path / "first.json").read_text()
    attempts = [item.attempt for item in read_plan(tmp_path / "first.json").items]
    assert attempts == [*range(12)] * 3


def test_what_is_broken_takes_nothing_with_it(project: Project) -> None:
    project.task("good")
    project.task("gone")
    shutil.rmtree(project.path / "tasks" / "gone")
    project.task("good", file="more")
    project.record({"id": "odd", "source": {"kind": "nope"}})
    (project.path / "tasks" / "none.json").write_text("{")
    planned = make_plan(project.files, project.scope(), 1)
    assert ids(planned) == ["good:quick:0"]
    assert {Path(each.name).name for each in planned.refused} == {"good", "gone", "odd", "none.json"}
    assert any("is a task of" in each.reason for each in planned.refused)


def test_a_list_chooses_tasks_and_says_what_it_misses(project: Project, tmp_path: Path) -> None:
    commits = project.repository()
    project.task("other")
    (tmp_path / "list.txt").write_text(f"{commits[-1][:10]}\nfeedbeef\nother, too\n8aa1485f what is this\n")
    planned = make_plan(project.files, project.scope(), 1, read_commits(tmp_path / "list.txt"))
    assert ids(planned) == ["merged:quick:0", "other:quick:0"]
    assert planned.plan.items[0].base == commits[1]
    assert planned.plan.items[0].human == commits[-1]
    said = {each.name: each.reason for each in planned.refused}
    assert "list.txt:2: no task has this commit or id" in said["feedbeef"]
    assert "list.txt:4: '8aa1485f what is this'" in said["list.txt"]


@pytest.mark.parametrize(
    ("second", "fits"),
    [("parent=1", True), ("parent=2", False), ("{1}", True), ("{2}", False), ("", True)],
)
def test_a_list_may_not_ask_for_another_base(project: Project, tmp_path: Path, second: str, fits: bool) -> None:
    commits = project.repository()
    (tmp_path / "list.txt").write_text(f"{commits[-1]} {second.format(*[commit[:9] for commit in commits])}\n")
    planned = make_plan(project.files, project.scope(), 1, read_commits(tmp_path / "list.txt"))
    assert bool(planned.todos) is fits
    assert [f"the task starts from {commits[1]}" in each.reason for each in planned.refused] == [True] * (not fits)


def test_a_plan_is_joined_to_what_it_was_made_of(project: Project, tmp_path: Path) -> None:
    for name in ("same", "changed", "gone"):
        project.task(name, f"name = {name!r}\n")
    plan = make_plan(project.files, project.scope(), 1).plan
    assert join(plan, project.scope()).plan == plan
    (project.path / "tasks" / "changed" / "code.py").write_text("name = 2\n")
    tasks = json.loads(project.files[0].read_text())["tasks"]
    project.files[0].write_text(json.dumps({"version": 1, "tasks": [task for task in tasks if task["id"] != "gone"]}))
    joined = join(plan, project.scope())
    assert ids(joined) == ["same:quick:0"]
    said = {each.name.partition("@")[0]: each.reason for each in joined.refused}
    assert said["changed"] == "the base has changed since the plan was made; plan again"
    assert "has no task 'gone' any more" in said["gone"]
    other = FakeMaker("quick", project.path, configuration="2")
    assert {each.reason.partition(" has changed")[0] for each in join(plan, project.scope(other)).refused} >= {"task, agent or prompt"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"items": [{"id": "x"}]}', '{"version": 1, "version": 1}', "NaN"])
def test_what_is_no_plan(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UsageError, match=r"plan\.json: is no plan: "):
        read_plan(tmp_path / "plan.json")
