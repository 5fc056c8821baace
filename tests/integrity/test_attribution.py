"""Who loses a sandbox loses alone: it does not take the other cases with it, and its failure does not become the machine's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from arena import Folders, Silent

from pytest_isobench.agents.base import Submission
from pytest_isobench.agents.fake import replacement
from pytest_isobench.dataset.versions import BuiltEnvironment, Version
from pytest_isobench.errors import NotEvaluableError, SandboxError
from pytest_isobench.measuring.campaign import Entrant, run_campaign
from pytest_isobench.measuring.history import History
from pytest_isobench.measuring.journal import Journal
from pytest_isobench.models.fake import FILE
from pytest_isobench.models.result import Configuration, Result
from pytest_isobench.models.task import Task
from pytest_isobench.sandboxes.base import STANDARD, Needs, Reply, Turn
from pytest_isobench.sandboxes.fake import FakeProvider, FakeSandbox, FakeSupervisor
from pytest_isobench.workloads.python import ResidentWorkload

Breaks = Callable[[int, set[str]], bool]
"""Whether the sandbox is lost: given how many rounds were begun so far, and the arms that play."""


class Fragile(FakeProvider):
    """Makes sandboxes that are lost when somebody says so."""

    def __init__(self, breaks: Breaks = lambda *_: False, *, adding: str = "") -> None:
        self.breaks, self.adding, self.begun, self.opened = breaks, adding, 0, 0

    def open(self, needs: Needs = STANDARD) -> FakeSandbox:
        self.opened += 1
        sandbox = FragileSandbox(self.isolation())
        sandbox.supervisor = FragileSupervisor(self)
        sandbox.provider = self
        return sandbox


class FragileSandbox(FakeSandbox):
    provider: Fragile

    def add(self, arm: str, *arguments: object, **options: object) -> None:
        if self.provider.adding and arm.startswith(self.provider.adding):
            raise SandboxError(f"lost while placing {arm}")
        super().add(arm, *arguments, **options)


class FragileSupervisor(FakeSupervisor):
    def __init__(self, provider: Fragile) -> None:
        super().__init__()
        self.provider = provider

    def turns(self, turns: Sequence[Turn], *, timeout: float) -> list[dict[str, Reply]]:
        arms = set(turns[0].order)
        self.provider.begun += 1
        if self.provider.breaks(self.provider.begun, arms):
            raise SandboxError("the supervisor ended with status -9")
        return super().turns(turns, timeout=timeout)


def script(speed: float) -> str:
    return f'{{"speed": {speed}}}\n'


SPEEDS = {"first": 1.5, "second": 1.5, "third": 0.7}


@pytest.fixture
def play(tmp_path) -> Callable[..., Mapping[str, Result]]:
    """Run a campaign of three patches in a fragile sandbox: `first` is arm agent-0, and so on."""

    def version(label: str, speed: float) -> Version:
        tree = tmp_path / label
        tree.mkdir(exist_ok=True)
        (tree / FILE).write_text(script(speed))
        return Version(label=label, tree=tree, environment=BuiltEnvironment(path=tmp_path, digest="e"), digest=label)

    def run(provider: Fragile) -> Mapping[str, Result]:
        entrants = [
            Entrant(case=f"t:{name}:0", agent=name, attempt=0, submission=Submission(patch=replacement(FILE, script(1.0), script(speed))))
            for name, speed in SPEEDS.items()
        ]
        code = "def inputs(rng): return 1\ndef run(x): return x"
        task = {"id": "t", "source": {"kind": "path", "base": "b", "human": "h"}, "workload": {"kind": "python", "code": code, "calls": 1}}
        with Journal(tmp_path / "journal") as journal:
            found = run_campaign(
                Task.model_validate(task),
                entrants,
                Folders(version("base", 1.0), version("human", 1.5)),
                provider=provider,
                workloads={"python": ResidentWorkload},
                configuration=Configuration(time_budget=60),
                journal=journal,
                history=History(),
                cores=(),
                observer=Silent(),
                judge=lambda *_: None,
                folder=tmp_path,
            )
        return {result.agent: result for result in found.values()}

    return run


def outcomes(results: Mapping[str, Result]) -> dict[str, str]:
    return {name: result.verdict.outcome.value if result.verdict else result.failure.kind for name, result in results.items()}


UNDISTURBED = {"first": "matches", "second": "matches", "third": "slower"}


def test_without_losses_there_is_one_sandbox(play):
    provider = Fragile()
    assert outcomes(play(provider)) == UNDISTURBED
    assert provider.opened == 1


def test_one_loss_is_forgiven(play):
    provider = Fragile(lambda begun, _: begun == 4)
    assert outcomes(play(provider)) == UNDISTURBED
    assert provider.opened == 2


@pytest.mark.parametrize("culprit", [0, 1, 2])
def test_who_loses_it_whenever_it_plays_has_crashed(play, culprit):
    name = list(SPEEDS)[culprit]
    results = play(Fragile(lambda _, arms: f"agent-{culprit}" in arms))
    assert outcomes(results) == {**UNDISTURBED, name: "crashed"}
    (finding,) = results[name].findings
    assert (finding.kind, finding.severity) == ("broke_sandbox", "alarm")
    assert "status -9" in results[name].verdict.reasons[0]
    assert not any(result.findings for other, result in results.items() if other != name)


def test_two_culprits_are_both_found(play):
    results = play(Fragile(lambda _, arms: not arms.isdisjoint({"agent-0", "agent-2"})))
    assert outcomes(results) == {"first": "crashed", "second": "matches", "third": "crashed"}


def test_who_loses_it_in_a_later_round_gains_nothing(play):
    """It has seen that it is losing, and breaks the sandbox to be tried again."""
    results = play(Fragile(lambda begun, arms: begun > 6 and "agent-2" in arms))
    assert outcomes(results) == {**UNDISTURBED, "third": "crashed"}


def test_who_loses_it_now_and_then_is_found_or_measured(play):
    results = play(Fragile(lambda begun, arms: begun % 3 == 0 and "agent-1" in arms))
    assert outcomes(results)["second"] in ("crashed", "matches")
    assert {name: outcome for name, outcome in outcomes(results).items() if name != "second"} == {"first": "matches", "third": "slower"}


def test_a_machine_that_loses_the_trusted_arms_too_is_to_blame(play):
    results = play(Fragile(lambda begun, _: begun > 3))
    assert outcomes(results) == dict.fromkeys(SPEEDS, "SandboxError")


def test_a_machine_that_cannot_hold_everybody_measures_them_one_by_one(play):
    """Each patch alone with the trusted arms comes through, so no patch is to blame."""
    assert outcomes(play(Fragile(lambda _, arms: len(arms) > 4))) == UNDISTURBED


def test_who_loses_it_only_in_company_gains_nothing(play):
    """It sees by the clock how many others take turns with it."""
    assert outcomes(play(Fragile(lambda _, arms: "agent-2" in arms and len(arms) > 4))) == UNDISTURBED


def test_who_loses_it_when_it_is_alone_and_measured_but_not_when_tried_has_crashed(play):
    results = play(Fragile(lambda begun, arms: "agent-2" in arms and begun % 2 == 0))
    assert outcomes(results) == {**UNDISTURBED, "third": "crashed"}


def test_a_trusted_arm_that_fails_beside_one_patch_is_that_patch_s_doing(play, monkeypatch):
    original = FragileSupervisor.turns

    def turns(self, turns, *, timeout):
        played = original(self, turns, timeout=timeout)
        if "agent-1" in turns[0].order:
            played[0]["baseline"] = Reply(status="exited", detail="ended with status 137")
        return played

    monkeypatch.setattr(FragileSupervisor, "turns", turns)
    assert outcomes(play(Fragile())) == {**UNDISTURBED, "second": "crashed"}


def test_a_trusted_arm_that_fails_by_itself_is_the_task_s_failure(play, monkeypatch):
    original, begun = FragileSupervisor.turns, []

    def turns(self, turns, *, timeout):
        played = original(self, turns, timeout=timeout)
        begun.append(1)
        if len(begun) > 3:
            played[0]["human"] = Reply(status="exited", detail="ended with status 137")
        return played

    monkeypatch.setattr(FragileSupervisor, "turns", turns)
    with pytest.raises(NotEvaluableError, match="human itself is crashed"):
        play(Fragile())


def test_who_cannot_be_placed_without_a_loss_has_crashed(play):
    provider = Fragile(adding="agent-1")
    results = play(provider)
    assert outcomes(results) == {**UNDISTURBED, "second": "crashed"}
    assert [finding.kind for finding in results["second"].findings] == ["broke_sandbox"]


@pytest.mark.parametrize("adding", ["agent", "oracle", "spare"])
def test_a_machine_without_room_is_to_blame(play, adding):
    """When the spare copy of the baseline cannot be placed either, or a trusted arm, then no patch is to blame."""

    class Full(Fragile):
        def open(self, needs: Needs = STANDARD) -> FakeSandbox:
            sandbox = super().open(needs)
            add = sandbox.add

            def full(arm: str, *arguments: object, **options: object) -> None:
                if arm.startswith(("agent", "spare")) or arm == adding:
                    raise SandboxError("no space left on device")
                add(arm, *arguments, **options)

            sandbox.add = full
            return sandbox

    assert outcomes(play(Full())) == dict.fromkeys(SPEEDS, "SandboxError")
