"""Where a campaign is played: a sandbox with every arm placed in it, made anew when it is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pytest_isobench.checks.command import run_check
from pytest_isobench.errors import DoesNotApplyError, DoesNotBuildError, NotEvaluableError, SandboxError
from pytest_isobench.integrity.patches import without_tests
from pytest_isobench.measuring.attribution import convict
from pytest_isobench.measuring.contenders import Contender
from pytest_isobench.measuring.observer import Observer
from pytest_isobench.measuring.results import Setting
from pytest_isobench.models.result import Configuration, Finding, Isolation, Outcome
from pytest_isobench.models.task import Task
from pytest_isobench.models.trial import ArmFailure
from pytest_isobench.sandboxes.base import Needs, Sandbox, SandboxProvider
from pytest_isobench.workloads.base import BASELINE, CONTROL, HUMAN, ORACLE, Bench, companion

SPARE = "spare"
"""A further copy of the baseline, placed to see whether the machine has room for one more arm."""
SLACK = 3600.0
"""Seconds that a sandbox may be needed beyond its measuring: to place arms, build, and check."""


def needs_of(task: Task, configuration: Configuration, *, arms: int = 4) -> Needs:
    """Return what a campaign needs of its sandbox."""
    seconds = SLACK + 2 * configuration.time_budget
    gpu = configuration.gpu or task.resources.gpu
    return Needs(resources=task.resources, environment=task.environment, arms=arms, seconds=seconds, gpu=gpu, label=task.id)


class Ground:
    """Holds the sandbox; `renew` makes the first one as well. Close it at the end."""

    bench: Bench
    isolation: Isolation

    def __init__(
        self,
        setting: Setting,
        trusted: Sequence[str],
        racing: Sequence[Contender],
        provider: SandboxProvider,
        observer: Observer,
        logs: Path | None = None,
    ) -> None:
        self._setting, self._trusted, self._racing, self._provider, self._observer = setting, trusted, racing, provider, observer
        self._logs = logs
        self._stack = ExitStack()
        self._sandbox: Sandbox | None = None
        self._strikes: Counter[str] = Counter()

    def renew(self) -> None:
        """Make a sandbox, and place everybody who takes part, until nobody loses it any more.

        Raises:
            SandboxError: the machine loses it.
            NotEvaluableError: a trusted arm cannot be placed.
        """
        while not self._placed():
            pass

    def close(self) -> None:
        self._stack.close()

    def owns(self, pid: int) -> bool:
        """Tell whether a process belongs to the campaign: asked by the watch over the GPUs, from its own thread."""
        sandbox = self._sandbox
        return sandbox is not None and sandbox.owns(pid)

    def _placed(self) -> bool:
        self.close()
        sandbox = self._open()
        self.isolation = sandbox.isolation
        self._place_trusted(sandbox)
        for contender in self._racing:
            if contender.racing and not self._place(sandbox, contender):
                return False
        setting = self._setting
        timeout = setting.configuration.timeout or setting.task.workload.timeout
        self.bench = Bench(sandbox=sandbox, campaign=setting.campaign, cores=setting.cores, timeout=timeout, logs=self._logs)
        return True

    def _open(self) -> Sandbox:
        arms = len(self._trusted) + 1 + sum(contender.racing for contender in self._racing)
        needs = needs_of(self._setting.task, self._setting.configuration, arms=arms)
        self._sandbox = sandbox = self._stack.enter_context(self._provider.open(needs))
        sandbox.gpus = self._setting.gpus
        return sandbox

    def _place_trusted(self, sandbox: Sandbox) -> None:
        setting = self._setting
        versions = dict.fromkeys((ORACLE, BASELINE, CONTROL), setting.baseline) | {HUMAN: setting.human}
        for arm in (ORACLE, *self._trusted):
            self._observer.phase(setting.task.id, f"placing {arm}")
            try:
                sandbox.add(arm, versions[arm], setting.task.environment)
                self._place_companion(sandbox, arm)
            except (DoesNotApplyError, DoesNotBuildError) as error:
                raise NotEvaluableError(f"the {arm} itself cannot be placed: {error}") from error

    def _place_companion(self, sandbox: Sandbox, arm: str) -> None:
        """Place the baseline's code beside an arm that is to be asked, where arms are kept apart."""
        if self._setting.workload.asks and sandbox.apart and arm != ORACLE:
            sandbox.add(companion(arm), self._setting.baseline, self._setting.task.environment, beside=arm)

    def _place(self, sandbox: Sandbox, contender: Contender) -> bool:
        """Place a patch and run its checks; what does not get that far has its verdict. False when the sandbox is lost over it."""
        self._observer.phase(self._setting.task.id, f"placing {contender.entrant.agent}")
        try:
            sandbox.add(contender.arm, contender.version, self._setting.task.environment, patch=contender.patch)
            self._place_companion(sandbox, contender.arm)
            if not contender.checks:
                self._check(sandbox, contender)
        except DoesNotApplyError as error:
            contender.failure = ArmFailure(outcome=Outcome.DOES_NOT_APPLY, message=str(error))
        except DoesNotBuildError as error:
            contender.failure = ArmFailure(outcome=Outcome.DOES_NOT_BUILD, message=str(error))
        except SandboxError as error:
            self._struck(contender, error)
            return False
        return True

    def _struck(self, contender: Contender, error: SandboxError) -> None:
        """Forgive a loss once; the second is the patch's if an arm without a patch can be placed in its stead."""
        self._strikes[contender.arm] += 1
        if self._strikes[contender.arm] < 2:
            return
        self.close()
        sandbox = self._open()
        self._place_trusted(sandbox)
        sandbox.add(SPARE, self._setting.baseline, self._setting.task.environment)
        convict(contender, error)

    def _check(self, sandbox: Sandbox, contender: Contender) -> None:
        task = self._setting.task
        if not task.checks:
            return
        arm = self._checked_arm(sandbox, contender)
        contender.checks = [run_check(sandbox, arm, task, check) for check in task.checks]
        failed = [check for check in contender.checks if not check.passed]
        if not failed:
            return
        spec = next(check for check in task.checks if check.name == failed[0].name)
        if not run_check(sandbox, ORACLE, task, spec).passed:
            raise NotEvaluableError(f"the check {spec.name!r} fails on the baseline as well")
        contender.failure = ArmFailure(outcome=Outcome.INCORRECT, message=f"check {spec.name!r} failed: {failed[0].message}")

    def _checked_arm(self, sandbox: Sandbox, contender: Contender) -> str:
        """Return the arm that the checks run in: another one, with the base's tests, for a patch that changes tests."""
        kept = without_tests(contender.patch or "")
        if kept == (contender.patch or ""):
            return contender.arm
        message = "the checks ran with the base's tests: what the patch changes in tests was left out for them"
        contender.note([Finding(kind="changes_tests", severity="note", message=message)])
        arm = f"{contender.arm}-checked"
        sandbox.add(arm, contender.version, self._setting.task.environment, patch=kept)
        return arm
