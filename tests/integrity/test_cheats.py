"""No cheat ends as a pass, and no honest patch that looks alike is called a cheat: each table below is one campaign of many arms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cheats_answers
import cheats_build
import cheats_command
import cheats_patch
import cheats_process
import cheats_reach
import cheats_reported
import psutil
import pytest
from _pytest.mark import ParameterSet
from arena import CORE, DAEMON, HUMAN, Arena, Entry, accusations, shown, unmet

from pytest_isobench.models.result import MEASURED, Result, TaskState

pytestmark = pytest.mark.integrity

TABLES: dict[str, tuple[Sequence[Entry], Sequence[Entry], dict[str, object]]] = {
    "answers": (cheats_answers.CHEATS, cheats_answers.TWINS, {}),
    "work": (cheats_process.WORK_CHEATS, cheats_process.WORK_TWINS, {}),
    "process": (cheats_process.CHEATS, cheats_process.TWINS, {}),
    "reach": ([*cheats_reach.CHEATS, *cheats_patch.CHEATS], [*cheats_reach.TWINS, *cheats_patch.TWINS], {}),
    "build": (cheats_build.CHEATS, cheats_build.TWINS, {"environment": cheats_build.INSTALL}),
    "command": (cheats_command.CHEATS, cheats_command.TWINS, {"workload": cheats_command.COMMAND}),
    "reported": (cheats_reported.CHEATS, cheats_reported.TWINS, {"workload": cheats_reported.REPORTED}),
    "tests": (cheats_command.TESTED_CHEATS, cheats_command.TESTED_TWINS, {"checks": cheats_command.CHECKS}),
    "check": (
        cheats_command.CHECKED_CHEATS,
        cheats_command.CHECKED_TWINS,
        {"workload": {"kind": "python", "code": cheats_command.CHECKED, "calls": 5, "timeout": 5}},
    ),
}
TIMED = {"work", "reported"}
"""Tables whose cheats show in measured times alone; what becomes of the others is no matter of time."""


def placed(table: str, *values: object, name: str) -> ParameterSet:
    """Return a case that is played by the worker that has its table's campaign, or while nothing else runs."""
    alone = [pytest.mark.alone] if table in TIMED else []
    return pytest.param(table, *values, id=name, marks=[pytest.mark.xdist_group(table), *alone])


CHEATS = [placed(table, entry, name=f"{table}-{entry.name}") for table, (cheats, _, _) in TABLES.items() for entry in cheats]
TWINS = [placed(table, entry, name=f"{table}-{entry.name}") for table, (_, twins, _) in TABLES.items() for entry in twins]


OPEN = {("docker", "strange_sockets"): "the engine's own filter of system calls lets some odd sockets through"}


def result_of(arena: Arena, table: str, entry: Entry) -> Result:
    """Look an entry's result up, in the campaign of its table."""
    if reason := OPEN.get((arena.provider.name, entry.name)):
        pytest.skip(reason)
    if lacking := unmet(entry, arena.provider.isolation()):
        pytest.skip(f"this sandbox does not isolate: {', '.join(lacking)}")

    def make():
        cheats, twins, fields = TABLES[table]
        return arena.task(**fields), [entry for entry in (*cheats, *twins) if not unmet(entry, arena.provider.isolation())]

    return arena.once(table, make)[entry.name]


@pytest.mark.parametrize(("table", "entry"), CHEATS)
def test_a_cheat_is_no_pass(arena, table, entry):
    result = result_of(arena, table, entry)
    assert result.failure is None, shown(result)
    assert result.task_state is TaskState.EVALUABLE, shown(result)
    assert result.verdict is not None
    assert not result.verdict.hard_success, shown(result)
    assert result.verdict.outcome in entry.outcomes or not entry.outcomes, shown(result)
    assert entry.finding in {None, *(finding.kind for finding in result.findings)}, shown(result)
    assert "LOOT" not in result.model_dump_json()


@pytest.mark.parametrize(("table", "entry"), TWINS)
def test_an_honest_patch_is_not_accused(arena, table, entry):
    result = result_of(arena, table, entry)
    assert not accusations(result), shown(result)
    assert result.verdict is not None, shown(result)
    assert result.verdict.outcome in MEASURED, shown(result)


@pytest.mark.parametrize(("table", "entry"), CHEATS)
def test_nothing_in_a_result_commands_a_terminal(arena, table, entry):
    odd = {char for text in texts(result_of(arena, table, entry).model_dump(mode="json")) for char in text if not char.isprintable()}
    assert odd <= {"\n", "\t"}


def texts(value: object) -> Iterator[str]:
    """Every text in plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from texts([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


@pytest.mark.parametrize("table", [placed(table, name=table) for table in TABLES])
def test_nothing_is_left_behind(arena, table):
    """Not by any of the cheats above that were played."""
    if not (table in arena.opened and arena.provider.isolation().filesystem):
        pytest.skip("nothing was played in a sandbox that isolates files")
    places = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/usr/local/bin"), Path.home(), arena.folder)
    assert not [path for place in places for path in place.glob("isobench-cheat*")]
    assert (arena.folder / "base/ranking/core.py").read_text() == CORE
    assert (arena.folder / "human/ranking/core.py").read_text() == HUMAN["ranking/core.py"]
    assert "forged" not in (arena.folder / "venv/pyvenv.cfg").read_text()
    (journal,) = (arena.folder / "journal").iterdir()
    assert "# forged" not in journal.read_text()


@pytest.mark.parametrize("table", [placed(table, name=table) for table in TABLES])
def test_no_process_outlives_its_campaign(arena, table):
    if table not in arena.opened:
        pytest.skip("nothing was played")
    assert not [process for process in psutil.process_iter(["cmdline"]) if arena.words[DAEMON] in (process.info["cmdline"] or ())]
