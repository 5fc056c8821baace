import subprocess
from pathlib import Path

import pytest

from pytest_isobench.agents.base import AgentContext, Assignment, readable
from pytest_isobench.agents.fake import FakeAgent, replacement
from pytest_isobench.agents.known import HumanAgent, NopAgent, RefAgent, ReleaseAgent
from pytest_isobench.agents.recorded import PatchAgent, RecordedAgent, read, recorded, replay
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.errors import DoesNotApplyError, NoPatchError, NotEvaluableError, UsageError
from pytest_isobench.models.fake import FakeScript
from pytest_isobench.models.task import Task

SOURCES = {
    "path": {"kind": "path", "base": "base", "human": "human"},
    "git": {"kind": "git", "repository": "r", "human": "abc"},
    "pypi": {"kind": "pypi", "package": "p", "base": "1", "human": "2"},
}
DIFF = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n"


class Versions:
    """A source whose versions are names."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def named(self, name: str) -> Version:
        return Version(label=name, tree=self.tree, environment=BuiltEnvironment(path=self.tree, digest=""), digest=name)

    def baseline(self) -> Version:
        return self.named("the baseline")

    def human(self) -> Version:
        return self.named("the human's")


@pytest.fixture
def context(tmp_path):
    return AgentContext(directory=tmp_path, patches=tmp_path / "patches")


@pytest.fixture
def assign(tmp_path):
    def assign(kind="path", task="demo", attempt=0):
        record = {"id": task, "source": SOURCES[kind], "workload": {"kind": "python", "code": "def run(x): pass"}}
        return Assignment(task=Task.model_validate(record), attempt=attempt, source=Versions(tmp_path), folder=tmp_path)

    return assign


def test_the_human_hands_in_the_human_s_version(context, assign):
    agent = HumanAgent("", context)
    assert agent.submit(assign()).version.label == "the human's"
    assert (agent.name, agent.attempts("demo")) == ("human", None)


def test_nop_hands_in_no_change(context, assign):
    submission = NopAgent("", context).submit(assign())
    assert (submission.patch, submission.version) == ("", None)


@pytest.mark.parametrize(("agent", "kind", "argument", "name"), [
    (RefAgent, "git", "feature/faster sort", "ref-feature_faster_sort"),
    (ReleaseAgent, "pypi", "26.0", "release-26.0"),
    (ReleaseAgent, "pypi", "latest", "release-latest"),
])  # fmt: skip
def test_versions_are_found_by_name(context, assign, agent, kind, argument, name):
    made = agent(argument, context)
    assert made.name == name
    assert made.submit(assign(kind)).version.label == argument


@pytest.mark.parametrize(("agent", "kind", "message"), [
    (RefAgent, "pypi", "agent ref:x needs a task whose source is 'git', and this one's is 'pypi'"),
    (ReleaseAgent, "path", "agent release:x needs a task whose source is 'pypi', and this one's is 'path'"),
])  # fmt: skip
def test_a_version_of_another_kind_of_source_is_not_evaluable(context, assign, agent, kind, message):
    with pytest.raises(NotEvaluableError, match=message):
        agent("x", context).submit(assign(kind))


@pytest.mark.parametrize(("make", "argument", "message"), [
    (HumanAgent, "x", "agent human:x: 'human' takes no argument"),
    (NopAgent, "x", "agent nop:x: 'nop' takes no argument"),
    (RefAgent, "", "agent 'ref' needs an argument, such as ref:my-branch"),
    (ReleaseAgent, "", "agent 'release' needs an argument, such as release:latest"),
    (PatchAgent, "", "agent 'patch' needs an argument, such as patch:my.diff"),
    (PatchAgent, "none.diff", "agent patch:none.diff: there is no file .*none.diff"),
    (replay, "", "agent 'replay' needs an argument, such as replay:runs/patches"),
    (replay, "nowhere", "agent replay:nowhere: there is no folder .*nowhere"),
    (FakeAgent, "", "agent 'fake' needs an argument, such as fake:1.5"),
    (FakeAgent, "quick", "agent fake:quick: give a speed such as 1.5, or one of crash, timeout"),
    (FakeAgent, "crsh", r"\(did you mean 'crash'\?\)"),
    (FakeAgent, "-1", "give a speed"),
    (FakeAgent, "nan", "give a speed"),
])  # fmt: skip
def test_wrong_arguments_say_what_is_right(context, make, argument, message):
    with pytest.raises(UsageError, match=message):
        make(argument, context)


def test_one_patch_is_for_every_task(context, assign, tmp_path):
    (tmp_path / "my change.diff").write_text(DIFF)
    agent = PatchAgent("my change.diff", context)
    assert (agent.name, agent.attempts("demo")) == ("patch-my_change", None)
    assert agent.submit(assign(task="other", attempt=4)).patch == DIFF


def test_recorded_attempts_are_counted_and_read(tmp_path, assign):
    for name in ("demo.0.diff", "demo.2.diff", "demo-x.0.diff", "demo.diff", "demo.x.diff", "notes.txt"):
        (tmp_path / name).write_text(DIFF.replace("+2", f"+{name}"))
    agent = RecordedAgent("coder", tmp_path)
    assert [agent.attempts(task) for task in ("demo", "demo-x", "other")] == [3, 1, 0]
    assert agent.submit(assign(attempt=2)).patch == DIFF.replace("+2", "+demo.2.diff")
    with pytest.raises(NoPatchError, match=r"coder has no patch: there is no .*demo\.1\.diff"):
        agent.submit(assign(attempt=1))


def test_replay_reads_any_folder(context, assign, tmp_path):
    (tmp_path / "runs" / "may 3").mkdir(parents=True)
    (tmp_path / "runs" / "may 3" / "demo.0.diff").write_text("")
    agent = replay("runs/may 3", context)
    assert agent.name == "replay-may_3"
    assert agent.submit(assign()).patch == ""


def test_a_name_is_a_folder_of_recorded_patches(context):
    (context.patches / "claude_code").mkdir(parents=True)
    assert recorded("claude_code", context, ("human", "nop")).name == "claude_code"


@pytest.mark.parametrize(("name", "meant"), [("claude_cod", "claude_code"), ("humam", "human")])
def test_an_unknown_name_lists_what_there_is(context, name, meant):
    (context.patches / "claude_code").mkdir(parents=True)
    (context.patches / "README.md").write_text("")
    with pytest.raises(UsageError, match=rf"no such agent.* \(did you mean '{meant}'\?\); there are human, nop, claude_code$"):
        recorded(name, context, ("human", "nop"))


def test_a_name_never_leaves_the_folder(context, tmp_path):
    context.patches.mkdir()
    (tmp_path / "elsewhere").mkdir()
    for name in ("../elsewhere", "..", "."):
        with pytest.raises(UsageError, match="there is no such agent"):
            recorded(name, context, ())


@pytest.mark.parametrize(("data", "message"), [
    (b"diff --git\n\0\n", r"x\.diff: "),
    ("diff \u00e9".encode("utf-16"), r"x\.diff: "),
    (b"\x7fELF\x01\xff\xfe", r"x\.diff: is not a diff"),
    (b"sorry, no idea\n", r"x\.diff: is not a diff"),
    (DIFF.replace("b/x", "b/../../etc/x").encode(), r"x\.diff: "),
])  # fmt: skip
def test_what_is_no_diff_does_not_apply(tmp_path, data, message):
    (tmp_path / "x.diff").write_bytes(data)
    with pytest.raises(DoesNotApplyError, match=message):
        read(tmp_path / "x.diff")


def test_other_encodings_and_line_ends_are_kept(tmp_path):
    data = DIFF.encode().replace(b"-1\n+2\n", b"-caf\xe9\r\n+tea\r\n")
    (tmp_path / "x.diff").write_bytes(data)
    assert read(tmp_path / "x.diff").encode("utf-8", "surrogateescape") == data


def test_a_huge_patch_is_refused(tmp_path):
    with open(tmp_path / "x.diff", "wb") as file:
        file.truncate(33 * 2**20)
    with pytest.raises(DoesNotApplyError, match=r"x\.diff"):
        read(tmp_path / "x.diff")


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(NoPatchError, match=str(tmp_path)):
        read(tmp_path)


@pytest.mark.parametrize(("before", "argument", "expected"), [
    (None, "1.5", FakeScript(speed=1.5)),
    ('{"speed": 2.0, "noise": 0.5}', "3", FakeScript(speed=3.0, noise=0.5)),
    ('{"answer": 7}\n', "wrong", FakeScript(answer="wrong")),
    ('{\n"speed": 2\n}\n', "crash", FakeScript(speed=2.0, fail="crash")),
])  # fmt: skip
def test_the_fake_agent_changes_the_script(context, assign, tmp_path, before, argument, expected):
    if before is not None:
        (tmp_path / "fake.json").write_text(before)
    patch = FakeAgent(argument, context).submit(assign()).patch
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    assert FakeScript.model_validate_json((tmp_path / "fake.json").read_text()) == expected


def test_nothing_to_replace_is_an_empty_diff():
    assert replacement("x", "same\n", "same\n") == ""


@pytest.mark.parametrize(("parts", "name"), [(("ref", "a/b c"), "ref-a_b_c"), (("patch", "../x"), "patch-.._x"), (("x",), "x")])
def test_names_can_stand_in_test_ids(parts, name):
    assert readable(*parts) == name
