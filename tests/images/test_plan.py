"""From tasks to recipes: tags, digests, bases, and what is left out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from image_project import CODE

from pytest_isobench.dataset.cache import Cache
from pytest_isobench.errors import UsageError
from pytest_isobench.images.overrides import Overrides
from pytest_isobench.images.plan import CUDA_BASE, Choices, Plan, make_plan
from pytest_isobench.images.recipe import Recipe

CHOICES = Choices(templates=Path("/nonexistent"), overrides=Overrides(version=1))
PYTHON = f"3.{sys.version_info.minor}"


class Tasks:
    """A task file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.records = folder, list[dict[str, Any]]()

    def add(self, name: str, text: str = "a = 1\n", **fields: Any) -> None:
        self.change(name, text)
        (self.folder / "none.diff").write_text("")
        source = {"kind": "path", "base": name, "patch": "none.diff"}
        self.records.append({"id": name, "workload": {"kind": "python", "code": CODE}, "source": source, **fields})

    def change(self, name: str, text: str) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "code.py").write_text(text)

    def plan(self, choices: Choices = CHOICES, *commits: str) -> Plan:
        (self.folder / "tasks.yaml").write_text(yaml.safe_dump({"version": 1, "tasks": self.records}))
        return make_plan([self.folder / "tasks.yaml"], choices, Cache(self.folder.parent / "cache"), commits)

    def recipe(self, choices: Choices = CHOICES) -> Recipe:
        (recipe,) = self.plan(choices).recipes
        return recipe


@pytest.fixture
def tasks(tmp_path: Path) -> Tasks:
    (tmp_path / "tasks").mkdir()
    return Tasks(tmp_path / "tasks")


def with_overrides(**fields: Any) -> Choices:
    return replace(CHOICES, overrides=Overrides.model_validate({"version": 1, **fields}))


def test_tags_of_a_folder(tasks: Tasks) -> None:
    tasks.add("one")
    recipe = tasks.recipe()
    assert recipe.own_tag == "one"
    assert recipe.tree
    assert recipe.baseline_tag == f"baseline-{recipe.tree.digest[:40]}"


def test_tags_of_a_release(tasks: Tasks) -> None:
    tasks.add("one", source={"kind": "pypi", "package": "some-package", "base": "1.0+cpu", "human": "1!2.0"})
    recipe = tasks.recipe()
    assert recipe.tags == ("some-package-1_2.0", "baseline-some-package-1.0_cpu")
    assert recipe.contents.requirements == ("some-package==1.0+cpu",)
    assert recipe.tree is None


def test_digest_is_of_the_content(tasks: Tasks) -> None:
    tasks.add("one")
    first = tasks.recipe().digest
    assert tasks.recipe().digest == first
    tasks.records[0]["id"] = "renamed"
    tasks.records[0]["description"] = "of no meaning for an image"
    assert tasks.recipe().digest == first
    tasks.change("one", "a = 2\n")
    assert tasks.recipe().digest != first


@pytest.mark.parametrize(
    "environment", [{"requirements": ["numpy"]}, {"setup": ["make"]}, {"image": "other:1"}, {"python": "3.99"}, {"install": ["make"]}]
)
def test_digest_changes_with_the_environment(tasks: Tasks, environment: dict[str, Any]) -> None:
    tasks.add("one")
    first = tasks.recipe().digest
    tasks.records[0]["environment"] = environment
    assert tasks.recipe().digest != first


def test_digest_changes_with_choices(tasks: Tasks, tmp_path: Path) -> None:
    tasks.add("one", environment={"requirements": ["a"]})
    (tmp_path / "wheels").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/cpu.Dockerfile.j2").write_text("FROM {{ base }}\n")
    choices = [
        CHOICES,
        replace(CHOICES, base="other:1"),
        replace(CHOICES, platform="linux/arm64"),
        replace(CHOICES, wheels=tmp_path / "wheels"),
        replace(CHOICES, templates=tmp_path / "templates"),
        with_overrides(overrides={"one": {"env": {"A": "b"}}}),
    ]
    digests = [tasks.recipe(choice).digest for choice in choices]
    (tmp_path / "wheels/a-1-py3-none-any.whl").write_bytes(b"wheel")
    digests.append(tasks.recipe(choices[3]).digest)
    assert len(set(digests)) == len(digests)


def test_bases(tasks: Tasks) -> None:
    def base(choices: Choices = CHOICES, **fields: Any) -> str:
        tasks.records.clear()
        tasks.add("one", **fields)
        return tasks.recipe(choices).contents.base

    own, named = {"environment": {"image": "own:1"}}, with_overrides(overrides={"one": {"base": "override:1"}})
    assert base() == f"python:{PYTHON}-slim"
    assert base(environment={"python": "3.12"}) == "python:3.12-slim"
    assert base(resources={"gpus": 1}) == CUDA_BASE
    assert base(replace(CHOICES, default_base="ini:1")) == "ini:1"
    assert base(replace(CHOICES, default_base="ini:1"), **own) == "own:1"
    assert base(named, **own) == "override:1"
    assert base(replace(named, base="line:1"), **own) == "line:1"


def test_overrides_change_the_recipe(tasks: Tasks) -> None:
    tasks.add("one", environment={"requirements": ["a"], "setup": ["first"]})
    contents = tasks.recipe(with_overrides(overrides={"one": {"requirements": ["b"], "setup": ["second"], "model": "m"}})).contents
    assert contents.requirements == ("b",)
    assert contents.setup == ("first", "second")
    assert contents.variables == {"ISOBENCH_MODEL": "m"}


def test_blacklisted_and_broken_tasks_are_left_out(tasks: Tasks) -> None:
    for name in ("good", "listed", "broken", "secret"):
        tasks.add(name, f"name = {name!r}\n")
    tasks.records[2]["source"]["base"] = "nowhere"
    tasks.records[3]["environment"] = {"requirements": ["pkg @ https://me:word@host/pkg.whl"]}
    plan = tasks.plan(with_overrides(blacklist={"listed": "needs a cluster"}))
    assert [recipe.task for recipe in plan.recipes] == ["good"]
    assert [(left.task, left.wanted) for left in plan.left] == [("listed", True), ("broken", False), ("secret", False)]
    assert plan.left[0].reason == "needs a cluster"
    assert "is not a folder" in plan.left[1].reason
    assert "secret of this environment, or a login" in plan.left[2].reason
    assert "word" not in plan.left[2].reason


def test_a_missing_dockerfile_is_named(tasks: Tasks) -> None:
    tasks.add("one")
    (left,) = tasks.plan(with_overrides(overrides={"one": {"strategy": "dockerfile"}})).broken
    assert "has no file 'Dockerfile'" in left.reason


def test_commits_choose(tasks: Tasks) -> None:
    for name in ("one", "two"):
        tasks.add(name, f"name = {name!r}\n")
    assert [recipe.task for recipe in tasks.plan(CHOICES, "two").recipes] == ["two"]
    with pytest.raises(UsageError, match="none of 2 tasks has it"):
        tasks.plan(CHOICES, "two", "deadbeef")


def test_one_tag_has_one_content(tasks: Tasks) -> None:
    tasks.add("one")
    tasks.add("two")
    assert len({recipe.digest for recipe in tasks.plan().recipes}) == 1
    tasks.records[1]["environment"] = {"setup": ["make"]}
    with pytest.raises(UsageError, match="one and two want the tag 'baseline-"):
        tasks.plan()
