"""A campaign: all arms of one task, measured together, round after round, until every verdict is in."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest_isobench
from pytest_isobench.checks.command import run_check
from pytest_isobench.dataset.versions import Version, VersionSource
from pytest_isobench.errors import DoesNotApplyError, DoesNotBuildError, InfrastructureError, JournalError, NotEvaluableError
from pytest_isobench.measuring.contenders import Contender, Entrant, contenders, digest
from pytest_isobench.measuring.history import History
from pytest_isobench.measuring.journal import Journal
from pytest_isobench.measuring.machine import counters, describe
from pytest_isobench.measuring.race import Race
from pytest_isobench.measuring.results import Judge, Measured, Setting, judged, machine_failed, no_patch
from pytest_isobench.measuring.statistics import estimate
from pytest_isobench.models.result import Configuration, Estimate, Outcome, Result
from pytest_isobench.models.task import Task
from pytest_isobench.models.trial import ArmFailure, Trial
from pytest_isobench.sandboxes.base import Sandbox, SandboxProvider
from pytest_isobench.workloads.base import BASELINE, CONTROL, HUMAN, ORACLE, Bench, RoundPlan, Workload, WorkloadFactory

__all__ = ["Entrant", "Judge", "Observer", "run_campaign"]

PROGRAMS = ("sandboxes/supervisor.py", "workloads/worker.py")
"""The programs that make the times: with other ones it is another campaign."""


class Observer(Protocol):
    """Watches a campaign's progress."""

    def phase(self, task: str, text: str) -> None:
        """Tell what begins now."""

    def round(self, task: str, done: int, limit: int, estimates: Mapping[str, Estimate], seconds_left: float | None) -> None:
        """Tell how far the rounds have come: the estimates so far by case, and of 'human' against the baseline."""


def run_campaign(
    task: Task,
    entrants: Sequence[Entrant],
    source: VersionSource,
    *,
    provider: SandboxProvider,
    workloads: Mapping[str, WorkloadFactory],
    configuration: Configuration,
    journal: Journal,
    history: History,
    cores: Sequence[int],
    observer: Observer,
    judge: Judge,
    folder: Path,
) -> dict[str, Result]:
    """Measure all entrants of a task in one campaign; one result per case.

    A failure of the machine becomes the `failure` of every result that it leaves without a verdict. Results of the same content in
    `history` are taken as they are, and its complete rounds are not played again.

    Raises:
        NotEvaluableError: the task cannot be run on this machine at all.
        SourceError: its code cannot be fetched.
        JournalError: what was measured cannot be written down.
    """
    observer.phase(task.id, "fetching")
    baseline, human = source.baseline(), source.human()
    racing = contenders(entrants, baseline)
    workload = workloads[task.workload.kind](task, folder)
    setting = Setting(
        task=task,
        baseline=baseline,
        human=human,
        workload=workload,
        configuration=configuration,
        cores=tuple(cores),
        campaign=_identity(task, baseline, human, racing, workload, configuration, cores),
    )
    known = {entrant.case: history.results.get(setting.key(entrant)) for entrant in entrants}
    finished = {case: result.model_copy(update={"resumed": True}) for case, result in known.items() if result is not None}
    if len(finished) == len(entrants):
        return finished
    results = {entrant.case: no_patch(setting, entrant) for entrant in entrants if entrant.submission is None}
    if racing or configuration.only:
        results |= _Campaign(setting, racing, history, journal, observer).run(provider, judge)
    for entrant in entrants:
        if results[entrant.case].failure is None:
            journal.append("result", key=setting.key(entrant), result=results[entrant.case].model_dump(mode="json"))
    return results


def _identity(
    task: Task,
    baseline: Version,
    human: Version,
    racing: Sequence[Contender],
    workload: Workload,
    configuration: Configuration,
    cores: Sequence[int],
) -> str:
    """Digest everything that must be alike for trials to be compared: code, record, environments, way of measuring, tool and machine."""
    package = Path(pytest_isobench.__file__).parent
    programs = [(package / program).read_text() for program in PROGRAMS]
    measuring = configuration.model_dump_json(exclude={"require", "time_budget"})
    arms = [f"{contender.entrant.case} {contender.digest}" for contender in racing]
    machine = [describe(cores).boot or "", str(sorted(cores))]
    code = [task.model_dump_json(), workload.digest, baseline.digest, human.digest, *arms]
    return digest(pytest_isobench.__version__, *programs, *code, measuring, *machine)


