"""One attempt of an agent at a task: its prompt, its work tree, its program, and what they come to."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_isobench.agents import programs
from pytest_isobench.agents.base import AgentContext, Assignment
from pytest_isobench.agents.drivers import load_driver
from pytest_isobench.agents.drivers.base import Account, Driver, End, Job, Model
from pytest_isobench.agents.fairness import fair_prompt
from pytest_isobench.agents.gate import open_gate
from pytest_isobench.agents.harvest import Harvest, harvest
from pytest_isobench.agents.prompts import targets_of
from pytest_isobench.agents.running import Progress, Ran, collect, manifest, run
from pytest_isobench.agents.tries import Network, Try, judged, refusals
from pytest_isobench.agents.worktree import WorkTree, open_worktree
from pytest_isobench.dataset.base_repository import BaseRepository
from pytest_isobench.dataset.cache import Cache
from pytest_isobench.dataset.patches import parse_patch
from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import DoesNotApplyError, SandboxError, UsageError
from pytest_isobench.models.agent import AgentSpec, AttemptRecord, Excluded
from pytest_isobench.models.result import Finding
from pytest_isobench.redaction import redact
from pytest_isobench.sandboxes.base import SandboxProvider

MARGIN = 600.0
"""Seconds for everything around the program's own time."""
REASON = 2000
"""Characters of a reason that are kept."""
SHOWN = 200
"""Excluded files that are listed."""


