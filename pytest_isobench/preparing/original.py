"""Run directories of the original ISO-Bench, found by their files and read without trust: half of what they say is missing or wrong.

An item's folder holds `journal.json`, `run_summary.json`, `prompt.json`, `task.txt`, `model_patch.diff`, `prediction.jsonl`, the program's
output and, for TRAE, `trajectory.json`. Above it are repository, agent, model and time, which is looked at only where no file says it.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_isobench.agents.base import readable
from pytest_isobench.agents.drivers.reading import dig, record
from pytest_isobench.dataset.commits import is_commit, same_commit

JOURNAL, SUMMARY, PROMPT = "journal.json", "run_summary.json", "prompt.json"
PATCH, PREDICTION, TRAJECTORY = "model_patch.diff", "prediction.jsonl", "trajectory.json"
MARKS = frozenset({JOURNAL, SUMMARY, PROMPT, PATCH, PREDICTION})
"""Files one of which makes a folder an item."""
LIMIT = 256 * 2**20
"""Bytes of one file that are read."""
DEFAULT = "default"
"""How the original calls the model that the program chose itself."""
MISSPELT = {"sglan": "sglang"}
DRIVERS = {"claude_code": "claude_code", "codex": "codex", "codex_cli": "codex", "trae": "trae", "openhands": "openhands"}
"""The driver of each of its agents."""

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[_T](\d\d)[-:](\d\d)[-:](\d\d)")
_VENDOR = re.compile(r"^((us|eu|apac|global)[.-])?(anthropic|openai|bedrock)[./-]|-?\d{8}.*$|^claude-")


@dataclass(frozen=True)
class OriginalRun:
    """One item's folder."""

    folder: Path
    root: Path
    """The folder that is imported."""

    @property
    def origin(self) -> str:
        """The item's path in what is imported."""
        return self.folder.relative_to(self.root).as_posix() if self.folder != self.root else self.folder.resolve().name

    @cached_property
    def journal(self) -> dict[str, Any]:
        return self._object(JOURNAL)

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self._object(SUMMARY)

    @cached_property
    def trajectory(self) -> dict[str, Any]:
        return self._object(TRAJECTORY)

    @cached_property
    def section(self) -> dict[str, Any]:
        """What the journal says of the program: its return code, its time and its budget."""
        sections = (self.journal.get(name) for name in (self._named_agent, *DRIVERS) if name)
        return next((section for section in sections if isinstance(section, dict)), {})

    @cached_property
    def human(self) -> str:
        """The human's commit, as long as any file has it. Raises ValueError when no file does, or when they disagree."""
        return self._commit("human")

    @cached_property
    def base(self) -> str:
        """The base commit; empty when no file has one that is a commit."""
        try:
            return self._commit("pre")
        except ValueError:
            return ""

    @property
    def repo(self) -> str:
        """The project's name."""
        names = (dig(self.journal, "run_metadata", "repo"), dig(self.summary, "meta", "repo"), self._above("repo"))
        task = dig(self._object(PROMPT), "task")
        name = _first((*names, task.split(" ")[0].lower() if isinstance(task, str) else ""))
        return MISSPELT.get(name, readable(name))

    @property
    def agent(self) -> str:
        """The agent's name with its model: two models are two agents. Raises ValueError when no file says it, and no folder either."""
        agent = self._named_agent or self._driven
        if not agent:
            raise ValueError("nothing says which agent it was; name it with --agent")
        model = slug(self.model)
        return readable(f"{agent}_{model}" if model and model != DEFAULT else agent)

    @property
    def driver(self) -> str:
        return DRIVERS.get(self._named_agent) or DRIVERS.get(self._driven, "command")

    @property
    def model(self) -> str:
        """The model, as the folder or the journal names it; the summary names one where none was chosen."""
        return _first((dig(self.journal, "run_metadata", "model"), self._above("model"), dig(self.summary, "meta", "model")))

    @cached_property
    def ended(self) -> float:
        """When it ended, in seconds of Unix time; by the folder's name when no file says it, and 0 when that does not either."""
        written = dig(self.journal, "timestamps", "written")
        if isinstance(written, float | int) and not isinstance(written, bool) and 0 < written < 1e11:
            return float(written)
        names = (dig(self.journal, "run_metadata", "run_timestamp"), dig(self.summary, "meta", "timestamp"), *self.folder.parts[::-1])
        return next(filter(None, map(_moment, names)), 0.0)

    @property
    def started(self) -> str:
        """When it began, as ISO 8601 in UTC; empty when nothing says it."""
        if not self.ended:
            return ""
        return datetime.datetime.fromtimestamp(self.ended - self.seconds, datetime.UTC).isoformat(timespec="seconds")

    @property
    def seconds(self) -> float:
        """How long the program ran; 0 when nothing says it."""
        values = (self.section.get("duration_s"), dig(self.summary, "agent", "duration_s"), self.trajectory.get("execution_time"))
        return number(values) or 0.0

    @property
    def first_edit(self) -> float | None:
        """Seconds until the first edit."""
        values = (dig(self.journal, "metrics", "time_to_first_edit_s"), dig(self.summary, "agent", "time_to_first_edit_s"))
        return number(values)

    @cached_property
    def patch(self) -> str | None:
        """The patch as it was left; None when there is neither a file nor a prediction."""
        data = self.data(PATCH)
        if data is not None:
            return data.decode("utf-8", "surrogateescape")
        patches = (dig(record(line), "model_patch") for line in self.text(PREDICTION).split("\n"))
        return next((patch for patch in patches if isinstance(patch, str)), None)

    def output(self, kind: str) -> str:
        """Return what the program said: `stdout` or `stderr`. The file of its own name counts before those of other agents."""
        own = f"{self._named_agent}_{kind}.txt"
        names = sorted((path.name for path in self.folder.glob(f"*_{kind}.txt")), key=lambda name: (name != own, name))
        return next(filter(None, map(self.text, names)), "")

    def has(self, name: str) -> bool:
        """Tell whether there is such a file, empty or not."""
        return (self.folder / name).is_file()

    def text(self, name: str) -> str:
        """Return a file's text; empty when there is none that can be read."""
        return (self.data(name) or b"").decode("utf-8", "replace")

    def data(self, name: str) -> bytes | None:
        """Return a file's content; None for what is no regular file, is a link, is too large or cannot be read."""
        path = self.folder / name
        try:
            return path.read_bytes() if path.is_file() and not path.is_symlink() and path.stat().st_size <= LIMIT else None
        except OSError:
            return None

    @property
    def _named_agent(self) -> str:
        return _first((dig(self.journal, "run_metadata", "agent"), dig(self.summary, "meta", "agent"), self._above("agent")))

    @property
    def _driven(self) -> str:
        """The agent that the journal has a section of."""
        return next((name for name in DRIVERS if isinstance(self.journal.get(name), dict)), "")

    def _above(self, what: str) -> str:
        """Return a name from the folders above, REPO/AGENT/MODEL/TIME/ITEM, found by the agent's, which is one of those known."""
        parts = self.folder.resolve().parts[:-1]
        at = next((at for at in range(len(parts) - 1, -1, -1) if parts[at] in DRIVERS), None)
        if at is None:
            return ""
        place = {"repo": at - 1, "agent": at, "model": at + 1}[what]
        found = parts[place] if 0 < place < len(parts) else ""
        return "" if _moment(found) else found

    def _commit(self, which: str) -> str:
        files = {name: self._object(name) for name in (JOURNAL, SUMMARY, PROMPT)}
        said = {name: value for name, content in files.items() if isinstance(value := dig(content, "commits", which), str) and value}
        commits = {name: value for name, value in said.items() if is_commit(value)}
        if not commits:
            also = f": {', '.join(sorted(set(said.values())))[:80]!r} is none" if said else ""
            raise ValueError(f"no file says which commit it was about{also}")
        longest = max(commits.values(), key=len)
        if different := [name for name, value in commits.items() if not same_commit(value, longest)]:
            raise ValueError(f"its files disagree on the {which} commit: {commits[different[0]]} in {different[0]}, and {longest}")
        return longest

    def _object(self, name: str) -> dict[str, Any]:
        return record(self.text(name)) or {}


