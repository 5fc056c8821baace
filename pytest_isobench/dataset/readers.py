"""Task files of every kind, read as a stream of stubs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from pytest_isobench.dataset.hub import PREFIX, fetch
from pytest_isobench.dataset.json_reader import read_json
from pytest_isobench.dataset.jsonl_reader import read_jsonl
from pytest_isobench.dataset.parquet_reader import read_parquet
from pytest_isobench.dataset.stubs import Stub, refuse_duplicates
from pytest_isobench.dataset.yaml_reader import read_yaml
from pytest_isobench.errors import TaskError

READERS: dict[str, Callable[[Path], Iterator[Stub]]] = {
    ".yaml": read_yaml,
    ".yml": read_yaml,
    ".json": read_json,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}


def read_stubs(place: Path | str) -> Iterator[Stub]:
    """Yield the records of a task file, or of a data set `hub:ORG/NAME[@revision][:split]`, without keeping their bodies.

    Raises:
        TaskError: the file as a whole cannot be used; a single broken record is a stub whose `load` raises it.
        MissingExtraError: Parquet and the hub need an extra.
        UsageError: the hub has no such data set, revision or split.
        SourceError: the hub cannot be reached.
    """
    if isinstance(place, str) and place.startswith(PREFIX):
        return refuse_duplicates(chain.from_iterable(_read(file) for file in fetch(place)))
    return refuse_duplicates(_read(Path(place)))


def _read(path: Path) -> Iterator[Stub]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TaskError(f"{path.suffix or 'no ending'!r} is not a kind of task file; allowed: {', '.join(READERS)}", path=path)
    return reader(path)
