"""Data sets of the Hugging Face hub: found by name, brought here as files, read like all others."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_isobench.errors import MissingExtraError, SourceError, TaskError, UsageError, nearest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PREFIX = "hub:"

_NAME = re.compile(r"hub:(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^:@\s]+))?(?::(?P<split>[\w.-]+))?")
_SHARD = re.compile(r"-\d+-of-\d+$")
_BESIDE = ("*.py", "*.diff", "*.patch")
"""Files that records may name."""


def fetch(name: str) -> list[Path]:
    """Download the files of `hub:ORG/NAME[@revision][:split]`: Parquet where there is any, else JSON lines.

    Raises:
        UsageError: there is no such data set, revision or split.
        SourceError: the hub cannot be reached.
        MissingExtraError: the extra is not installed.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(f"{name!r} does not name a data set; write hub:ORG/NAME, hub:ORG/NAME@REVISION or hub:ORG/NAME@REVISION:SPLIT")
    try:
        from huggingface_hub import HfApi, errors
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    except ImportError:
        raise MissingExtraError(f"reading {name}", "hub") from None
    try:
        return _download(HfApi(endpoint=os.environ.get("HF_ENDPOINT")), name=name, **match.groupdict())
    except errors.RevisionNotFoundError:
        raise UsageError(f"{name}: the data set has no revision {match['revision']!r}") from None
    except errors.RepositoryNotFoundError:
        raise UsageError(f"{name}: there is no such data set, or it is private: set HF_TOKEN to a token that may read it") from None
    except errors.HFValidationError as error:
        raise UsageError(f"{name!r} does not name a data set: {error}") from None
    except (OSError, ValueError, HTTPError) as error:
        raise SourceError(f"{name}: the hub did not give it: {error}") from error


def _download(hub: HfApi, *, name: str, repository: str, revision: str | None, split: str | None) -> list[Path]:
    info: Any = hub.dataset_info(repository, revision=revision)
    names = _choose([sibling.rfilename for sibling in info.siblings], name, split)
    # The commit, not the branch: all files are of one state, and a later run with the same commit downloads nothing.
    folder = Path(hub.snapshot_download(repository, repo_type="dataset", revision=info.sha, allow_patterns=[*names, *_BESIDE]))
    return [folder / file for file in names]


def _choose(names: list[str], name: str, split: str | None) -> list[str]:
    files = sorted(file for file in names if file.endswith((".parquet", ".jsonl")) and ".." not in PurePosixPath(file).parts)
    if not files:
        raise TaskError("the data set holds neither Parquet nor JSON lines", path=name)
    files = [file for file in files if file.endswith(".parquet")] or files
    splits = sorted({_split(file) for file in files})
    if split is not None and split not in splits:
        raise UsageError(f"{name}: the data set has no split {split!r}{nearest(split, splits)}; it has: {', '.join(splits)}")
    return [file for file in files if split is None or _split(file) == split]


def _split(file: str) -> str:
    """Return the split that a file belongs to: `train` for `data/train-00000-of-00002.parquet`, `train.jsonl` and `train/0001.parquet`."""
    path = PurePosixPath(file)
    return path.parent.name if path.stem.isdigit() else _SHARD.sub("", path.stem)
