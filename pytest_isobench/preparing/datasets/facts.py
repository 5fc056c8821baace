"""One record as facts: commits, command, model, GPUs; whatever its fields are called, and nothing else of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_isobench.agents.drivers.reading import dig
from pytest_isobench.preparing.datasets.reading import KEY, Item

HUMAN = (
    "commit_hash", "commit_hash_full", "human_commit_full", "human_full", "commit_full", "human_commit", "head_commit", "opt_commit",
    "human", "commit",
    "human_commit_short", "human_short", "commit_short", KEY,
)  # fmt: skip
BASE = ("parent_hash", "parent_commit_full", "parent_commit", "base_commit", "pre_commit", "pre", "parent_commit_short", "parent_short")
COMMAND = ("perf_command", "benchmark_command", "command")
MODE = ("benchmark_mode", "benchmark_type")
DATE = ("commit_date", "created_at", "date", "pr_date")
MISSPELT = {"sglan": "sglang"}
FULL = 40

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_RELATIVE = re.compile(r"([0-9a-f]{7,64})(?:\^|~1)")
_PROJECT = re.compile(r"(?:https?://)?(?:www\.)?github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?(?:/.*)?")
_NAMED = re.compile(r"[\w.-]+/[\w.-]+")
_IMAGE = re.compile(r"(?:^|;)image=([^;\s]+:[^;\s]+)")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one record says."""

    origin: str
    value: Mapping[str, Any]
    """The record, for what only some data sets have."""
    human: str = ""
    base: str = ""
    parent: int | None = None
    project: str = ""
    """As `organisation/name`, or the name alone."""
    commands: tuple[tuple[str, str | None], ...] = ()
    """Fields that hold a command, with what they hold."""
    models: tuple[str, ...] = ()
    mode: str = ""
    day: str = ""
    """Date of the commit, ISO 8601."""
    image: str = ""
    patch: str = ""
    """The human's change, where no commit is named."""
    name: str = ""
    """The record's own name."""
    ignored: tuple[str, ...] = ()
    """Values that are no facts, with the reason."""


def facts_of(item: Item) -> Facts:
    """Return what a record says."""
    value, ignored = item.value, list[str]()
    return Facts(
        origin=item.origin,
        value=value,
        human=_human(value),
        base=_base(value, ignored),
        parent=_whole(value.get("pre_parent_index")),
        project=_project(value),
        commands=tuple((name, value[name] if isinstance(value[name], str) else None) for name in COMMAND if name in value),
        models=tuple(_models(value)),
        mode=_text(value, *MODE),
        day=(_DAY.match(_text(value, *DATE)) or [""])[0],
        image=_image(value),
        patch=value["patch"] if isinstance(value.get("patch"), str) and value["patch"].strip() else "",
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", _text(value, "instance_id")).strip("-._")[:100],
        ignored=(*ignored, *_hardware(value), *_timings(value), *_building(value)),
    )


def _text(value: Mapping[str, Any], *names: str) -> str:
    """Return the first of some fields that is text and not empty."""
    return next((found.strip() for name in names if isinstance(found := value.get(name), str) and found.strip()), "")


def _human(value: Mapping[str, Any]) -> str:
    """Return the human's commit: the longest that any field has of it. `commit` is the base where another field is the human's."""
    is_base = any(value.get(name) for name in ("human_commit", "human_commit_full"))
    names = [name for name in HUMAN if name != "commit" or not is_base]
    found = [value[name].strip() for name in names if isinstance(value.get(name), str)]
    inner = dig(value, "repo", "human_commit")
    found += [inner] if isinstance(inner, str) else []
    good = [name for name in found if _COMMIT.fullmatch(name)]
    return max(good, key=len, default="") if not good or len(good[0]) < FULL else good[0]


def _base(value: Mapping[str, Any], ignored: list[str]) -> str:
    """Return the base: a commit, or nothing when it is the human's own parent."""
    fields = [*BASE, *(["commit"] if value.get("human_commit") else [])]
    given = [str(value[name]).strip() for name in fields if isinstance(value.get(name), str) and value[name].strip()]
    inner = dig(value, "repo", "pre_commit")
    given += [inner] if isinstance(inner, str) else []
    good = []
    for name in given:
        if found := _RELATIVE.fullmatch(name):
            ignored.append(f"base {name}: is written relative to {found[1][:12]}; the parent is looked up in the repository")
        elif _COMMIT.fullmatch(name):
            good.append(name)
        else:
            ignored.append(f"base {name!r:.60}: is no commit")
    return max(good, key=len, default="")


def _project(value: Mapping[str, Any]) -> str:
    """Return the repository. A fork that a data set keeps for itself is not the project's: its name alone is taken."""
    repo = value.get("repo")
    for text in (value.get("pr_url"), dig(value, "repo", "url"), repo, value.get("repository")):
        if isinstance(text, str) and (found := _PROJECT.fullmatch(text.strip())):
            return found[1].removesuffix(".git")
    if isinstance(repo, str) and _NAMED.fullmatch(repo.strip()):
        return repo.strip()
    name = repo if isinstance(repo, str) else _text(value, "repo_path")
    name = name.rstrip("/").rpartition("/")[2]
    return MISSPELT.get(name, name)


def _models(value: Mapping[str, Any]) -> Iterator[str]:
    listed = value.get("models")
    for model in [value.get("model"), value.get("model_id"), *(listed if isinstance(listed, list) else [])]:
        if isinstance(model, str) and _NAMED.fullmatch(model.strip()) and model.strip() != "N/A":
            yield model.strip()


def _hardware(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield where somebody measured: what a task needs follows from its command."""
    if name := _text(value, "hardware", "gpu_config"):
        yield f"measured on {name}: the command says how many GPUs it needs"


def _image(value: Mapping[str, Any]) -> str:
    """Return the image that the record names, unless it means another commit's as well."""
    found = _IMAGE.search(_text(value, "version"))
    name = found[1] if found else _text(value, "docker_image", "image_name", "instance_image_tag")
    return name if ":" in name and not name.endswith(":latest") and not re.search(r"\s", name) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _building(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else the record needs: commands for another harness's machine."""
    for name in ("setup_commands", "install_commands", "rebuild_cmd", "test_patch"):
        if value.get(name):
            yield f"{name}: is not taken over; say in the task's environment how it is built"


def _timings(value: Mapping[str, Any]) -> Iterator[str]:
    """Yield timings that are no numbers: nothing was measured."""
    for name in ("duration_changes", "human_performance"):
        bad = [number for number in _numbers(value.get(name)) if not math.isfinite(number)]
        if bad:
            yield f"{name}: {bad[0]} is no timing, so nothing was measured"


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
