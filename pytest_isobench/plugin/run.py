"""What one session is about, held together: its settings, its registry, its agents and its task files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_isobench import errors
from pytest_isobench.plugin.cases import Case, Marks, Selection, case_of, deselection_text, selections
from pytest_isobench.plugin.options import SUFFIXES
from pytest_isobench.plugin.progress import FOLDER, WorkersWatch, is_watched
from pytest_isobench.plugin.scheduler import end_with_controller
from pytest_isobench.plugin.settings import Settings, read_settings, seeded
from pytest_isobench.plugin.stash import RUN
from pytest_isobench.registry import Registry, default_registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_isobench.agents.base import Agent
    from pytest_isobench.dataset.stubs import Stub
    from pytest_isobench.plugin.campaigns import Campaigns
    from pytest_isobench.plugin.reporting import Reporting


class Run:
    """One session that measures patches; a session without agents has none."""

    def __init__(self, config: pytest.Config, settings: Settings, registry: Registry, agents: Mapping[str, Agent]) -> None:
        self.config, self.settings, self.registry, self.agents = config, settings, registry, agents
        self.marks = Marks(config)
        self.selections: list[Selection] = selections(settings)
        self.deselected: Counter[str] = Counter()
        self.workers = 0
        """How many workers xdist starts."""
        self._stubs: dict[Path, list[Stub]] = {}
        self._places: dict[str, Path] = {}
        self._companions: dict[str, dict[str, Case]] | None = None
        self._reporting: Reporting | None = None
        self._watch: WorkersWatch | None = None

    @property
    def is_worker(self) -> bool:
        """Whether this process is one of xdist's workers."""
        return hasattr(self.config, "workerinput")

    @property
    def is_idle(self) -> bool:
        """Whether nothing is measured, so that nothing is reported either."""
        return self.settings.dry_run or self.config.option.collectonly

    @cached_property
    def watched(self) -> bool:
        """Whether somebody sees the progress live. Asked first when the session starts: later, the terminal is captured."""
        if self.is_worker:
            return bool(self.config.workerinput["isobench"]["watched"])  # type: ignore[attr-defined]
        return is_watched(self.config)

    @cached_property
    def campaigns(self) -> Campaigns:
        from pytest_isobench.plugin.campaigns import Campaigns

        return Campaigns(self)

    def start(self, session: pytest.Session) -> None:
        """Begin the report."""
        self._session = session
        if self.is_worker:
            end_with_controller()
        if self.is_worker or self.is_idle:
            return
        if self.watched and self.config.getoption("dist", "no") != "no":
            self._watch = WorkersWatch(self.settings.journal / FOLDER)
        from pytest_isobench.plugin.reporting import Reporting

        with usage_errors():
            self._reporting = Reporting(self)
        self.config.pluginmanager.register(self._reporting, "isobench-reporting")

    def stop(self, reason: str) -> None:
        """End the session as soon as the test in progress is over, and with it those of all workers."""
        self._session.shouldfail = reason
        if distributed := self.config.pluginmanager.getplugin("dsession"):
            distributed.shouldstop = reason

    def finish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report; a worker tells the controller what belongs into it."""
        if self._watch:
            self._watch.close()
        measured = "campaigns" in self.__dict__
        refused = self.campaigns.history.refused if measured else []
        if measured:
            self.campaigns.close()
        if self.is_worker:
            said = {"refused": refused, "deselected": dict(self.deselected)}
            self.config.workeroutput["isobench"] = said  # type: ignore[attr-defined]
        elif self._reporting:
            stopped = bool(session.shouldfail or session.shouldstop)
            self._reporting.finish(refused, complete=exitstatus in DONE and not stopped)

    def for_workers(self) -> dict[str, Any]:
        """Return what xdist's workers must know, as plain data."""
        return {**self.settings.for_workers(), "watched": self.watched}

    def header(self) -> list[str]:
        """Return what pytest shows above everything else."""
        lines = [f"isobench: {', '.join(self.agents)} in sandbox {self.settings.configuration.sandbox}"]
        return lines if self.is_idle else [*lines, f"isobench report: {self.report_name}"]

    @property
    def report_name(self) -> str:
        """The report's path as it is shown: relative where it lies below the current folder."""
        report, here = self.settings.report, self.settings.directory
        return str(report.relative_to(here) if report.is_relative_to(here) else report)

    def deselection_lines(self) -> list[str]:
        """Say which options left out how many cases."""
        return [f"isobench: {deselection_text(self.deselected)}"] if self.deselected else []

    def companions(self, case: Case) -> list[Case]:
        """Return all selected cases of a case's task, each once."""
        if self._companions is None:
            self._companions = defaultdict(dict)
            for item in self._session.items:
                if other := case_of(item):
                    self._companions[other.stub.id].setdefault(other.id, other)
        return list(self._companions[case.stub.id].values())

    def stubs(self, path: Path) -> list[Stub]:
        """Read a task file once. Raises `TaskError` for a file that cannot be used."""
        place = path.resolve()
        if place not in self._stubs:
            from pytest_isobench.dataset.readers import read_stubs

            stubs = list(read_stubs(path))
            self._refuse_others(place, stubs)
            self.config.hook.pytest_isobench_modify_tasks(config=self.config, tasks=stubs)
            self._stubs[place] = stubs
        return self._stubs[place]

    def all_stubs(self) -> list[Stub]:
        """Return the tasks of all files that were read."""
        return [stub for stubs in self._stubs.values() for stub in stubs]

    def _refuse_others(self, place: Path, stubs: Sequence[Stub]) -> None:
        for stub in stubs:
            other = self._places.setdefault(stub.id, place)
            if other != place:
                message = f"{stub.id!r} is in {other} already; ids are unique in a session"
                raise errors.TaskError(message, path=place, line=stub.line, field="id")

    def default_files(self) -> list[Path]:
        """Return the task files that run when no path is given, and those of `--isobench-dataset`."""
        return list(dict.fromkeys(file for path in (*self.settings.tasks, *self.settings.datasets) for file in task_files(path)))


