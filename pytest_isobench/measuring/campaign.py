"""A campaign: all arms of one task, measured together, round after round, until every verdict is in."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest_isobench
from pytest_isobench.dataset.versions import Version, VersionSource
from pytest_isobench.errors import InfrastructureError, JournalError
from pytest_isobench.gpus import Gpu
from pytest_isobench.measuring.attribution import LOST, Attribution, CrowdedError
from pytest_isobench.measuring.contenders import Contender, Entrant, contenders, digest
from pytest_isobench.measuring.gpu_watch import GpuWatch
from pytest_isobench.measuring.ground import Ground, needs_of
from pytest_isobench.measuring.history import History
from pytest_isobench.measuring.journal import Journal
from pytest_isobench.measuring.machine import counters, describe
from pytest_isobench.measuring.observer import Observer
from pytest_isobench.measuring.race import Race, Scale
from pytest_isobench.measuring.results import Judge, Measured, Setting, judged, machine_failed, no_patch
from pytest_isobench.measuring.statistics import estimate
from pytest_isobench.models.result import Configuration, Result
from pytest_isobench.models.task import Task
from pytest_isobench.models.trial import Trial
from pytest_isobench.sandboxes.base import SandboxProvider
from pytest_isobench.workloads.base import BASELINE, CONTROL, HUMAN, TRUSTED, RoundPlan, Workload, WorkloadFactory

__all__ = ["Entrant", "Judge", "Observer", "run_campaign"]

PROGRAMS = ("sandboxes/supervisor.py", "workloads/worker.py", "workloads/fetching.py", "workloads/suite_running.py")
"""The programs that make the times: with other ones it is another campaign."""


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
    gpus: Sequence[Gpu] = (),
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
        gpus=tuple(gpus),
        campaign=_identity(task, baseline, human, racing, workload, configuration, provider, gpus),
    )
    known = {entrant.case: history.results.get(setting.key(entrant)) for entrant in entrants}
    finished = {case: result.model_copy(update={"resumed": True}) for case, result in known.items() if result is not None}
    if len(finished) == len(entrants):
        return finished
    results = {entrant.case: no_patch(setting, entrant) for entrant in entrants if entrant.submission is None}
    if racing or configuration.only:
        results |= _Campaign(setting, racing, provider, history, journal, observer).run(judge)
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
    provider: SandboxProvider,
    gpus: Sequence[Gpu],
) -> str:
    """Digest all that must be alike for trials to be compared: code, record, environments, way of measuring, tool, machine and walls.

    Not the cores and devices themselves: the arms of a round share theirs, and a session that goes on may be given others of the kind.
    """
    package = Path(pytest_isobench.__file__).parent
    programs = [(package / program).read_text() for program in PROGRAMS]
    measuring = configuration.model_dump_json(exclude={"require", "time_budget"})
    arms = [f"{contender.entrant.case} {contender.digest}" for contender in racing]
    machine = [describe().boot or "", provider.identity(needs_of(task, configuration)), *sorted(gpu.name for gpu in gpus)]
    code = [task.model_dump_json(), workload.digest, baseline.digest, human.digest, *arms]
    return digest(pytest_isobench.__version__, *programs, *code, measuring, *machine)


class _Campaign:
    """One campaign in progress."""

    def __init__(
        self,
        setting: Setting,
        racing: Sequence[Contender],
        provider: SandboxProvider,
        history: History,
        journal: Journal,
        observer: Observer,
    ) -> None:
        self.setting, self.racing, self.provider = setting, racing, provider
        self.history, self.journal, self.observer = history, journal, observer
        self.task, self.workload, self.only = setting.task, setting.workload, setting.configuration.only
        scale = Scale(schedule=self.workload.schedule, metric=self.task.metric, statistic=self.workload.statistic)
        self.race = Race(racing, scale, setting.configuration, setting.margin)
        self.seed = digest(str(setting.configuration.seed), setting.campaign)
        self.trusted = [arm for arm in (BASELINE, HUMAN, CONTROL) if self.only in (None, arm)]
        self.agents_race = self.only in (None, "agent")
        logs = journal.path.with_suffix("") / setting.campaign[:12]
        self.ground = Ground(setting, self.trusted, racing if self.agents_race else (), provider, observer, logs)
        self.attribution = Attribution(self.trusted, racing, self._play_for_nothing, self._renew)

    def run(self, judge: Judge) -> dict[str, Result]:
        started, begin, before = datetime.now(UTC), time.monotonic(), counters()
        apart: dict[str, Result] = {}
        watch = GpuWatch(self.setting.gpus, self.ground.owns)
        try:
            with closing(watch), closing(self.ground):
                self._measure()
        except JournalError:
            raise
        except CrowdedError:
            apart = self._apart(judge)
        except InfrastructureError as error:
            return {contender.entrant.case: machine_failed(self.setting, contender.entrant, error) for contender in self.racing}
        measured = Measured(
            machine=describe(self.setting.cores, before, watch.devices()),
            findings=watch.findings(self.setting.margin),
            isolation=self.ground.isolation,
            started=started.isoformat(timespec="seconds"),
            seconds=time.monotonic() - begin,
            journal=str(self.journal.path),
        )
        results = {contender.entrant.case: judged(self.setting, self.race, contender, measured, judge) for contender in self.racing}
        return results | apart

    def _apart(self, judge: Judge) -> dict[str, Result]:
        """Measure those who still race one by one, each in rounds of its own."""
        results: dict[str, Result] = {}
        for contender in self.racing:
            if contender.racing:
                alone = _Campaign(self.setting, [contender.afresh()], self.provider, self.history, self.journal, self.observer)
                results |= alone.run(judge)
        return results

    def _measure(self) -> None:
        self.ground.renew()
        if not any(contender.racing for contender in self.racing) and not self.only:
            return
        earlier = self.history.rounds.get((self.setting.campaign, 0))
        self._open(earlier.sizing if earlier else 0)
        self.observer.phase(self.task.id, "measuring")
        self._race()

    def _open(self, sizing: int) -> None:
        self.observer.phase(self.task.id, "sizing")
        self.workload.open(self.ground.bench, self._arms(), self.seed, sizing)

    def _renew(self) -> None:
        self.ground.renew()
        self._open(self.workload.sizing)

    def _race(self) -> None:
        """Play rounds until everything is settled, the cap is reached, or the time is spent."""
        begin, budget = time.monotonic(), self.setting.configuration.time_budget
        for look in self.race.looks:
            while self.race.counted(look.rounds).more and time.monotonic() - begin < budget:
                self.race.take(self._round())
                self._report(begin, budget)
                if not self.only and not any(contender.racing for contender in self.racing):
                    return
            final = look.rounds == self.race.limit or time.monotonic() - begin >= budget
            if self.race.look(look.rounds, final=final) or final or self.only:
                return

    def _arms(self) -> list[str]:
        """The arms of the next round."""
        return self.race.arms(self.trusted) if self.agents_race else list(self.trusted)

    def _round(self) -> Mapping[str, Trial]:
        """Play the next round, or take it from an earlier run; either way it is on disk now."""
        index, arms = len(self.race.rounds), self._arms()
        earlier = self.history.rounds.get((self.setting.campaign, index))
        if earlier is not None and set(earlier.trials) == set(arms):
            return earlier.trials
        trials = self._play(index)
        for trial in trials.values():
            self.journal.append("trial", **trial.model_dump(mode="json"))
        self.journal.append("round", campaign=self.setting.campaign, round=index, arms=list(trials), sizing=self.workload.sizing)
        return trials

    def _play(self, index: int) -> Mapping[str, Trial]:
        """Play a round until it comes to its end; who keeps it from that is out of the race."""
        attempt = 0
        while True:
            arms, seed = self._arms(), digest(self.seed, str(index), *["again"] * attempt)
            random.Random(seed).shuffle(arms)
            try:
                return self.workload.play(self.ground.bench, RoundPlan(index=index, seed=seed, arms=tuple(arms)))
            except LOST as error:
                if TRUSTED.issuperset(arms):
                    raise
                self.attribution.lost(error)
                attempt += 1

    def _play_for_nothing(self, arms: Sequence[str]) -> None:
        seed = digest(self.seed, secrets.token_hex())
        self.workload.play(self.ground.bench, RoundPlan(index=0, seed=seed, arms=tuple(arms)))

    def _report(self, begin: float, budget: float) -> None:
        done, limit = len(self.race.rounds), self.race.limit
        spent = time.monotonic() - begin
        left = min(spent / done * max(0, limit - done), budget - spent)
        confidence = self.setting.configuration.confidence
        shown = {name: estimate(interval, confidence) for name, interval in self.race.provisional().items()}
        self.observer.round(self.task.id, done, limit, shown, max(0.0, left))
