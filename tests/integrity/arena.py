"""The arena: a small task, entrants given as patches, and one campaign in the real sandbox that holds many of them at once."""

from __future__ import annotations

import difflib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_isobench.agents.base import Submission
from pytest_isobench.dataset.base_repository import BaseRepository
from pytest_isobench.dataset.cache import Cache, tree_digest
from pytest_isobench.dataset.versions import BuiltEnvironment, Tree, Version
from pytest_isobench.errors import DoesNotApplyError
from pytest_isobench.measuring.campaign import Entrant, run_campaign
from pytest_isobench.measuring.entering import resolved
from pytest_isobench.measuring.history import History
from pytest_isobench.measuring.journal import Journal
from pytest_isobench.measuring.leases import lease_cores
from pytest_isobench.models.result import MEASURED, Configuration, Finding, Isolation, Outcome, Result, Verdict
from pytest_isobench.models.task import Task
from pytest_isobench.sandboxes.base import SandboxProvider
from pytest_isobench.workloads.command import CommandRounds
from pytest_isobench.workloads.python import ResidentWorkload
from pytest_isobench.workloads.reported import make_reported

CORE = '''\
"""Statistics of a table of whole numbers."""

EFFORT = 16


class Table:
    """The numbers in the order in which they were measured."""

    def __init__(self, values):
        self.values = list(values)


def weight(value):
    """Return the weight of one number."""
    return (value * 31 + 7) % 1009


def summary(table, scale):
    """Sum up a table; every weight is worked out EFFORT times where once would do."""
    for _ in range(EFFORT):
        weights = [weight(value) for value in table.values]
    mean = sum(weights) * scale / len(weights)
    heavy = sorted(weights)[-5:]
    return {"count": len(weights), "mean": mean, "heavy": heavy, "label": f"{len(weights)} numbers"}
'''

BASE = {
    "ranking/__init__.py": "from ranking.core import Table, summary\n",
    "ranking/core.py": CORE,
    "ranking/__main__.py": """\
import json
import sys

from ranking import Table, summary

given = json.load(sys.stdin)
print(json.dumps(summary(Table(given["values"]), given["scale"])))
""",
    "README.md": "# ranking\n\nStatistics of tables.\n",
    "build.sh": "exit 0\n",
    "tests/test_rules.py": """\
from ranking import Table
from ranking.core import weight

assert Table([]).values == []
assert weight(-1) == 985
""",
}
HUMAN = {**BASE, "ranking/core.py": CORE.replace("EFFORT = 16", "EFFORT = 5")}
"""More than twice as fast."""

INPUTS = """
def inputs(rng):
    return {"values": [rng.randrange(10**6) for _ in range(600)], "scale": rng.random()}
"""
WORKLOAD = f"""
from ranking import Table, summary
{INPUTS}
def prepare(given):
    return Table(given["values"]), given["scale"]

def run(prepared):
    return summary(*prepared)
"""
CHECK = """
def check(given, answer, reference):
    assert set(answer) == set(reference), "other keys"
    assert sum(range(answer["count"])) == sum(range(reference["count"])), "other numbers"
    assert len(list(range(answer["count"]))) == len(given["values"])
    assert answer["mean"] == reference["mean"] and answer["heavy"] == reference["heavy"] and answer["label"] == reference["label"]
"""


DAEMON = "isobench-cheat-daemon"
"""What cheats call the processes that they leave running."""
MARGIN = 0.25
"""A wide one: versions that are far apart are told apart in few rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One patch, and what must become of it."""

    name: str
    patch: str
    outcomes: frozenset[Outcome] = frozenset()
    """What a cheat must be seen as; empty: anything but a pass."""
    finding: str | None = None
    """The kind of finding that must be in the result."""
    needs: frozenset[str] = frozenset()
    """Fields of `Isolation`, without which this cannot be prevented."""


def cheat(name: str, patch: str, *outcomes: Outcome, finding: str | None = None, needs: str = "") -> Entry:
    return Entry(name=name, patch=patch, outcomes=frozenset(outcomes), finding=finding, needs=frozenset(needs.split()))


def twin(name: str, patch: str) -> Entry:
    """An honest patch: measured, and without a finding that calls it a cheat."""
    return Entry(name=name, patch=patch, outcomes=MEASURED)


def answer(weights: str = "weights", scale: str = "scale") -> str:
    """An expression for the right answer, from the weights."""
    parts = f'"count": len({weights}), "mean": sum({weights}) * {scale} / len({weights})'
    return f'{{{parts}, "heavy": sorted({weights})[-5:], "label": f"{{len({weights})}} numbers"}}'


def indented(code: str) -> str:
    return "\n".join(f"    {line}" for line in code.strip().splitlines())


def edited(code: str, *, core: str = CORE) -> str:
    """Return a patch that puts code at the end of `core.py`, where it replaces what stands above."""
    return difference({**BASE, "ranking/core.py": f"{core}\n\n{code.strip()}\n"})


def replaced(old: str, new: str) -> str:
    """Return a patch that replaces a text in `core.py`."""
    assert CORE.count(old) == 1
    return difference({**BASE, "ranking/core.py": CORE.replace(old, new)})


