"""One campaign per task: the first case that runs has all selected cases of its task measured, the others find their result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_isobench.agents.base import Assignment, Submission
from pytest_isobench.agents.recorded import RecordedAgent
from pytest_isobench.dataset.base_repository import BaseRepository
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.sources import make_source
from pytest_isobench.errors import (
    DoesNotApplyError,
    InfrastructureError,
    IsobenchError,
    NoPatchError,
    NotEvaluableError,
    UsageError,
)
from pytest_isobench.measuring.campaign import Entrant, run_campaign
from pytest_isobench.measuring.entering import resolved
from pytest_isobench.measuring.history import History
from pytest_isobench.measuring.journal import Journal
from pytest_isobench.measuring.leases import leasable_gpus, lease_cores, lease_gpus
from pytest_isobench.models.result import Comparison, Failure, Finding, Outcome, Result, Verdict
from pytest_isobench.plugin.progress import observer
from pytest_isobench.workloads.engine import equipped

if TYPE_CHECKING:
    from pytest_isobench.dataset.stubs import Stub
    from pytest_isobench.dataset.versions import VersionSource
    from pytest_isobench.gpus import Gpu
    from pytest_isobench.models.task import Task
    from pytest_isobench.plugin.cases import Case
    from pytest_isobench.plugin.run import Run
    from pytest_isobench.sandboxes.base import SandboxProvider


COMMON = ("base", "human", "task_digest", "environment_digest", "command", "task_state")
"""What all results of one campaign have in common."""


class OpenTask:
    """A task whose record was read, with its source."""

    def __init__(self, stub: Stub) -> None:
        self.folder = Path(stub.path).parent
        self.task: Task = equipped(stub.load(), self.folder)
        self.source: VersionSource = make_source(self.task, self.folder, Cache.default())

    @cached_property
    def base(self) -> BaseRepository:
        """What patches apply to."""
        tree = self.source.base_tree()
        return BaseRepository.of(tree.path, tree.digest, Cache.default())


class Campaigns:
    """The campaigns that this process has run."""

    def __init__(self, run: Run) -> None:
        self._run, self._settings = run, run.settings
        self._found: dict[str, Result | UsageError] = {}
        self._open: tuple[Stub, OpenTask] | None = None
        self.observer = observer(run)

    @cached_property
    def journal(self) -> Journal:
        return Journal(self._settings.journal)

    @cached_property
    def history(self) -> History:
        """What this session has measured already, in a worker that died; to resume, what all earlier ones have."""
        journals = self._settings.journal.parent if self._settings.resume else self._settings.journal
        history = History()
        for folder in sorted({self._settings.journal, *(path for path in journals.glob("*") if path.is_dir())}):
            earlier = History.read(folder)
            history.results |= earlier.results
            history.rounds |= earlier.rounds
            history.refused += earlier.refused
        return history

    def open(self, stub: Stub) -> OpenTask:
        """Read a task's record; the last one is kept. Raises `TaskError`."""
        if self._open is None or self._open[0] is not stub:
            self._open = (stub, OpenTask(stub))
        return self._open[1]

    def submission(self, case: Case) -> Submission:
        """Return a case's patch. Raises `NoPatchError`, `NotEvaluableError` without the task's GPUs, and whatever its agent raises."""
        self._require_gpus(case.stub)
        found: Submission | None = self._run.config.hook.pytest_isobench_make_patch(config=self._run.config, case=case)
        if found is None:
            raise NoPatchError(f"{case.agent} has no patch for {case.stub.id}")
        return found

    def _require_gpus(self, stub: Stub) -> None:
        """Look for the task's GPUs before anything of it is fetched: its repository and its patches are of no use without them."""
        configuration = self._settings.configuration
        if stub.gpus and self._run.registry.sandbox(configuration.sandbox, configuration.container).exclusive:
            resources = self.open(stub).task.resources
            leasable_gpus(resources.gpus, configuration.gpu or resources.gpu)

    def ask_agent(self, case: Case) -> Submission:
        """Let the case's own agent hand in its patch."""
        opened = self.open(case.stub)
        assignment = Assignment(
            task=opened.task,
            attempt=case.attempt,
            source=opened.source,
            folder=opened.folder,
            progress=lambda text: self.observer.phase(case.stub.id, f"{case.agent}: {text}"),
            others=lambda: {task: said for task, said in self._briefs.items() if task != case.stub.id},
        )
        return case.maker.submit(assignment)

    @cached_property
    def _briefs(self) -> dict[str, tuple[str, ...]]:
        """What the prompts of this session's tasks say of them alone."""
        from pytest_isobench.agents.prompts import briefs_of

        return briefs_of(self._run.all_stubs())

    def result(self, case: Case, companions: Sequence[Case]) -> Result:
        """Return the result of a case, measured together with its companions, the other selected cases of its task.

        Raises `UsageError` for a task or an option that cannot be.
        """
        if case.id not in self._found:
            self._measure(case.stub, companions)
        found = self._found[case.id]
        if isinstance(found, UsageError):
            raise found
        return found

    def _measure(self, stub: Stub, cases: Sequence[Case]) -> None:
        broken = Failure(kind="InfrastructureError", message="the campaign of this task broke off in another of its cases")
        found: dict[str, Result | UsageError] = {case.id: self._bare(case, failure=broken) for case in cases}
        self._found |= found
        entrants: list[Entrant] = []
        try:
            opened = self.open(stub)
            entrants = self._enter(opened, cases)
            if entrants:
                self._complete(cases, self._campaign(opened, entrants))
        except UsageError as error:
            self._found |= dict.fromkeys(found, error)
        except (NotEvaluableError, InfrastructureError) as error:
            taking_part = {entrant.case for entrant in entrants}
            self._found |= {case.id: self._unmeasured(case, error) for case in cases if case.id in taking_part}
        finally:
            self.observer.done(stub.id)

    def _enter(self, opened: OpenTask, cases: Sequence[Case]) -> list[Entrant]:
        """Collect the patches and apply them: returns who takes part, and finds the results that are known without measuring."""
        entrants = []
        for case in cases:
            self.observer.phase(case.stub.id, f"waiting for the patch of {case.agent}")
            try:
                submission = self.submission(case)
                entrant = Entrant(case=case.id, agent=case.agent, attempt=case.attempt, submission=submission)
                self.observer.phase(case.stub.id, f"applying the patch of {case.agent}")
                entrants.append(resolved(entrant, opened.task, lambda: opened.base))
            except UsageError as error:
                self._found[case.id] = error
            except (NoPatchError, DoesNotApplyError, NotEvaluableError, InfrastructureError) as error:
                self._found[case.id] = self._unmeasured(case, error)
        return entrants

    def _campaign(self, opened: OpenTask, entrants: Sequence[Entrant]) -> dict[str, Result]:
        """Fetch the versions first, since only measuring needs cores for itself."""
        task, configuration = opened.task, self._settings.configuration
        provider = self._run.registry.sandbox(configuration.sandbox, configuration.container)
        self.observer.phase(task.id, "fetching")
        opened.source.baseline()
        opened.source.human()
        with ExitStack() as leases:
            cores, gpus = self._lease(task, provider, leases) if provider.exclusive else ((), ())
            return run_campaign(
                task,
                entrants,
                opened.source,
                provider=provider,
                workloads=self._run.registry.workloads,
                configuration=configuration,
                journal=self.journal,
                history=self.history,
                cores=cores,
                gpus=gpus,
                observer=self.observer,
                judge=self._judge,
                folder=opened.folder,
            )

    def _complete(self, cases: Sequence[Case], measured: Mapping[str, Result]) -> None:
        """Take the measured results, and give the other ones of the task what they have in common with them."""
        self._found |= measured
        sibling = next(iter(measured.values()))
        common = {name: getattr(sibling, name) for name in COMMON}
        for case in cases:
            found = self._found[case.id]
            if case.id not in measured and isinstance(found, Result):
                self._found[case.id] = found.model_copy(update=common)

    def _lease(self, task: Task, provider: SandboxProvider, leases: ExitStack) -> tuple[tuple[int, ...], tuple[Gpu, ...]]:
        self.observer.phase(task.id, "waiting until nobody else measures")
        gpus = leases.enter_context(lease_gpus(task.resources.gpus, self._settings.configuration.gpu or task.resources.gpu))
        return leases.enter_context(lease_cores(task.resources.cpus, within=provider.cores)), gpus

    def _judge(self, task: Task, comparison: Comparison) -> Verdict | None:
        config = self._run.config
        verdict: Verdict | None = config.hook.pytest_isobench_judge(config=config, task=task, comparison=comparison)
        return verdict

    def _unmeasured(self, case: Case, error: IsobenchError) -> Result:
        """Return the result of a case that did not get as far as a campaign."""
        if isinstance(error, InfrastructureError):
            return self._bare(case, failure=Failure(kind=type(error).__name__, message=str(error)))
        if isinstance(error, NotEvaluableError):
            note = Finding(kind="not_evaluable", severity="note", message=str(error))
            return self._bare(case, findings=(note,))
        outcome = Outcome.NO_PATCH if isinstance(error, NoPatchError) else Outcome.DOES_NOT_APPLY
        made = case.maker.store.record(case.stub.id, case.attempt) if isinstance(case.maker, RecordedAgent) else None
        return self._bare(case, made=made, verdict=Verdict(outcome=outcome, reasons=(str(error),)))

    def _bare(self, case: Case, **found: object) -> Result:
        known = {"case": case.id, "task": case.stub.id, "agent": case.agent, "attempt": case.attempt, "repo": case.stub.repo}
        return Result.model_validate({**known, "configuration": self._settings.configuration, **found})

    def close(self) -> None:
        """Let go of the journal, if there is one."""
        if "journal" in self.__dict__:
            self.journal.close()
