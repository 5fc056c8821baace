"""What passes, fails, errs and is skipped."""

from __future__ import annotations

import pytest


def test_the_human_passes_and_nop_fails(project):
    result = project.run("--isobench-agent=human,nop")
    result.assert_outcomes(passed=2, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert project.outcomes() == {"sort:human:0": "matches", "sort:nop:0": "slower", "scan:human:0": "matches", "scan:nop:0": "slower"}


@pytest.mark.soak
@pytest.mark.parametrize(("speed", "require", "outcome"), [
    ("3", "match", "passed"),
    ("2", "match", "passed"),
    ("1.5", "match", "failed"),
    ("1.5", "improve", "passed"),
    ("1", "improve", "failed"),
    ("1", "correct", "passed"),
    ("0.5", "correct", "passed"),
    ("wrong", "correct", "failed"),
    ("cheat", "correct", "failed"),
])  # fmt: skip
def test_what_passes_is_what_is_required(project, speed, require, outcome):
    result = project.run(f"--isobench-agent=fake:{speed}", f"--isobench-require={require}", "-k", "sort")
    result.assert_outcomes(**{outcome: 1, "deselected": 1})


@pytest.mark.parametrize(("failure", "verdict"), [
    ("crash", "crashed"), ("timeout", "timed_out"), ("exit", "crashed"),
    ("cheat", "cheated"), ("build", "does_not_build"), ("wrong", "incorrect"),
])  # fmt: skip
def test_a_patch_that_does_not_work_is_a_failure(project, failure, verdict):
    result = project.run(f"--isobench-agent=fake:{failure}", "-k", "sort")
    result.assert_outcomes(failed=1, deselected=1)
    assert project.outcomes() == {f"sort:fake-{failure}:0": verdict}
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*fixtures.py*")


def test_a_failure_says_what_was_measured_and_what_was_needed(project):
    result = project.run("--isobench-agent=nop", "-k", "sort")
    result.stdout.fnmatch_lines([
        "*test_speedup?sort:nop:0?*",
        "slower: ?0.* of the human's speed",
        "no change: ?* of the baseline's speed (* rounds)",
        "needed: not slower than the human by more than the margin, and faster than the baseline (--isobench-require=match)",
        "FAILED (slower) tasks/demo.yaml::test_speedup?sort:nop:0? - Failed: slower*",
    ])


def test_the_machine_s_failure_is_an_error(project):
    result = project.run("--isobench-agent=fake:machine", "-k", "sort")
    result.assert_outcomes(errors=1, deselected=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_speedup?sort:fake-machine:0?*", "SandboxError: fake.json says*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    [row] = project.report()["results"]
    assert (row["failure"]["kind"], row["verdict"]) == ("SandboxError", None)


def test_no_patch_is_skipped_with_its_reason(project):
    project.patch("coder", "sort", 2.0)
    result = project.run("--isobench-agent=coder", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*no patch: coder has no patch: there is no *scan.0.diff"])
    assert project.outcomes() == {"sort:coder:0": "matches", "scan:coder:0": "no_patch"}


@pytest.mark.parametrize(("human", "state"), [(1.0, "not_evaluable"), (0.5, "human_regression"), (1.04, "weak")])
def test_a_task_that_shows_nothing_here_is_skipped(project, human, state):
    project.tree("human", speed=human)
    result = project.run("--isobench-agent=human,nop", "-rs", "-k", "sort")
    result.assert_outcomes(skipped=2, deselected=2)
    assert {row["task_state"] for row in project.report()["results"]} == {state}


def test_a_broken_patch_fails_on_such_a_task_as_well(project):
    project.tree("human", speed=1.0)
    project.run("--isobench-agent=human,fake:wrong", "-k", "sort").assert_outcomes(skipped=1, failed=1, deselected=2)


def test_an_agent_that_does_not_fit_the_task_is_skipped(project):
    result = project.run("--isobench-agent=release:latest,human", "-k", "sort", "-rs")
    result.assert_outcomes(passed=1, skipped=1, deselected=2)
    result.stdout.fnmatch_lines(["SKIPPED*agent release:latest needs a task whose source is 'pypi', and this one's is 'path'"])


def test_a_missing_gpu_is_skipped(project, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    project.tasks({"id": "kernel", "resources": {"gpus": 2, "gpu": "B9999"}})
    project.pytester.makeconftest(EXCLUSIVE)
    result = project.run("--isobench-agent=human", "--isobench-sandbox=exclusive", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs 2 GPU(s) of model 'B9999'; this machine has 0"])


EXCLUSIVE = """
from pytest_isobench.sandboxes.fake import FakeProvider

class Exclusive(FakeProvider):
    exclusive = True

def pytest_isobench_register(registry):
    registry.add_sandbox("exclusive", Exclusive)
"""


@pytest.mark.parametrize("only", ["baseline", "human", "agent"])
def test_one_kind_of_arm_alone_has_no_verdict(project, only):
    result = project.run("--isobench-agent=fake:3", f"--isobench-only={only}", "-k", "sort")
    result.assert_outcomes(passed=1, deselected=1)
    [row] = project.report()["results"]
    assert row["verdict"] is None
    assert list(row["comparison"]["times"]) == [only]


@pytest.mark.parametrize(("content", "message"), [
    (b"\0binary", "my.diff"),
    ("+caf\u00e9".encode("latin-1"), "my.diff: is not a diff"),
    (b"--- a/none.py\n+++ b/none.py\n@@ -1 +1 @@\n-a\n+b\n", "none.py"),
])  # fmt: skip
def test_a_file_that_is_no_patch_for_the_task_fails(project, content, message):
    (project.path / "my.diff").write_bytes(content)
    result = project.run("--isobench-agent=patch:my.diff", "-k", "sort")
    result.assert_outcomes(failed=1, deselected=1)
    assert project.outcomes() == {"sort:patch-my:0": "does_not_apply"}
    assert message in result.stdout.str()
    result.stdout.fnmatch_lines(["does not apply: *"])


def test_an_empty_patch_is_no_change(project):
    (project.path / "my.diff").write_text("\n")
    project.run("--isobench-agent=patch:my.diff", "-k", "sort").assert_outcomes(failed=1, deselected=1)
    assert project.outcomes() == {"sort:patch-my:0": "slower"}


def test_a_patch_is_applied_before_any_sandbox_opens(project):
    """Neither a miscounted patch nor one that does not fit is left to a sandbox."""
    project.patch("coder", "sort", 3.0)
    file = project.path / "fixtures" / "patches" / "coder" / "sort.0.diff"
    file.with_name("sort.1.diff").write_text(file.read_text().replace("1.0", "7.0"))
    file.write_text(file.read_text().replace("@@ -1,4 +1,4 @@", "@@ -1,9 +1,9 @@"))
    (project.path / "conftest.py").write_text(CLOSED)
    result = project.run("--isobench-agent=coder", "-k", "sort:coder:1", "--isobench-sandbox=closed")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["does not apply: git apply refuses the patch:*", "*fake.json: patch does not apply*"])
    project.run("--isobench-agent=coder", "-k", "sort")
    assert project.outcomes() == {"sort:coder:0": "beats", "sort:coder:1": "does_not_apply"}
    applied, refused = project.report()["results"]
    tree = applied["patch"].pop("tree")
    assert len(tree) == 40
    assert applied["patch"] == {"strategy": "recount", "files": ["fake.json"], "added": 1, "removed": 1, "disallowed": []}
    assert refused["patch"] is None
    assert refused["base"] == applied["base"]


CLOSED = """
from pytest_isobench.sandboxes.fake import FakeProvider

class Closed(FakeProvider):
    def open(self, needs=None):
        raise AssertionError("nothing was to be run")

def pytest_isobench_register(registry):
    registry.add_sandbox("closed", Closed)
"""


def test_whole_versions_have_no_patch(project):
    project.run("--isobench-agent=human,nop", "-k", "sort")
    facts = {row["agent"]: row["patch"] for row in project.report()["results"]}
    assert facts["human"] is None
    assert (facts["nop"]["strategy"], facts["nop"]["files"]) == ("strict", [])


@pytest.mark.parametrize(("strict", "outcome"), [(False, "beats"), (True, "does_not_apply")])
def test_a_contract_says_which_files_a_patch_may_change(project, strict, outcome):
    project.tasks({"id": "sort", "contract": {"files": ["src/*.py"], "strict": strict}})
    project.run("--isobench-agent=fake:3")
    [row] = project.report()["results"]
    assert row["verdict"]["outcome"] == outcome
    assert [finding["kind"] for finding in row["findings"]] == [] if strict else ["outside_contract"]
    assert strict or row["patch"]["disallowed"] == ["fake.json"]
    assert not strict or "'fake.json'; allowed: src/*.py" in row["verdict"]["reasons"][0]
