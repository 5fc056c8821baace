"""Earlier runs become recorded attempts, joined to tasks by commit: items' names repeat with other commits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from pytest_isobench.agents.store import AttemptStore
from pytest_isobench.dataset.commits import is_commit, same_commit
from pytest_isobench.dataset.patches import Patch, parse_patch, read_patch
from pytest_isobench.dataset.stubs import Stub
from pytest_isobench.errors import IsobenchError
from pytest_isobench.models.agent import AttemptRecord, Excluded
from pytest_isobench.models.preparing import Refused
from pytest_isobench.preparing.evidence import account_of, judge
from pytest_isobench.preparing.original import DEFAULT, PATCH, TRAJECTORY, OriginalRun, find_runs
from pytest_isobench.redaction import redact

SHORT = 8
"""Digits of a commit in the id of a task that no file describes."""
OWN_PATCH = "a benchmark's runner"

Change = Literal["new", "updated", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One attempt."""

    record: AttemptRecord
    change: Change


@dataclass(slots=True)
class Import:
    """What became of all runs."""

    attempts: list[Imported] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A run that can be recorded, before it has a number."""

    run: OriginalRun
    record: AttemptRecord
    patch: str


def import_runs(root: Path, patches: Path, stubs: Sequence[Stub] = (), agent: str | None = None) -> Import:
    """Record the runs below a folder in the folder of recorded patches.

    What was recorded from elsewhere is never replaced, and importing the same again changes nothing. A run that cannot be imported is
    named with its reason, and the rest goes on.
    """
    done, found = Import(), list[Found]()
    for run in find_runs(root):
        try:
            found += _read(run, stubs, agent)
        except (ValueError, IsobenchError, OSError) as error:
            done.refused.append(Refused(name=run.origin, reason=_reason(error)))
    stores = {each.record.agent: _Numbered(AttemptStore(patches / each.record.agent)) for each in found}
    for each in sorted(found, key=lambda each: (each.run.ended, each.run.origin)):
        try:
            done.attempts.append(stores[each.record.agent].add(each))
        except (IsobenchError, OSError) as error:
            done.refused.append(Refused(name=each.run.origin, reason=_reason(error)))
    done.attempts.sort(key=lambda each: (each.record.agent, each.record.task, each.record.attempt))
    return done


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def _read(run: OriginalRun, stubs: Sequence[Stub], agent: str | None) -> Iterator[Found]:
    """Yield a run once for each task that it is an attempt at. Raises ValueError when it cannot be told what it is."""
    name = agent or run.agent
    tasks = _tasks(run, stubs)
    patch, excluded = without_own(run.patch or "")
    parsed = parse_patch(patch)
    account = account_of(run)
    judged = judge(run, account, changed=bool(patch.strip()))
    for task in tasks:
        record = AttemptRecord(
            task=task,
            agent=name,
            attempt=0,
            status=judged.status,
            reasons=(*map(redact, judged.reasons), *_remarks(parsed)),
            driver=run.driver,
            program=_program(run),
            model="" if run.model == DEFAULT else run.model,
            models=account.models if account else (),
            session=account.session if account else _session(run),
            **({"usage": account.usage, "steps": account.steps} if account else {}),
            seconds=run.seconds,
            first_edit=run.first_edit,
            started=run.started,
            base=run.base,
            patch_digest=parsed.digest if patch.strip() else None,
            files=parsed.files,
            excluded=excluded,
            origin=run.origin,
        )
        yield Found(run=run, record=record, patch=parsed.text)


def _tasks(run: OriginalRun, stubs: Sequence[Stub]) -> list[str]:
    """Return the tasks of a run's commit; an id made of repository and commit when no task file knows it."""
    human, base = run.human, run.base
    same = [stub for stub in stubs if same_commit(stub.human, human)]
    fitting = [stub for stub in same if not (is_commit(base) and is_commit(stub.base)) or same_commit(stub.base, base)]
    if same and not fitting:
        raise ValueError(f"its base is {base}, and {same[0].id} starts from {same[0].base}")
    if fitting:
        return [stub.id for stub in fitting]
    if not run.repo:
        raise ValueError(f"nothing says of which repository its commit {human} is; give a task file that has the commit")
    return [f"{run.repo}-{human[:SHORT]}"]


def without_own(diff: str) -> tuple[str, tuple[Excluded, ...]]:
    """Take the file `model_patch.diff` out of a patch: the runner wrote it into the tree, and took it for the agent's work."""
    head, *parts = re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE)
    kept, dropped = [head], list[str]()
    for part in parts:
        files = parse_patch(part).files
        if files and all(file.rpartition("/")[2] == PATCH for file in files):
            dropped += files
        else:
            kept.append(part)
    return "".join(kept), tuple(Excluded(path=path, rule=OWN_PATCH) for path in dropped)


def _remarks(patch: Patch) -> Iterable[str]:
    return (f"its patch cannot be applied: {problem.message}" for problem in patch.refusals)


def _program(run: OriginalRun) -> str:
    """Return the version that the program printed first, as Codex does."""
    first = run.output("stderr")[:200].split("\n")[0].strip()
    return first if re.search(r"\bv?\d+\.\d+\.\d+", first) and len(first) < 80 else ""


def _session(run: OriginalRun) -> str:
    """Return the name of the session that Codex prints at its start."""
    found = re.search(r"^session id: ([0-9a-f-]{36})$", run.output("stderr")[:4000], re.MULTILINE)
    return found[1] if found else ""


class _Numbered:
    """An agent's attempts, which get the next free numbers."""

    def __init__(self, store: AttemptStore) -> None:
        self._store = store
        self._taken: dict[str, dict[int, AttemptRecord | None]] = {}
        for task, attempt in store.attempts():
            self._taken.setdefault(task, {})[attempt] = store.record(task, attempt)

    def add(self, found: Found) -> Imported:
        """Record a run, unless it is there already."""
        taken = self._taken.setdefault(found.record.task, {})
        before = next((attempt for attempt, record in taken.items() if record and _is_same(record, found.record)), None)
        attempt = next(number for number in count() if number not in taken) if before is None else before
        old = taken.get(attempt)
        record = found.record.model_copy(update={"attempt": attempt, "origin": old.origin if old else found.record.origin})
        if old == record and self._has_patch(found, attempt):
            return Imported(record=record, change="unchanged")
        self._store.write(record, found.patch if found.patch.strip() else None, _kept(found.run))
        taken[attempt] = record
        return Imported(record=record, change="updated" if old else "new")

    def _has_patch(self, found: Found, attempt: int) -> bool:
        path = self._store.diff(found.record.task, attempt)
        return read_patch(path).digest == found.record.patch_digest if path.is_file() else not found.patch.strip()


def _is_same(old: AttemptRecord, new: AttemptRecord) -> bool:
    """Tell whether a run is the one that was recorded: from the same place, or at the same time with the same result from another one."""
    if not old.origin:
        return False
    twin = bool(new.started) and (old.started, old.seconds, old.patch_digest) == (new.started, new.seconds, new.patch_digest)
    return old.origin == new.origin or twin


def _kept(run: OriginalRun) -> dict[str, bytes]:
    """Return what is kept of a run, without secrets."""
    texts = {"prompt.md": run.text("task.txt"), TRAJECTORY: run.text(TRAJECTORY)}
    texts |= {f"{kind}.txt": run.output(kind) for kind in ("stdout", "stderr")}
    return {name: redact(text).encode("utf-8", "replace") for name, text in texts.items() if text}
