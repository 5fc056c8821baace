"""The pytest hooks of pytest-isobench. In a session that names no agent they import and do next to nothing."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_isobench.plugin import options
from pytest_isobench.plugin.stash import RUN, run_of

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_isobench.agents.base import Submission
    from pytest_isobench.plugin.cases import Case
    from pytest_isobench.plugin.scheduler import TaskScheduling

pytest_plugins = ["pytest_isobench.plugin.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_isobench.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if not options.agents_of(config):
        options.refuse_tasks_without_agent(config)
        return
    from pytest_isobench.plugin.run import begin

    begin(config)


def pytest_sessionstart(session: pytest.Session) -> None:
    if run := run_of(session.config):
        run.start(session)


def pytest_report_header(config: pytest.Config) -> list[str]:
    run = run_of(config)
    return run.header() if run else []


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if run_of(parent.config) is None:
        return None
    from pytest_isobench.plugin.collector import collect_task_file

    return collect_task_file(file_path, parent)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if run_of(metafunc.config) is None or "isobench_case" not in metafunc.fixturenames:
        return
    from pytest_isobench.plugin.collector import generate_cases

    generate_cases(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if run := run_of(config):
        from pytest_isobench.plugin.collector import add_keywords, deselect

        add_keywords(items)
        deselect(run, items)


def pytest_collection_finish(session: pytest.Session) -> None:
    if run_of(session.config):
        from pytest_isobench.plugin.collector import settle

        settle(session.items)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    run = run_of(config)
    return run.deselection_lines() if run else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    run = run_of(session.config)
    if run is None or not run.settings.dry_run or session.config.option.collectonly:
        return None
    from pytest_isobench.plugin.dryrun import show_plan

    show_plan(run, session.items)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    run = run_of(item.config)
    if run is None or not run.is_worker:
        return None
    from pytest_isobench.plugin.scheduler import run_once

    return run_once(item, nextitem)


@pytest.hookimpl(trylast=True)
def pytest_isobench_make_patch(config: pytest.Config, case: Case) -> Submission:
    return config.stash[RUN].campaigns.ask_agent(case)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if run_of(item.config):
        from pytest_isobench.plugin.fixtures import FOUND
        from pytest_isobench.plugin.reporting import attach

        attach(report, item.stash.get(FOUND, None))
    return report


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    if not hasattr(report, "isobench"):
        return None
    from pytest_isobench.plugin.reporting import status

    return status(report)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if run := run_of(session.config):
        run.finish(session, exitstatus)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    if not options.agents_of(config):
        return None
    from pytest_isobench.plugin.workers import auto_workers

    return auto_workers(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    if run := run_of(node.config):
        node.workerinput["isobench"] = run.for_workers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: Sequence[object]) -> None:
    if run := run_of(config):
        run.workers = len(specs)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> TaskScheduling | None:
    run = run_of(config)
    if run is None or config.getvalue("dist") == "each":
        return None
    from pytest_isobench.plugin.durations import durations
    from pytest_isobench.plugin.scheduler import TaskScheduling

    return TaskScheduling(run.workers, durations(run.settings.report.parent))
