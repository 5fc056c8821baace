"""The pytest hooks of pytest-isobench."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_isobench.plugin import collector, run
from pytest_isobench.plugin.options import add_options
from pytest_isobench.plugin.run import RUN

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from pytest_isobench.agents.base import Submission
    from pytest_isobench.plugin.cases import Case
    from pytest_isobench.plugin.scheduler import TaskScheduling

pytest_plugins = ["pytest_isobench.plugin.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_isobench.plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    run.begin(config)


def pytest_sessionstart(session: pytest.Session) -> None:
    if begun := session.config.stash.get(RUN, None):
        begun.start(session)


def pytest_report_header(config: pytest.Config) -> list[str]:
    begun = config.stash.get(RUN, None)
    return begun.header() if begun else []


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    return collector.collect_task_file(file_path, parent)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    collector.generate_cases(metafunc)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if begun := config.stash.get(RUN, None):
        collector.add_keywords(items)
        collector.deselect(begun, items)


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    begun = config.stash.get(RUN, None)
    return begun.deselection_lines() if begun else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    begun = session.config.stash.get(RUN, None)
    if begun is None or not begun.settings.dry_run or session.config.option.collectonly:
        return None
    from pytest_isobench.plugin.dryrun import show_plan

    show_plan(begun, session.items)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    begun = item.config.stash.get(RUN, None)
    if begun is None or not begun.is_worker:
        return None
    from pytest_isobench.plugin.scheduler import run_once

    return run_once(item, nextitem)


@pytest.hookimpl(trylast=True)
def pytest_isobench_make_patch(config: pytest.Config, case: Case) -> Submission:
    return config.stash[RUN].campaigns.ask_agent(case)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if RUN in item.config.stash:
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
    if begun := session.config.stash.get(RUN, None):
        begun.finish(session, exitstatus)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    if begun := node.config.stash.get(RUN, None):
        node.workerinput["isobench"] = begun.for_workers()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> TaskScheduling | None:
    if RUN not in config.stash or config.getvalue("dist") == "each":
        return None
    from pytest_isobench.plugin.scheduler import TaskScheduling

    return TaskScheduling(len(config.getvalue("tx")))
