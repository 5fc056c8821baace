"""Whether a prompt is fair: checked against the human's version before any agent reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_isobench.agents.prompts import Prompt, own_texts
from pytest_isobench.agents.shingles import held_by, prompt_leaks, require_fair
from pytest_isobench.dataset.commands import run
from pytest_isobench.dataset.packages import clean_environment
from pytest_isobench.dataset.sources.git import GitVersions
from pytest_isobench.dataset.versions import Version, VersionSource
from pytest_isobench.models.leak import Leak
from pytest_isobench.models.task import Task


def check_prompt(
    prompt: Prompt, task: Task, source: VersionSource, *, targets: Sequence[str] = (), others: Mapping[str, Iterable[str]] | None = None
) -> None:
    """Look for the answer in a prompt; `others` are the texts of other tasks (`texts_of`) by id.

    Raises:
        PromptLeakError: it gives something away. Nothing must be run.
        SourceError: the human's version cannot be fetched.
    """
    require_fair(task.id, leaks_of(prompt, task, source, targets=targets, others=others))


def leaks_of(
    prompt: Prompt, task: Task, source: VersionSource, *, targets: Sequence[str] = (), others: Mapping[str, Iterable[str]] | None = None
) -> list[Leak]:
    """Return what a prompt gives away, of the human's version and of other tasks. Raises as the source does."""
    base, human = source.baseline(), source.human()
    commit = source.human_commit() if isinstance(source, GitVersions) else None
    return prompt_leaks(
        prompt.text,
        human_diff=human_diff(base, human),
        human_commit=commit,
        message=f"{source.message()}\n\n{task.gain}",
        own=own_texts(task, targets),
        others=others,
        base_has=held_by(base.tree),
    )


def human_diff(base: Version, human: Version) -> str:
    """Return the difference between two versions. Raises SourceError when git cannot be started."""
    if human.patch is not None:
        return human.patch
    command = ["git", "diff", "--no-index", "--no-color", "--no-ext-diff", "--no-textconv", str(base.tree), str(human.tree)]
    return run(command, environment=clean_environment(), folder=base.tree.parent, keep=False).stdout
