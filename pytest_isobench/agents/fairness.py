"""Whether a prompt is fair: checked against the human's version before any agent reads it."""

from __future__ import annotations

from pathlib import Path

from pytest_isobench.agents.base import Assignment
from pytest_isobench.agents.prompts import Prompt, own_texts, prompt_for, workload_source
from pytest_isobench.agents.shingles import held_by, prompt_leaks, require_fair
from pytest_isobench.dataset.commands import run
from pytest_isobench.dataset.packages import clean_environment
from pytest_isobench.dataset.sources.git import GitVersions
from pytest_isobench.dataset.versions import Version
from pytest_isobench.models.leak import Leak


def fair_prompt(assignment: Assignment, folder: Path) -> Prompt:
    """Return the prompt of an assignment; `folder` holds the project's own templates.

    Raises:
        PromptLeakError: it gives the human's change away, or holds what belongs to another task.
        UsageError: the task says nothing of what is to become faster, or a template cannot be used.
        SourceError: a version cannot be fetched.
    """
    prompt = written(assignment, folder)
    require_fair(assignment.task.id, leaks_of(prompt, assignment))
    return prompt


def written(assignment: Assignment, folder: Path) -> Prompt:
    """Return the prompt, whatever it gives away."""
    shown = workload_source(assignment.task, assignment.folder)
    return prompt_for(assignment.task, assignment.source.base_tree().label, workload_text=shown, folder=folder)


def leaks_of(prompt: Prompt, assignment: Assignment) -> list[Leak]:
    """Return what a prompt gives away, of the human's version and of other tasks. Raises as the source does."""
    task, source = assignment.task, assignment.source
    base, human = source.baseline(), source.human()
    return prompt_leaks(
        prompt.text,
        human_diff=human_diff(base, human),
        human_commit=source.human_commit() if isinstance(source, GitVersions) else None,
        message=f"{source.message()}\n\n{task.gain}",
        own=own_texts(task),
        others=assignment.others(),
        base_has=held_by(base.tree),
    )


def human_diff(base: Version, human: Version) -> str:
    """Return the difference between two versions. Raises SourceError when git cannot be started."""
    if human.patch is not None:
        return human.patch
    command = ["git", "diff", "--no-index", "--no-color", "--no-ext-diff", "--no-textconv", str(base.tree), str(human.tree)]
    return run(command, environment=clean_environment(), folder=base.tree.parent, keep=False).stdout