class _Campaign:
    """One campaign in progress."""

    def __init__(self, setting: Setting, racing: Sequence[Contender], history: History, journal: Journal, observer: Observer) -> None:
        self.setting, self.racing, self.history, self.journal, self.observer = setting, racing, history, journal, observer
        self.task, self.workload, self.only = setting.task, setting.workload, setting.configuration.only
        self.race = Race(racing, self.workload.schedule, setting.configuration, setting.margin)
        self.seed = digest(str(setting.configuration.seed), setting.campaign)
        self.trusted = [arm for arm in (BASELINE, HUMAN, CONTROL) if self.only in (None, arm)]
        self.agents_race = self.only in (None, "agent")

    def run(self, provider: SandboxProvider, judge: Judge) -> dict[str, Result]:
        started, begin, before = datetime.now(UTC), time.monotonic(), counters()
        try:
            with provider.open() as sandbox:
                isolation = sandbox.isolation
                self._measure(sandbox)
        except JournalError:
            raise
        except InfrastructureError as error:
            return {contender.entrant.case: machine_failed(self.setting, contender.entrant, error) for contender in self.racing}
        measured = Measured(
            machine=describe(self.setting.cores, before),
            isolation=isolation,
            started=started.isoformat(timespec="seconds"),
            seconds=time.monotonic() - begin,
            journal=str(self.journal.path),
        )
        return {contender.entrant.case: judged(self.setting, self.race, contender, measured, judge) for contender in self.racing}

    def _measure(self, sandbox: Sandbox) -> None:
        timeout = self.setting.configuration.timeout or self.task.workload.timeout
        bench = Bench(sandbox=sandbox, campaign=self.setting.campaign, cores=self.setting.cores, timeout=timeout)
        self._place(sandbox)
        if not any(contender.racing for contender in self.racing) and not self.only:
            return
        earlier = self.history.rounds.get((self.setting.campaign, 0))
        self.observer.phase(self.task.id, "sizing")
        self.workload.open(bench, self._arms(), self.seed, earlier.sizing if earlier else 0)
        self.observer.phase(self.task.id, "measuring")
        self._race(bench)

    def _place(self, sandbox: Sandbox) -> None:
        """Place all arms and run the checks; a patch that does not get that far has its verdict."""
        versions = dict.fromkeys((ORACLE, BASELINE, CONTROL), self.setting.baseline) | {HUMAN: self.setting.human}
        for arm in (ORACLE, *self.trusted):
            self.observer.phase(self.task.id, f"placing {arm}")
            try:
                sandbox.add(arm, versions[arm], self.task.environment)
            except (DoesNotApplyError, DoesNotBuildError) as error:
                raise NotEvaluableError(f"the {arm} itself cannot be placed: {error}") from error
        for contender in self.racing if self.agents_race else ():
            self.observer.phase(self.task.id, f"placing {contender.entrant.agent}")
            self._place_contender(sandbox, contender)

    def _place_contender(self, sandbox: Sandbox, contender: Contender) -> None:
        try:
            sandbox.add(contender.arm, contender.version, self.task.environment, patch=contender.patch)
        except DoesNotApplyError as error:
            contender.failure = ArmFailure(outcome=Outcome.DOES_NOT_APPLY, message=str(error))
        except DoesNotBuildError as error:
            contender.failure = ArmFailure(outcome=Outcome.DOES_NOT_BUILD, message=str(error))
        else:
            self._check(sandbox, contender)

    def _check(self, sandbox: Sandbox, contender: Contender) -> None:
        contender.checks = [run_check(sandbox, contender.arm, self.task, check) for check in self.task.checks]
        failed = [check for check in contender.checks if not check.passed]
        if not failed:
            return
        spec = next(check for check in self.task.checks if check.name == failed[0].name)
        if not run_check(sandbox, ORACLE, self.task, spec).passed:
            raise NotEvaluableError(f"the check {spec.name!r} fails on the baseline as well")
        contender.failure = ArmFailure(outcome=Outcome.INCORRECT, message=f"check {spec.name!r} failed: {failed[0].message}")

    def _race(self, bench: Bench) -> None:
        """Play rounds until everything is settled, the cap is reached, or the time is spent."""
        begin, budget = time.monotonic(), self.setting.configuration.time_budget
        for look in self.race.looks:
            while self.race.counted(look.rounds).more and time.monotonic() - begin < budget:
                self.race.take(self._round(bench))
                self._report(begin, budget)
                if not self.only and not any(contender.racing for contender in self.racing):
                    return
            final = look.rounds == self.race.limit or time.monotonic() - begin >= budget
            if self.race.look(look.rounds, final=final) or final or self.only:
                return

    def _arms(self) -> list[str]:
        """The arms of the next round."""
        return self.race.arms(self.trusted) if self.agents_race else list(self.trusted)

    def _round(self, bench: Bench) -> Mapping[str, Trial]:
        """Play the next round, or take it from an earlier run; either way it is on disk now."""
        index, arms = len(self.race.rounds), self._arms()
        earlier = self.history.rounds.get((self.setting.campaign, index))
        if earlier is not None and set(earlier.trials) == set(arms):
            return earlier.trials
        seed = digest(self.seed, str(index))
        random.Random(seed).shuffle(arms)
        trials = self.workload.play(bench, RoundPlan(index=index, seed=seed, arms=tuple(arms)))
        for trial in trials.values():
            self.journal.append("trial", **trial.model_dump(mode="json"))
        self.journal.append("round", campaign=self.setting.campaign, round=index, arms=arms, sizing=self.workload.sizing)
        return trials

    def _report(self, begin: float, budget: float) -> None:
        done, limit = len(self.race.rounds), self.race.limit
        spent = time.monotonic() - begin
        left = min(spent / done * max(0, limit - done), budget - spent)
        confidence = self.setting.configuration.confidence
        shown = {name: estimate(interval, confidence) for name, interval in self.race.provisional().items()}
        self.observer.round(self.task.id, done, limit, shown, max(0.0, left))
