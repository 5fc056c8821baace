import json
import math
import statistics

import pytest

from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.errors import DoesNotApplyError, DoesNotBuildError, SandboxError
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes.base import Turn
from pytest_isobench.sandboxes.fake import CALL, FakeProvider
from pytest_isobench.testing import SandboxContract


@pytest.fixture
def sandbox():
    with FakeProvider().open() as sandbox:
        yield sandbox


@pytest.fixture
def place(sandbox, tmp_path):
    """Place an arm with a script, and start its worker."""

    def place(arm, script=None, patch=None, start=True):
        tree = tmp_path / arm
        tree.mkdir()
        (tree / "code.py").write_text("x = 1\n")
        if script is not None:
            (tree / "fake.json").write_text(script if isinstance(script, str) else json.dumps(script))
        environment = BuiltEnvironment(path=tmp_path, digest="")
        sandbox.add(arm, Version(label=arm, tree=tree, environment=environment, digest=arm), Environment(), patch=patch)
        process = sandbox.process(arm, ["{python}"], resources=Resources())
        if start:
            sandbox.supervisor.start(arm, process)
        return process

    return place


def play(sandbox, *arms, inputs=(1,)):
    turns = [Turn(order=arms, inputs=json.dumps(list(inputs)).encode())]
    return sandbox.supervisor.turns(turns, timeout=9.0)[0]


def test_speed_is_what_the_script_says(sandbox, place):
    place("slow")
    place("fast", {"speed": 2.0, "noise": 0.0})
    replies = [play(sandbox, "slow", "fast", inputs=(index, "x")) for index in range(200)]
    assert {reply["fast"].seconds for reply in replies} == {CALL}
    ratios = [math.log(reply["slow"].seconds / reply["fast"].seconds) for reply in replies]
    assert statistics.mean(ratios) == pytest.approx(math.log(2), abs=0.005)
    assert statistics.stdev(ratios) == pytest.approx(0.01, rel=0.3)


def test_placing_takes_as_long_as_the_script_says_and_changes_no_figure(sandbox, place, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    place("one", {"speed": 2.0})
    before = play(sandbox, "one")["one"]
    (sandbox._folder / "one" / "fake.json").write_text('{"speed": 2.0, "seconds": 3}')
    assert play(sandbox, "one")["one"] == before
    place("two", {"seconds": 3})
    assert slept == [0.0, 3.0]


def test_the_same_request_takes_the_same_time_again(sandbox, place):
    place("one")
    place("two")
    first, again, other = play(sandbox, "one", "two"), play(sandbox, "one", "two"), play(sandbox, "one", "two", inputs=(2,))
    assert first == again
    assert first["one"].seconds != first["two"].seconds, "two copies of one tree differ by noise, as real ones do"
    assert first["one"].seconds != other["one"].seconds


def test_answers_come_from_the_script(sandbox, place):
    place("arm", {"answer": [1, "x"]})
    assert json.loads(play(sandbox, "arm", inputs=(1, 2))["arm"].payload) == [[1, "x"], [1, "x"]]


def test_the_oracle_s_requests_are_answered(sandbox, place):
    place("oracle")
    ask = sandbox.supervisor.ask
    assert json.loads(ask("oracle", "load", b"{}", timeout=1).payload) == {"prepare": False, "check": False}
    inputs = json.loads(ask("oracle", "inputs", b'{"seed": "s", "count": 3}', timeout=1).payload)
    assert len(set(inputs)) == 3
    assert ask("oracle", "echo", b"", timeout=1).status == "ok"


@pytest.mark.parametrize(("fail", "status"), [("crash", "exception"), ("timeout", "timed_out"), ("cheat", "protocol")])
def test_failures_show_in_a_turn_and_end_the_arm(sandbox, place, fail, status):
    place("bad", {"fail": fail})
    place("good")
    assert play(sandbox, "bad", "good")["bad"].status == status
    turns = [Turn(order=("bad", "good"), inputs=b"[1]")] * 3
    assert [sorted(replies) for replies in sandbox.supervisor.turns(turns, timeout=9.0)] == [["bad", "good"], ["good"], ["good"]]


def test_an_early_exit_shows_when_the_worker_loads(sandbox, place):
    place("arm", {"fail": "exit"})
    assert sandbox.supervisor.ask("arm", "load", b"{}", timeout=1).status == "exited"


def test_a_machine_can_fail(place):
    with pytest.raises(SandboxError, match="machine fails"):
        place("arm", {"fail": "machine"})


def test_a_tree_can_refuse_to_build(place):
    with pytest.raises(DoesNotBuildError):
        place("arm", {"fail": "build"})


@pytest.mark.parametrize("script", ["{", "[]", '{"speed": 0}', '{"sped": 1}', "\x00"])
def test_a_broken_script_is_the_patch_s_failure(sandbox, place, script):
    place("arm", script)
    assert play(sandbox, "arm")["arm"].status == "exception"


def test_commands_run_without_a_process(sandbox, place):
    process = place("arm", {"speed": 2.0, "answer": {"a": 1}}, start=False)
    output = []
    run = sandbox.supervisor.run(process, timeout=9.0, on_output=lambda stream, data: output.append((stream, data)))
    assert (run.returncode, run.stdout, run.wall) == (0, b'{"a": 1}\n', CALL / 2)
    assert output == [("stdout", run.stdout)]
    assert sandbox.supervisor.run(process, stdin=b"x", timeout=9.0).wall != run.wall


@pytest.mark.parametrize(("fail", "code", "timed_out"), [("crash", 1, False), ("exit", 1, False), ("timeout", -9, True)])
def test_commands_fail_as_told(sandbox, place, fail, code, timed_out):
    run = sandbox.supervisor.run(place("arm", {"fail": fail}, start=False), timeout=9.0)
    assert (run.returncode, run.timed_out) == (code, timed_out)


PATCH = "diff --git a/code.py b/code.py\n--- a/code.py\n+++ b/code.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"


def test_patches_are_applied_for_real(sandbox, place):
    process = place("arm", patch=PATCH)
    with open(f"{process.directory}/code.py") as file:
        assert file.read() == "x = 2\n"


@pytest.mark.parametrize("patch", [
    PATCH.replace("x = 1", "y = 1"),
    PATCH.replace("code.py", "none.py"),
    PATCH.replace("a/code.py", "a/../../etc/x").replace("b/code.py", "b/../../etc/x"),
    "no diff at all",
])  # fmt: skip
def test_patches_that_do_not_fit_are_refused(place, patch):
    with pytest.raises(DoesNotApplyError):
        place("arm", patch=patch)


def test_nothing_is_left_behind(tmp_path, place):
    with FakeProvider().open() as sandbox:
        folder = sandbox._folder
        assert folder.is_dir()
    assert not folder.exists()
    sandbox.close()


def test_isolation_says_that_nothing_is_run():
    isolation = FakeProvider().isolation()
    assert isolation.sandbox == "fake"
    assert "nothing is run" in isolation.notes[0]


class TestContract(SandboxContract):
    """What it does without running anything: place arms, refuse patches, close."""

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls):
        return FakeProvider()
