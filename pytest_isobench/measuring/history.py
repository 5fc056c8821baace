"""What earlier runs have left in the journals: finished results and complete rounds, found by content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from pytest_isobench.measuring.journal import Entry, Journal
from pytest_isobench.models.result import Result
from pytest_isobench.models.trial import Trial


@dataclass(frozen=True, slots=True)
class PlayedRound:
    """A round of which every arm's trial is on disk."""

    sizing: int
    trials: Mapping[str, Trial]


@dataclass(slots=True)
class History:
    """An index over journals. Empty, it makes every campaign start afresh."""

    results: dict[str, Result] = field(default_factory=dict)
    rounds: dict[tuple[str, int], PlayedRound] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Journal lines that could not be used, each with its reason."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Index all journals of a folder."""
        history = cls()
        trials: dict[tuple[str, int], dict[str, Trial]] = defaultdict(dict)
        for entry in Journal.read(folder, history.refused):
            try:
                history._take(entry, trials)
            except (ValidationError, KeyError, TypeError) as error:
                history.refused.append(f"{entry.path}:{entry.line}: not a {entry.kind} of this version: {error}".splitlines()[0])
        return history

    def _take(self, entry: Entry, trials: dict[tuple[str, int], dict[str, Trial]]) -> None:
        if entry.kind == "result":
            self.results[entry.fields["key"]] = Result.model_validate(entry.fields["result"])
        elif entry.kind == "trial":
            trial = Trial.model_validate(dict(entry.fields))
            trials[trial.campaign, trial.round][trial.arm] = trial
        elif entry.kind == "round":
            place = entry.fields["campaign"], entry.fields["round"]
            found = trials.pop(place, {})
            if set(found) == set(entry.fields["arms"]):
                self.rounds[place] = PlayedRound(sizing=int(entry.fields["sizing"]), trials=found)
