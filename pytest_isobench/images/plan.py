"""From task files to recipes: what is to be built, and why what is not."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.readers import read_stubs
from pytest_isobench.dataset.sources.git import GitVersions
from pytest_isobench.dataset.sources.path import PathVersions
from pytest_isobench.dataset.stubs import Stub
from pytest_isobench.dataset.versions import Tree
from pytest_isobench.errors import IsobenchError, UsageError
from pytest_isobench.images.overrides import SHORTEST, Override, Overrides
from pytest_isobench.images.recipe import Recipe
from pytest_isobench.images.rendering import Contents, TemplateName
from pytest_isobench.models.task import GitSource, PathSource, PypiSource, Task
from pytest_isobench.redaction import holds_secret

CUDA_BASE = "nvidia/cuda:12.4.1-devel-ubuntu22.04"
CPU_BASE = "python:{python}-slim"
BASELINE = "baseline-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What was asked for, on the command line and in the project's ini values."""

    templates: Path
    overrides: Overrides
    base: str | None = None
    """Of the command line: counts for every task."""
    default_base: str | None = None
    """Of the ini values: counts for tasks that name none."""
    platform: str | None = None
    wheels: Path | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A task of which no image is built."""

    task: str
    reason: str
    wanted: bool
    """Whether it is left out on purpose; else something is wrong with it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The recipes of all tasks asked for, and the tasks without one."""

    recipes: tuple[Recipe, ...]
    left: tuple[Left, ...]

    @property
    def broken(self) -> list[Left]:
        """Tasks without a recipe that were meant to have one."""
        return [left for left in self.left if not left.wanted]

    def tasks_of(self) -> dict[str, list[str]]:
        """Return the tasks that each digest is needed by."""
        needed: dict[str, list[str]] = {}
        for recipe in self.recipes:
            needed.setdefault(recipe.digest, []).append(recipe.task)
        return needed


def make_plan(files: Iterable[Path], choices: Choices, cache: Cache, commits: Sequence[str] = ()) -> Plan:
    """Read tasks and resolve what their images are made of; trees are fetched now. `commits` keeps those that it names.

    Raises:
        UsageError: no task has such a commit; two tasks want one tag for different contents; a template cannot be used.
        TaskError: a task file as a whole cannot be used.
    """
    stubs = [stub for file in files for stub in read_stubs(file)]
    for commit in commits:
        if not any(_is_chosen(stub, commit) for stub in stubs):
            raise UsageError(f"--commit {commit}: none of {len(stubs)} tasks has it; give an id, or {SHORTEST} or more digits of a commit")
    kept = [stub for stub in stubs if not commits or any(_is_chosen(stub, commit) for commit in commits)]
    outcomes = [_outcome(stub, choices, cache) for stub in kept]
    recipes = tuple(outcome for outcome in outcomes if isinstance(outcome, Recipe))
    _refuse_shared_tags(recipes)
    return Plan(recipes, tuple(outcome for outcome in outcomes if isinstance(outcome, Left)))


def make_recipe(task: Task, folder: Path, choices: Choices, cache: Cache) -> Recipe | Left:
    """Return the recipe of a task whose file lies in a folder; or that it is on the blacklist. Raises IsobenchError."""
    own, baseline, tree = _versions(task, folder, cache)
    names = (task.id, own, baseline.removeprefix(BASELINE))
    if reason := choices.overrides.blacklisted(*names):
        return Left(task.id, reason, wanted=True)
    override = choices.overrides.of(*names)
    own_dockerfile = override.dockerfile if override.strategy == "dockerfile" else None
    if own_dockerfile and (tree is None or not (tree.path / own_dockerfile).is_file()):
        raise UsageError(f"{task.id}: its tree has no file {own_dockerfile!r} to build from; fixtures/overrides.yaml names another")
    template: TemplateName = "cuda" if task.resources.gpus and not own_dockerfile else "cpu"
    recipe = Recipe(
        task=task.id,
        own_tag=own,
        baseline_tag=baseline,
        template=template,
        contents=_contents(task, override, choices),
        templates=choices.templates,
        tree=tree,
        dockerfile=own_dockerfile,
        wheels=choices.wheels,
        platform=choices.platform,
    )
    if holds_secret(recipe.text() + "\n".join(recipe.contents.requirements)):
        raise UsageError(
            f"{task.id}: its image would hold a secret of this environment, or a login in a URL; everybody with the image reads it"
        )
    return recipe


def _outcome(stub: Stub, choices: Choices, cache: Cache) -> Recipe | Left:
    try:
        if reason := choices.overrides.blacklisted(stub.id, stub.human, stub.base):
            return Left(stub.id, reason, wanted=True)
        recipe = make_recipe(stub.load(), stub.path.parent, choices, cache)
        if isinstance(recipe, Recipe):
            recipe.digest  # noqa: B018 - fails now rather than in the middle of a build
    except (IsobenchError, OSError) as error:
        return Left(stub.id, str(error), wanted=False)
    return recipe


def _is_chosen(stub: Stub, commit: str) -> bool:
    hashes = [name for name in (stub.human, stub.base) if name]
    return commit == stub.id or (len(commit) >= SHORTEST and any(name.startswith(commit) or commit.startswith(name) for name in hashes))


def _versions(task: Task, folder: Path, cache: Cache) -> tuple[str, str, Tree | None]:
    """Return the image's own tag, the baseline's tag, and the base tree."""
    match task.source:
        case GitSource():
            git = GitVersions(task, folder, cache)
            tree = git.base_tree()
            return git.human_commit() or task.id, BASELINE + tree.label, tree
        case PathSource():
            tree = PathVersions(task, folder, cache).base_tree()
            return task.id, BASELINE + tree.digest[:40], tree
        case PypiSource(package=package, base=base, human=human):
            return _tag(f"{package}-{human}"), _tag(f"{BASELINE}{package}-{base}"), None


def _tag(text: str) -> str:
    """Return what a tag may be: the + and ! of version numbers may not stand in it."""
    return "".join(char if char.isalnum() or char in "._-" else "_" for char in text)[:128]


def _contents(task: Task, override: Override, choices: Choices) -> Contents:
    environment, release = task.environment, task.source if isinstance(task.source, PypiSource) else None
    python = override.python or environment.python or f"3.{sys.version_info.minor}"
    pin = (f"{release.package}=={release.base}",) if release else ()
    chosen = environment.requirements if override.requirements is None else override.requirements
    requirements, setup = (*chosen, *pin), (*environment.setup, *override.setup)
    default = CUDA_BASE if task.resources.gpus else CPU_BASE.format(python=python)
    return Contents(
        base=choices.base or override.base or environment.image or choices.default_base or default,
        python=python,
        pip=bool(requirements or setup or environment.install),
        requirements=requirements,
        wheels=choices.wheels is not None,
        setup=setup,
        variables=override.variables(),
        package=release.package if release else None,
    )


def _refuse_shared_tags(recipes: Iterable[Recipe]) -> None:
    for tag, first, second in _clashes(recipes):
        raise UsageError(
            f"{first.task} and {second.task} want the tag {tag!r} for different contents; give them the same environment, "
            "or build them with different values of --prefix"
        )


def _clashes(recipes: Iterable[Recipe]) -> Iterator[tuple[str, Recipe, Recipe]]:
    first: dict[str, Recipe] = {}
    for recipe in recipes:
        for tag in recipe.tags:
            if first.setdefault(tag, recipe).digest != recipe.digest:
                yield tag, first[tag], recipe