def find_runs(root: Path) -> Iterator[OriginalRun]:
    """Yield the items below a folder, whatever lies between, in order of their paths."""
    for place, folders, names in os.walk(root):
        folders.sort()
        if MARKS & set(names):
            yield OriginalRun(Path(place), root)


def slug(model: str) -> str:
    """Return a short name of a model, the same for its spellings: `gpt5`, `sonnet45`."""
    name, before = model, None
    while name != before:
        name, before = _VENDOR.sub("", name), name
    return re.sub(r"[^A-Za-z0-9.]", "", name)


def number(values: Iterable[object]) -> float | None:
    """Return the first that is a number from 0."""
    return next((float(value) for value in values if type(value) in (int, float) and 0 <= value < 1e9), None)  # type: ignore[operator,arg-type]


def _first(values: Iterable[object]) -> str:
    return next((value for value in values if isinstance(value, str) and value), "")


def _moment(text: object) -> float:
    """Return a folder's time as Unix time, 0 for another name. It was local time somewhere: good enough for an order."""
    found = _TIME.search(text) if isinstance(text, str) else None
    try:
        return datetime.datetime.strptime("".join(found.groups()) + "+0000", "%Y%m%d%H%M%S%z").timestamp() if found else 0.0
    except ValueError:
        return 0.0