class Attempting:
    """One agent at one task."""

    def __init__(self, spec: AgentSpec, assignment: Assignment, context: AgentContext) -> None:
        self._spec, self._assignment, self._context = spec, assignment, context
        self._driver = load_driver(spec.driver)

    @cached_property
    def _version(self) -> Version:
        return self._assignment.source.baseline()

    @cached_property
    def _base(self) -> BaseRepository:
        tree = self._assignment.source.base_tree()
        return BaseRepository.of(tree.path, tree.digest, Cache.default())

    @cached_property
    def prompt(self) -> str:
        """What the agent is told. Raises `UsageError` when it gives the solution away."""
        return fair_prompt(self._assignment, self._context.prompts).text

    @cached_property
    def key(self) -> str:
        """Digest of all that the attempt depends on."""
        task = self._assignment.task
        parts = (task.id, self._base.tree, self.prompt, self._spec.model_dump_json(exclude={"description", "retries"}))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def _variables(self) -> dict[str, str]:
        """The caller's variables that the program is given."""
        names = (*self._driver.environment, *self._spec.environment)
        return {name: os.environ[name] for name in names if os.environ.get(name)} | self._spec.variables

    def require(self) -> None:
        """Raise `UsageError` when the agent has no access to a model."""
        keys = self._driver.keys
        if keys and not any(self._variables.get(name) for name in keys):
            raise UsageError(f"the driver {self._spec.driver} needs a key: set {' or '.join(keys)}")

    def run(self, progress: Callable[[Progress], None], stop: threading.Event) -> Try:
        """Call the program, or ask the model, once.

        Raises:
            UsageError: the agent's file cannot work here.
            InfrastructureError: the machine failed.
        """
        progress(Progress(phase="opening the work tree"))
        started = datetime.now(UTC).isoformat(timespec="seconds")
        job = Job(spec=self._spec, prompt=self.prompt, variables=self._variables, targets=targets_of(self._assignment.task))
        if isinstance(self._driver, Model):
            return self._ask(self._driver, job, started)
        return self._call(self._driver, job, started, progress, stop)

    def _ask(self, model: Model, job: Job, started: str) -> Try:
        begin = time.monotonic()
        diff, account = model.ask(job, self._version.tree)
        ran = Ran(seconds=time.monotonic() - begin)
        try:
            resolved = self._base.resolve(diff)
        except DoesNotApplyError as error:
            account = replace(account, reason=str(error))
            found = Harvest(diff="", tree=self._base.tree)
        else:
            found = Harvest(diff=resolved.diff, tree=resolved.tree, files=parse_patch(resolved.diff).files)
        return judged(account, ran, found, started=started, network="none")

    def _call(self, driver: Driver, job: Job, started: str, progress: Callable[[Progress], None], stop: threading.Event) -> Try:
        call = driver.call(job)
        program = programs.locate(call.argv[0])
        shown = programs.folders(program, self._spec.programs)
        call = replace(call, argv=(str(program), *call.argv[1:]))
        provider = self._provider()
        with ExitStack() as stack:
            closed = provider.shows_folders and provider.is_closed()
            gate = stack.enter_context(open_gate((*call.hosts, *self._spec.hosts))) if closed else None
            folders = (*shown, *([gate.folder] if gate else ())) if provider.shows_folders else ()
            opened = open_worktree(provider, self._assignment.task, self._version, seconds=job.seconds + MARGIN, folders=folders)
            worktree = stack.enter_context(opened)
            built, files = self._before(worktree)
            ran = run(worktree, call, seconds=job.seconds, gate=gate, progress=progress, stop=stop)
            progress(Progress(phase="collecting", seconds=ran.seconds, edited=ran.first_edit is not None))
            found = self._harvest(collect(worktree, files), built)
            isolation = worktree.sandbox.isolation
        network: Network = "listed_hosts" if gate else "open"
        tried = judged(_account(driver, ran), ran, found, stopped=stop.is_set(), started=started, network=network)
        return replace(tried, isolation=isolation, findings=(*tried.findings, *refusals(gate), *self._brought(shown)))

    def _brought(self, shown: Iterable[Path]) -> tuple[Finding, ...]:
        """Note a later release of the task's package in the program's own folders, where the agent can read it."""
        source = self._assignment.task.source
        later = programs.later_releases(shown, source.package, source.base) if source.kind == "pypi" else []
        said = f"the agent's program comes with {', '.join(later)}, later than the task's base version"
        return (Finding(kind="later_release", severity="alarm", message=said),) if later else ()

    def _before(self, worktree: WorkTree) -> tuple[list[dict[str, Any]], dict[str, tuple[str, str]]]:
        """Return what the install commands changed, and the files of the base."""
        if worktree.tree != self._base.tree:
            raise SandboxError(f"the work tree {worktree.tree} is not the base version's, {self._base.tree}")
        files = manifest(self._version.tree)
        built = collect(worktree, files) if self._assignment.task.environment.install else []
        return built, files

    def _harvest(self, changes: list[dict[str, Any]], built: list[dict[str, Any]]) -> Harvest:
        try:
            return harvest(changes, built, self._base, self._variables)
        except DoesNotApplyError as error:
            note = Finding(kind="changes_are_no_patch", severity="alarm", message=str(error))
            return Harvest(diff=None, tree="", findings=(note,))

    def _provider(self) -> SandboxProvider:
        if self._context.provider is None:
            raise UsageError("agents may not run here: give --isobench-run-agents")
        return self._context.provider()

    def record(self, agent: str, attempt: int, tried: Try, tries: int) -> AttemptRecord:
        """Return what is to be recorded of the last try."""
        account, found = tried.account, tried.harvest
        diff = found.diff or None
        return AttemptRecord(
            task=self._assignment.task.id,
            agent=agent,
            attempt=attempt,
            status=tried.status,
            reasons=tuple(self._redacted(reason)[:REASON] for reason in tried.reasons),
            driver=self._spec.driver,
            program=self._redacted(self.program),
            model=self._spec.model or "",
            models=tuple(map(self._redacted, account.models)),
            session=self._redacted(account.session),
            usage=account.usage,
            steps=account.steps,
            seconds=tried.ran.seconds,
            first_edit=tried.ran.first_edit,
            tries=tries,
            started=tried.started,
            base=self._version.label,
            base_tree=self._base.tree,
            tree=found.tree,
            patch_digest=parse_patch(diff).digest if diff else None,
            files=found.files,
            excluded=tuple(Excluded(path=self._redacted(one.path), rule=one.rule) for one in found.excluded[:SHOWN]),
            key=self.key,
            isolation=tried.isolation,
            network=tried.network,
            findings=tried.findings,
        )

    @cached_property
    def program(self) -> str:
        """What the program says of its version."""
        return "" if isinstance(self._driver, Model) else programs.version(self._driver.version(self._spec))

    def kept(self, tried: Try) -> dict[str, bytes]:
        """Return the files that are kept beside the patch, without secrets."""
        texts = {"prompt.md": self.prompt, "stdout.txt": tried.ran.output.stdout, "stderr.txt": tried.ran.output.stderr}
        kept = {name: self._redacted(text).encode("utf-8", "replace") for name, text in texts.items() if text}
        if tried.ran.output.stdout.encode("utf-8", "replace") in tried.account.trajectory.values():
            kept.pop("stdout.txt", None)
        for name, data in tried.account.trajectory.items():
            kept[name] = self._redacted(data.decode("utf-8", "replace")).encode("utf-8", "replace")
        return kept

    def _redacted(self, text: str) -> str:
        return redact(text, {**os.environ, **self._variables})


def _account(driver: Driver, ran: Ran) -> Account:
    """Return what the program says of its work, unless there was none, or it took away the one who would have listened."""
    if ran.missing:
        return Account(end=End.PROGRAM_FAILURE, reason=ran.missing)
    if ran.abandoned:
        return Account(end=End.GAVE_UP, reason="killed what accompanied it, or was killed with it for using too much memory")
    return driver.read(ran.output)
