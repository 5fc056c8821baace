"""Data sets become a task file, and everything that does not is named with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pytest_isobench.dataset.commits import CommitList, same_commit
from pytest_isobench.errors import IsobenchError
from pytest_isobench.models.preparing import Refused
from pytest_isobench.models.task import TASK_VERSION
from pytest_isobench.preparing.datasets.facts import Facts, facts_of
from pytest_isobench.preparing.datasets.joining import Joined, join
from pytest_isobench.preparing.datasets.reading import Item, read_items
from pytest_isobench.preparing.datasets.tasks import Made, Options, make

HEADER = "# Made by `isobench import-dataset`: facts of recorded commits. Where each command comes from is its `origin`.\n"


@dataclass(slots=True)
class Imported:
    """What became of all records."""

    tasks: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    remarks: list[Refused] = field(default_factory=list)
    """What was not used of records that became tasks, with the reason."""
    refused: list[Refused] = field(default_factory=list)


def import_dataset(
    sources: Sequence[str], mappings: Sequence[str] = (), *, options: Options, commits: CommitList | None = None
) -> Imported:
    """Read data sets and make their tasks.

    The commits of `sources` become tasks; `mappings` say more of them. Of several records of a commit the first that says something
    counts: sources before mappings, each in their order. With `commits` only those on the list become tasks.

    Raises:
        UsageError: a file is missing or of an unknown kind.
        SourceError: the hub cannot be reached.
    """
    found = list(_facts(sources))
    more = [facts for facts in _facts(mappings) if isinstance(facts, Facts)]
    joined, refused = join(found, more)
    done = Imported(refused=refused)
    for each in _listed(joined, commits, done):
        _add(done, each, _made(each, options))
    done.tasks.sort(key=lambda task: str(task["id"]))
    return done


def _facts(places: Iterable[str]) -> Iterator[Item | Facts]:
    """Yield what each record says, and records that are broken as they are."""
    for place in places:
        for item in read_items(place):
            yield item if item.problem else facts_of(item)


def _listed(joined: Sequence[Joined], commits: CommitList | None, done: Imported) -> Iterator[Joined]:
    """Yield what a list of commits means; all without one. What it means and nobody knows is refused."""
    if commits is None:
        yield from joined
        return
    done.refused += [Refused(name=commits.file.name, reason=reason) for reason in commits.refused]
    wanted = set[str]()
    for line in commits.lines:
        fitting = [each.human for each in joined if same_commit(each.human, line.name)]
        wanted |= set(fitting)
        if not fitting:
            done.refused.append(Refused(name=f"{commits.file.name}:{line.number}", reason=f"no record has the commit {line.name}"))
    yield from (each for each in joined if each.human in wanted)


def _made(joined: Joined, options: Options) -> Made:
    try:
        return make(joined, options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return Made(reason=f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    except IsobenchError as error:
        return Made(reason=str(error))


def _add(done: Imported, joined: Joined, made: Made) -> None:
    name = f"{joined.origin} {joined.label}"
    if made.reason:
        done.refused.append(Refused(name=name, reason=made.reason))
        return
    done.remarks += [Refused(name=name, reason=remark) for remark in made.remarks]
    taken = {task["id"] for task in done.tasks}
    if any(task["id"] in taken for task in made.tasks):
        done.refused.append(Refused(name=name, reason=f"its id {made.tasks[0]['id']} is another commit's"))
        return
    done.tasks += made.tasks
    done.files |= made.files


def add_images(done: Imported, name: str, built: CommitList | None = None) -> None:
    """Name the image of each task whose record names none; with a list, of those commits only. Their base must be known if it is used."""
    for task in done.tasks:
        source = task["source"]
        listed = built is None or any(same_commit(line.name, source.get("human", "")) for line in built.lines)
        known = all(source.get(part) for part in ("human", "base") if f"{{{part}}}" in name)
        if listed and known and not task.get("environment", {}).get("image"):
            image = name.replace("{human}", source.get("human", "")).replace("{base}", source.get("base", ""))
            task["environment"] = {**task.get("environment", {}), "image": image}


def write(done: Imported, out: Path) -> None:
    """Write the task file, and the scripts that it names into a folder beside it. Raises OSError."""
    folder = out.with_suffix("")
    for name, text in done.files.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    out.parent.mkdir(parents=True, exist_ok=True)
    tasks = [_placed(task, folder.name) for task in done.tasks]
    text = yaml.safe_dump({"version": TASK_VERSION, "tasks": tasks}, sort_keys=False, width=138, allow_unicode=True)
    out.write_text(HEADER + text, encoding="utf-8")


def _placed(task: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return a task whose files lie in a folder beside the task file."""
    task = {**task, "source": {**task["source"]}, "workload": {**task["workload"]}}
    for part, name in (("workload", "file"), ("source", "patch")):
        if file := task[part].get(name):
            task[part][name] = f"{folder}/{file}"
    return task
