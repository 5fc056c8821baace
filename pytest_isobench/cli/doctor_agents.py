"""`isobench doctor`: the agents that files describe, and what each of them lacks here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_isobench.cli.machine_checks import Check

if TYPE_CHECKING:
    from pytest_isobench.agents.drivers.base import Driver, Model
    from pytest_isobench.models.agent import AgentSpec


def check_project_agents(start: Path) -> Iterator[Check]:
    """Look at the agents of the project that a folder belongs to, and at the package's own."""
    from pytest_isobench.cli.ini import read_ini
    from pytest_isobench.cli.preparing_work import agents_folder
    from pytest_isobench.errors import UsageError

    try:
        folder = agents_folder(read_ini(start))
    except UsageError as error:
        yield Check("note", "agents", str(error))
        return
    yield from check_agents(folder)


def check_agents(folder: Path, variables: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Look at all agents: their files, programs, keys and hosts. None is essential, and no key is shown."""
    from pytest_isobench.agents import specs

    for name in specs.names(folder):
        try:
            grade, text = _agent(name, folder, variables)
        except Exception as error:  # an agent that cannot be looked at takes no other with it
            grade, text = False, str(error) or type(error).__name__
        yield Check("ok" if grade else "note", f"agent {name}", text)


def _agent(name: str, folder: Path, variables: Mapping[str, str]) -> tuple[bool, str]:
    """Return whether an agent can work, and what was found."""
    from pytest_isobench.agents import specs
    from pytest_isobench.agents.drivers import load_driver
    from pytest_isobench.agents.drivers.base import Model

    path = specs.find(name, folder)
    assert path is not None
    spec = specs.read(path, variables)
    driver = load_driver(spec.driver)
    program = None if isinstance(driver, Model) else _program(spec, driver)
    parts = [*([program] if program else []), _key(spec, driver, variables), _hosts(spec, driver, variables)]
    return all(good for good, _ in parts), "; ".join(text for _, text in parts if text)


def _program(spec: AgentSpec, driver: Driver) -> tuple[bool, str]:
    from pytest_isobench.agents import programs
    from pytest_isobench.errors import UsageError

    command = spec.command or driver.command
    if not command:
        return False, f"the driver {spec.driver} has no program of its own: name one under 'command'"
    try:
        found = programs.locate(command[0])
        programs.folders(found, spec.programs)
    except UsageError as error:
        return False, str(error)
    version = programs.version(driver.version(spec))
    return True, f"{found}{f' ({version})' if version else ''}"


def _key(spec: AgentSpec, driver: Driver | Model, variables: Mapping[str, str]) -> tuple[bool, str]:
    keys = driver.keys
    if present := [name for name in keys if variables.get(name) or spec.variables.get(name)]:
        return True, f"{present[0]} is set"
    return not keys, f"no key: set {' or '.join(keys)}" if keys else "needs no key"


def _hosts(spec: AgentSpec, driver: Driver | Model, variables: Mapping[str, str]) -> tuple[bool, str]:
    """Return the hosts that the agent reaches where the sandbox's network is closed."""
    from pytest_isobench.agents.drivers.base import Job, Model
    from pytest_isobench.errors import UsageError

    hosts = spec.hosts
    if not isinstance(driver, Model):
        known = {name: variables[name] for name in (*driver.environment, *spec.environment) if variables.get(name)}
        try:
            hosts = (*driver.call(Job(spec=spec, prompt="", variables={**known, **spec.variables})).hosts, *hosts)
        except UsageError as error:
            return False, str(error)
    return True, f"reaches {', '.join(dict.fromkeys(hosts))}" if hosts else ""
