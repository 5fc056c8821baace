"""What is known of models and versions: which model stands for another, what needs more GPUs, what cannot be run at all.

Rules are of all arms alike, and what they changed is said in the result.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from pytest_isobench.benchmarks.programs import Engine
from pytest_isobench.benchmarks.spellings import Version, version_of
from pytest_isobench.dataset.commits import same_commit
from pytest_isobench.dataset.documents import Document
from pytest_isobench.errors import CommandError
from pytest_isobench.models.base import Record

TOKEN = "HF_TOKEN"  # noqa: S105 - the variable's name
OVERRIDES = Path("fixtures", "overrides.yaml")
"""Where a project says more, below its folder."""
PACKAGED = Path(__file__).with_name("overrides.yaml")


def _version(text: str) -> str:
    try:
        version_of(text)
    except CommandError as error:
        raise ValueError(str(error)) from None
    return text


Number = Annotated[str, AfterValidator(_version)]


class Rule(Record):
    """One fact. All conditions that it has must hold."""

    model: str | None = Field(None, min_length=1, description="Condition: the model's name, with `*` and `?`.")
    engine: Engine | None = Field(None, description="Condition: the engine.")
    since: Number | None = Field(None, description="Condition: the first version of the engine, such as '0.6.3'.")
    before: Number | None = Field(None, description="Condition: the first version for which it no longer holds.")
    tasks: tuple[str, ...] = Field((), description="Condition: one of these task ids, or beginnings (at least 7 digits) of a commit.")
    use: str | None = Field(None, min_length=1, description="The model to load instead.")
    gpus: PositiveInt | None = Field(None, description="GPUs that the model is shared over at least.")
    requirements: tuple[str, ...] = Field((), description="Packages that are installed besides, as pip spells them.")
    refuse: bool = Field(False, description="It cannot be run.")
    reason: str = Field(min_length=1, description="Why; it is shown.")

    @model_validator(mode="after")
    def _whole(self) -> Rule:
        if not (self.model or self.engine or self.tasks):
            raise ValueError("a rule needs a condition: 'model', 'engine' or 'tasks'")
        if (self.since or self.before) and not self.engine:
            raise ValueError("'since' and 'before' are versions of an engine: give 'engine' as well")
        if not (self.use or self.gpus or self.requirements or self.refuse):
            raise ValueError("a rule does something: give 'use', 'gpus', 'requirements' or 'refuse'")
        return self

    def holds(self, case: Case) -> bool:
        """Tell whether all conditions are met."""
        return (
            (self.model is None or fnmatchcase(case.model, self.model))
            and (self.engine is None or self.engine == case.engine)
            and (self.since is None or case.version >= version_of(self.since))
            and (self.before is None or case.version < version_of(self.before))
            and (not self.tasks or any(key == name or same_commit(key, name) for key in self.tasks for name in case.names))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a rule is asked about."""

    engine: Engine
    version: Version
    model: str
    names: tuple[str, ...] = ()
    """The task's id and its commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """What the rules make of a case."""

    model: str
    gpus: int = 1
    """GPUs at least."""
    crowded: str = ""
    """Why it needs that many."""
    requirements: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    """What was changed and why, in words."""


class Rules(Record):
    """Rules in their order, and the models that need permission."""

    rules: tuple[Rule, ...] = Field((), description="Of several that name another model or a number of GPUs the first counts.")
    gated: tuple[str, ...] = Field((), description="Models, with `*` and `?`, that are given only to those with a token.")

    def before(self, others: Rules) -> Rules:
        """Return these rules with others after them."""
        return Rules(rules=(*self.rules, *others.rules), gated=(*self.gated, *others.gated))

    def of(self, case: Case) -> Ruled:
        """Return what is run instead. Raises CommandError with the reason for what cannot be run."""
        replaced = next((rule for rule in self.rules if rule.use and rule.holds(case)), None)
        if replaced and replaced.use:
            case = Case(engine=case.engine, version=case.version, model=replaced.use, names=case.names)
        holding = [rule for rule in self.rules if rule.holds(case)]
        if refused := next((rule for rule in holding if rule.refuse), None):
            raise CommandError(f"{case.model} cannot be run here: {refused.reason}")
        shared = next((rule for rule in holding if rule.gpus), None)
        pins = [rule for rule in holding if rule.requirements]
        return Ruled(
            model=case.model,
            gpus=shared.gpus or 1 if shared else 1,
            crowded=shared.reason if shared else "",
            requirements=tuple(dict.fromkeys(requirement for rule in pins for requirement in rule.requirements)),
            applied=tuple(_words([replaced] if replaced else [], pins)),
        )

    def is_gated(self, model: str) -> bool:
        """Tell whether a model is given only to those with a token."""
        return any(fnmatchcase(model, pattern) for pattern in self.gated)


def _words(replaced: Sequence[Rule], pins: Sequence[Rule]) -> Iterator[str]:
    yield from (f"the model is {rule.use}: {rule.reason}" for rule in replaced)
    yield from (f"with {', '.join(rule.requirements)}: {rule.reason}" for rule in pins)


class _File(Record):
    """`overrides.yaml` as far as benchmarks are concerned; the other fields are those of images."""

    version: Literal[1]
    benchmarks: Rules = Rules()
    overrides: Any = None
    blacklist: Any = None


def read_rules(path: Path | None = None) -> Rules:
    """Return the rules of a project's file, if there is one, before the packaged ones. Raises TaskError with file, line and field."""
    return Document(path).read(_File).benchmarks.before(_packaged()) if path and path.exists() else _packaged()


@cache
def _packaged() -> Rules:
    return Document(PACKAGED).read(_File).benchmarks


def lacking_token(model: str, rules: Rules, variables: Mapping[str, str] = os.environ) -> str | None:
    """Return what to do when a model needs a token and there is none; None when it can be loaded."""
    if not rules.is_gated(model) or variables.get(TOKEN):
        return None
    return (
        f"{model} is given only to those who have accepted its licence: set {TOKEN} to a token of an account that has, "
        "or name another model in fixtures/overrides.yaml"
    )
