"""Attempts on disk, below one agent's folder: `TASK.ATTEMPT.diff`, the record in `TASK.ATTEMPT.json`, and a folder of what was kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pytest_isobench.errors import InfrastructureError
from pytest_isobench.models.agent import AttemptRecord

_NAME = re.compile(r"(?P<task>.+)\.(?P<attempt>\d{1,6})\.(?P<kind>diff|json)")


@dataclass(frozen=True, slots=True)
class AttemptStore:
    """The attempts of one agent."""

    folder: Path

    def diff(self, task: str, attempt: int) -> Path:
        """Return the file of an attempt's patch."""
        return self.folder / f"{task}.{attempt}.diff"

    def kept(self, task: str, attempt: int) -> Path:
        """Return the folder of what an attempt left: prompt, output, trajectory."""
        return self.folder / f"{task}.{attempt}"

    def record(self, task: str, attempt: int) -> AttemptRecord | None:
        """Return an attempt's record; None when there is none that can be read."""
        try:
            return AttemptRecord.model_validate_json(self._record(task, attempt).read_bytes())
        except (OSError, ValidationError):
            return None

    def attempts(self) -> Iterator[tuple[str, int]]:
        """Yield task and number of each attempt that has a patch or a record, in order."""
        found = (_NAME.fullmatch(path.name) for path in (self.folder.iterdir() if self.folder.is_dir() else ()))
        yield from sorted({(match["task"], int(match["attempt"])) for match in found if match})

    def write(self, record: AttemptRecord, patch: str | None, kept: Mapping[str, bytes]) -> None:
        """Write an attempt in place of an earlier one; the record comes last, so that one that exists is whole.

        Raises:
            InfrastructureError: the disk refuses it.
        """
        task, attempt = record.task, record.attempt
        try:
            self._record(task, attempt).unlink(missing_ok=True)
            self.kept(task, attempt).mkdir(parents=True, exist_ok=True)
            for name, data in kept.items():
                _write(self.kept(task, attempt) / Path(name).name, data)
            if patch is None:
                self.diff(task, attempt).unlink(missing_ok=True)
            else:
                _write(self.diff(task, attempt), patch.encode("utf-8", "surrogateescape"))
            _write(self._record(task, attempt), record.model_dump_json(indent=1).encode() + b"\n")
        except OSError as error:
            reason = error.strerror or error
            raise InfrastructureError(f"{self.folder}: attempt {attempt} at {task} cannot be recorded: {reason}") from error

    def _record(self, task: str, attempt: int) -> Path:
        return self.folder / f"{task}.{attempt}.json"


def _write(path: Path, data: bytes) -> None:
    """Write a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(data)
    new.replace(path)
