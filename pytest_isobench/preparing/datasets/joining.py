"""Records of one commit become one: the first that says something counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_isobench.benchmarks.programs import Engine
from pytest_isobench.dataset.commits import same_commit
from pytest_isobench.models.preparing import Refused
from pytest_isobench.preparing.datasets.facts import FULL, Facts
from pytest_isobench.preparing.datasets.reading import Item

PROJECTS: dict[Engine, str] = {"vllm": "vllm-project/vllm", "sglang": "sgl-project/sglang"}
SHORT = 8
"""Digits of the commit in a task's id."""


@dataclass(slots=True, kw_only=True)
class Joined:
    """All that is known of a commit, in the order of the files."""

    human: str
    """The human's commit; empty when a record has a patch instead."""
    facts: list[Facts] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.facts[0].origin

    @property
    def label(self) -> str:
        """How the commit is named in an id and for people."""
        return self.human[:SHORT] or self.facts[0].name

    @property
    def base(self) -> str:
        """The first base commit that is written out, else the first abbreviated one."""
        given = [facts.base for facts in self.facts if facts.base]
        return next((base for base in given if len(base) >= FULL), given[0] if given else "")

    @property
    def other_bases(self) -> list[str]:
        """Bases that some record names, and that are other commits."""
        given = (facts.base for facts in self.facts if facts.base)
        return list(dict.fromkeys(base for base in given if not same_commit(base, self.base)))

    @property
    def parent(self) -> int | None:
        return next((facts.parent for facts in self.facts if facts.parent), None)

    @property
    def day(self) -> str:
        return next((facts.day for facts in self.facts if facts.day), "")

    @property
    def image(self) -> str:
        return next((facts.image for facts in self.facts if facts.image), "")

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(model for facts in self.facts for model in facts.models))

    @property
    def project(self) -> str:
        """The repository; for a known engine always its own, since data sets keep forks of it."""
        names = [facts.project for facts in self.facts if facts.project]
        known = next((engine for name in names for engine in PROJECTS if name.rpartition("/")[2].casefold() == engine), None)
        return PROJECTS[known] if known else next((name for name in names if "/" in name), "")

    @property
    def engine(self) -> Engine | None:
        return next((engine for engine, project in PROJECTS.items() if project == self.project), None)


def join(sources: Iterable[Item | Facts], more: Iterable[Facts]) -> tuple[list[Joined], list[Refused]]:
    """Join records by commit. What `sources` name becomes a task, what only `more` name does not.

    An abbreviated commit joins a whole one.
    """
    found, refused = list[Facts](), list[Refused]()
    for each in sources:
        if isinstance(each, Item):
            refused.append(Refused(name=each.origin, reason=each.problem))
        elif not each.human and not (each.patch and each.base and each.name):
            refused.append(Refused(name=each.origin, reason="no field of it names a commit"))
        else:
            found.append(each)
    patched = [Joined(human="", facts=[facts]) for facts in found if not facts.human]
    others = [facts for facts in more if facts.human]
    index = _Index(facts.human for facts in (*found, *others))
    joined: dict[str, Joined] = {}
    for facts in (facts for facts in found if facts.human):
        human, problem = index.whole(facts.human)
        if problem:
            refused.append(Refused(name=facts.origin, reason=problem))
        else:
            joined.setdefault(human, Joined(human=human)).facts.append(facts)
    for facts in others:
        human, problem = index.whole(facts.human)
        if not problem and human in joined:
            joined[human].facts.append(facts)
    return [*joined.values(), *patched], refused


class _Index:
    """Whole commits by their beginnings."""

    def __init__(self, names: Iterable[str]) -> None:
        self._whole: dict[str, set[str]] = {}
        for name in names:
            if len(name) >= FULL:
                self._whole.setdefault(name[:7], set()).add(name)

    def whole(self, name: str) -> tuple[str, str]:
        """Return the whole commit of a name, or what is wrong with it."""
        if len(name) >= FULL:
            return name, ""
        fitting: Sequence[str] = [whole for whole in self._whole.get(name[:7], ()) if whole.startswith(name)]
        if len(fitting) == 1:
            return fitting[0], ""
        return "", f"{name} is abbreviated, and {f'{len(fitting)} commits' if fitting else 'no whole commit'} of the records may be meant"