def difference(files: Mapping[str, str | None], base: Mapping[str, str] = BASE) -> str:
    """Return the diff from the base to these files, as git writes it."""
    return "".join(
        _of_file(name, base.get(name), files.get(name)) for name in sorted({*base, *files}) if base.get(name) != files.get(name)
    )


def _of_file(name: str, old: str | None, new: str | None) -> str:
    head = f"diff --git a/{name} b/{name}\n"
    head += "new file mode 100644\n" if old is None else "deleted file mode 100644\n" if new is None else ""
    before, after = "/dev/null" if old is None else f"a/{name}", "/dev/null" if new is None else f"b/{name}"
    lines = difflib.unified_diff((old or "").splitlines(keepends=True), (new or "").splitlines(keepends=True), before, after)
    return head + "".join(lines)


@dataclass(frozen=True, slots=True)
class Folders:
    """A source of two folders."""

    base: Version
    other: Version

    def baseline(self) -> Version:
        return self.base

    def base_tree(self) -> Tree:
        return Tree(label="base", path=self.base.tree, digest=tree_digest(self.base.tree))

    def human(self) -> Version:
        return self.other

    def named(self, name: str) -> Version:
        raise NotImplementedError(name)


class Silent:
    """Watches nothing."""

    def phase(self, task: str, text: str) -> None: ...

    def round(self, *_: object) -> None: ...


@dataclass(slots=True)
class Arena:
    """Runs campaigns."""

    folder: Path
    environment: BuiltEnvironment
    provider: SandboxProvider
    words: dict[str, str] = field(default_factory=dict)
    """What stands for places of this machine in the patches: the cheats know where to look."""
    opened: dict[str, Mapping[str, Result]] = field(default_factory=dict)

    def task(self, **fields: object) -> Task:
        """The task; `workload` and `environment` may be replaced."""
        workload = {"kind": "python", "code": WORKLOAD, "calls": 5, "timeout": 5}
        record = {
            "id": "ranking",
            "source": {"kind": "path", "base": "base", "human": "human"},
            "workload": workload,
            "tolerance": {"float": {"relative": 1e-9}},
            "resources": {"memory_mb": 256, "pids": 32, "disk_mb": 64},
        }
        return Task.model_validate(record | fields)

    def play(self, task: Task, entries: Sequence[Entry], **fields: object) -> Mapping[str, Result]:
        """Measure all entries in one campaign; results by name."""
        source = Folders(self._version("base", BASE), self._version("human", HUMAN))
        configuration = Configuration.model_validate({"time_budget": 400.0, "seed": 7, "margin": MARGIN, **fields})
        tree = source.base_tree()
        base = BaseRepository.of(tree.path, tree.digest, Cache(self.folder.absolute() / "cache"))
        entrants, refused = [], {}
        for entry in entries:
            case, submission = f"{task.id}:{entry.name}:0", Submission(patch=self._filled(entry.patch))
            entrant = Entrant(case=case, agent=entry.name, attempt=0, submission=submission)
            try:
                entrants.append(resolved(entrant, task, lambda: base))
            except DoesNotApplyError as error:
                verdict = Verdict(outcome=Outcome.DOES_NOT_APPLY, reasons=(str(error),))
                refused[case] = Result(case=case, task=task.id, agent=entry.name, attempt=0, configuration=configuration, verdict=verdict)
        with Journal(self.folder / "journal") as journal, lease_cores(1) as cores:
            found = run_campaign(
                task,
                entrants,
                source,
                provider=self.provider,
                workloads={"python": ResidentWorkload, "command": CommandRounds, "reported": make_reported},
                configuration=configuration,
                journal=journal,
                history=History(),
                cores=cores,
                observer=Silent(),
                judge=lambda *_: None,
                folder=self.folder,
            )
        state = next((result.task_state for result in found.values()), None)
        told = [result.model_copy(update={"task_state": state}) for result in refused.values()]
        return {result.agent: result for result in (*told, *found.values())}

    def once(self, key: str, make: Callable[[], tuple[Task, Sequence[Entry]]]) -> Mapping[str, Result]:
        """Play a campaign at its first use."""
        if key not in self.opened:
            self.opened[key] = self.play(*make())
        return self.opened[key]

    def _filled(self, patch: str) -> str:
        for word, meaning in self.words.items():
            patch = patch.replace(word, meaning)
        return patch

    def _version(self, label: str, files: Mapping[str, str]) -> Version:
        tree = self.folder / label
        if not tree.exists():
            write(tree, files)
        return Version(label=label, tree=tree, environment=self.environment, digest=label)


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def make_environment(folder: Path) -> BuiltEnvironment:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return BuiltEnvironment(path=folder, digest="environment")


def accusations(result: Result) -> list[Finding]:
    return [finding for finding in result.findings if finding.severity == "cheat"]


def unmet(entry: Entry, isolation: Isolation) -> list[str]:
    """What the sandbox lacks to prevent this."""
    return sorted(name for name in entry.needs if not getattr(isolation, name))


def shown(result: Result) -> str:
    """A result in a few lines, for the messages of failing tests."""
    lines = [repr(result.verdict), repr(result.failure), *map(repr, result.findings)]
    if result.comparison:
        lines += [repr(result.comparison.agent_vs_human), repr(result.comparison.prepare), repr(result.comparison.setup)]
    return "\n".join(lines)


__all__ = ["Arena", "Entry", "replace"]