DONE = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED})
"""How a session ends that nobody interrupted."""


def task_files(path: Path) -> list[Path]:
    """Return a task file itself, or the task files that lie directly in a folder."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    return [path] if path.exists() else []


def begin(config: pytest.Config) -> None:
    """Make the session's run. Every wrong value is a `pytest.UsageError`."""
    with usage_errors():
        settings = read_settings(config)
        registry = default_registry()
        config.hook.pytest_isobench_register(config=config, registry=registry)
        agents = make_agents(settings, registry)
        registry.check_sandbox(settings.configuration.sandbox)
        choose_paths(config, settings)
        if settings.dry_run:
            config.option.dist, config.option.tx = "no", []
        if not settings.dry_run and not config.option.collectonly:
            settings = seeded(settings)
        config.stash[RUN] = Run(config, settings, registry, agents)


def choose_paths(config: pytest.Config, settings: Settings) -> None:
    """Run the default task files when no path is given; those of `--isobench-dataset` in any case."""
    sources = pytest.Config.ArgsSource
    if config.args_source in (sources.TESTPATHS, sources.INVOCATION_DIR):
        config.args = [str(path) for path in settings.tasks if path.exists()]
        if not config.args and not settings.datasets:
            tried = ", ".join(str(path) for path in settings.tasks)
            raise errors.UsageError(f"there are no tasks in {tried}: name a task file, or set the ini value isobench_tasks")
    config.args += [str(file) for path in settings.datasets for file in task_files(path)]


def make_agents(settings: Settings, registry: Registry) -> Mapping[str, Agent]:
    """Make the agents, by the names that they have in test ids. Raises `UsageError`."""
    from pytest_isobench.agents.base import AgentContext

    configuration = settings.configuration
    context = AgentContext(
        directory=settings.directory,
        patches=settings.patches,
        agents=settings.agent_files,
        prompts=settings.prompts,
        provider=(lambda: registry.sandbox(configuration.sandbox, configuration.container)) if settings.run_agents else None,
    )
    agents: dict[str, Agent] = {}
    for spec in dict.fromkeys(settings.agents):
        agent = registry.agent(spec, context)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", agent.name):
            raise errors.UsageError(f"--isobench-agent={spec}: its name {agent.name!r} cannot stand in a test id")
        agents[_unused(agent.name, agents)] = agent
    return agents


def _unused(name: str, taken: Mapping[str, Agent]) -> str:
    number = 2
    unused = name
    while unused in taken:
        unused, number = f"{name}-{number}", number + 1
    return unused


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn this package's usage errors into pytest's, which are shown without a traceback."""
    try:
        yield
    except errors.UsageError as error:
        raise pytest.UsageError(str(error)) from error
