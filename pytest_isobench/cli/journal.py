"""`isobench journal`: what the journals of a session hold."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "journal"
SHOWN = 20
SHORT = 12
"""Characters of a digest that tell one from another."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="show what a folder of journals holds",
        description="Show campaigns, rounds and results in a folder of journals, or in a folder of such folders. "
        "The exit status is 1 when a line could not be believed.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="Folder of *.jsonl files")
    parser.add_argument("-v", "--verbose", action="store_true", help=f"List every refused line, not only the first {SHOWN}")
    parser.set_defaults(run=run)


@dataclass(slots=True)
class Campaign:
    """What was found of one campaign."""

    trials: Counter[str] = field(default_factory=Counter)
    rounds: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Contents:
    """What was found in all journals."""

    files: Counter[Path] = field(default_factory=Counter)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def run(arguments: argparse.Namespace) -> int:
    """Print the contents."""
    from pytest_isobench.cli.printing import paper

    contents = _read(arguments.folder)
    for line in _lines(contents, len(contents.refused) if arguments.verbose else SHOWN):
        print(paper().clean(line))
    return 1 if contents.refused else 0


def _read(folder: Path) -> Contents:
    from pytest_isobench.errors import UsageError
    from pytest_isobench.measuring.journal import Journal

    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; journals are *.jsonl files in one")
    contents = Contents()
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        for entry in Journal.read(place, contents.refused):
            contents.files[entry.path] += 1
            _take(contents, entry.kind, entry.fields)
    if not contents.files and not contents.refused:
        raise UsageError(f"{folder}: holds no journal entries")
    return contents


def _take(contents: Contents, kind: str, fields: Mapping[str, Any]) -> None:
    if kind == "result":
        contents.results[fields["key"]] = fields["result"]
        return
    campaign = contents.campaigns.setdefault(fields["campaign"], Campaign())
    if kind == "trial":
        campaign.trials[fields["arm"]] += 1
    else:
        campaign.rounds.add(fields["round"])


def _lines(contents: Contents, shown: int) -> Iterator[str]:
    yield f"files: {len(contents.files)}, entries: {contents.files.total()}"
    for path, number in contents.files.items():
        yield f"{path}: {number} entries"
    for name, campaign in contents.campaigns.items():
        trials = ", ".join(f"{arm} {number}" for arm, number in campaign.trials.items())
        yield f"campaign {name[:SHORT]}: {len(campaign.rounds)} rounds; trials: {trials or 'none'}"
    for key, result in contents.results.items():
        yield f"result {key[:SHORT]}: {_summary(result)}"
    yield from (f"refused {reason}" for reason in contents.refused[:shown])
    if len(contents.refused) > shown:
        yield f"refused {len(contents.refused) - shown} more: -v lists them"


def _summary(result: Mapping[str, Any]) -> str:
    from pydantic import ValidationError

    from pytest_isobench.jsonl import dumps
    from pytest_isobench.models.result import Result
    from pytest_isobench.reports.words import words

    try:
        found = Result.model_validate_json(dumps(result), strict=True)
    except ValidationError as error:
        return f"is no result: {error.error_count()} fields do not fit"
    return f"{found.case} {words(found).label}"
