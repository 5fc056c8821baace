"""Patches on their way into a campaign: applied to the base, counted, and held to the task's contract."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_isobench.agents.base import Submission
from pytest_isobench.dataset.base_repository import BaseRepository
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.errors import DoesNotApplyError
from pytest_isobench.measuring.contenders import Entrant, contenders
from pytest_isobench.measuring.entering import resolved
from pytest_isobench.models.result import PatchFacts
from pytest_isobench.models.task import Task

DIFF = "--- a/m.py\n+++ b/m.py\n@@ -1 +1,2 @@\n-x = 1\n+x = 2\n+y = 2\n"
MISCOUNTED = DIFF.replace("@@ -1 +1,2 @@", "@@ -1,2 +1,3 @@")
VERSION = Version(label="v", tree=Path("v"), environment=BuiltEnvironment(path=Path("e"), digest="e"), digest="d")


def new(name: str) -> str:
    return f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseRepository:
    tree = tmp_path_factory.mktemp("tree")
    (tree / "m.py").write_text("x = 1\n")
    return BaseRepository.of(tree, "digest", Cache(tmp_path_factory.mktemp("cache")))


def task(*allowed: str, strict: bool = False) -> Task:
    record = {"id": "t", "source": {"kind": "path", "base": "a", "human": "b"}, "workload": {"kind": "python", "code": "x"}}
    return Task.model_validate(record | ({"contract": {"files": allowed, "strict": strict}} if allowed else {}))


def entrant(patch: str | None, version: Version | None = None) -> Entrant:
    return Entrant(case="t:a:0", agent="a", attempt=0, submission=Submission(patch=patch, version=version))


def test_a_patch_enters_as_it_will_be_applied(base: BaseRepository) -> None:
    entered = resolved(entrant(MISCOUNTED), task(), lambda: base)
    found = base.resolve(MISCOUNTED)
    assert entered.submission
    assert entered.submission.patch == found.diff != MISCOUNTED
    assert entered.facts == PatchFacts(strategy="recount", tree=found.tree, files=("m.py",), added=2, removed=1)
    [contender] = contenders([entered], VERSION)
    assert (contender.patch, contender.findings) == (found.diff, {})


def test_no_change_has_facts_as_well(base: BaseRepository) -> None:
    assert resolved(entrant(""), task("m.py"), lambda: base).facts == PatchFacts(strategy="strict", tree=base.tree)


@pytest.mark.parametrize("handed_in", [None, Submission(version=VERSION), Submission()])
def test_what_is_no_patch_stays_as_it_is(handed_in: Submission | None) -> None:
    given = Entrant(case="t:a:0", agent="a", attempt=0, submission=handed_in)
    assert resolved(given, task("m.py", strict=True), lambda: pytest.fail("there is nothing to apply")) is given


def test_a_name_that_is_no_text(base: BaseRepository) -> None:
    name = os.fsdecode(b"\xff.py")
    entered = resolved(entrant(DIFF + new(name)), task("m.py"), lambda: base)
    assert entered.facts
    assert (entered.facts.files, entered.facts.disallowed) == (("m.py", "\\udcff.py"), ("\\udcff.py",))
    assert PatchFacts.model_validate_json(entered.facts.model_dump_json()) == entered.facts


def test_a_lax_contract_is_a_note(base: BaseRepository) -> None:
    entered = resolved(entrant(DIFF + new("other.py") + new("third.py")), task("m.py"), lambda: base)
    assert entered.facts
    assert entered.facts.disallowed == ("other.py", "third.py")
    [contender] = contenders([entered], VERSION)
    finding = contender.findings["outside_contract"]
    assert (finding.severity, finding.message) == ("note", "'other.py' is changed, and the task's contract names m.py only, and 1 more")
    assert contender.afresh().findings == contender.findings


def test_a_strict_contract_is_a_refusal(base: BaseRepository) -> None:
    message = r"the task's contract does not allow to change 'other\.py'; allowed: m\.py, docs"
    with pytest.raises(DoesNotApplyError, match=message):
        resolved(entrant(DIFF + new("other.py")), task("m.py", "docs", strict=True), lambda: base)
    assert resolved(entrant(DIFF), task("m.py", strict=True), lambda: base).findings == ()


def test_a_rename_is_two_changes(base: BaseRepository) -> None:
    text = "diff --git a/m.py b/pkg/m.py\nsimilarity index 100%\nrename from m.py\nrename to pkg/m.py\n"
    with pytest.raises(DoesNotApplyError, match=r"'m\.py'; allowed: pkg"):
        resolved(entrant(text), task("pkg", strict=True), lambda: base)
