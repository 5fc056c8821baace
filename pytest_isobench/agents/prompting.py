"""What an agent is told of a task, after it was looked through for the answer."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_isobench.agents.base import Assignment
from pytest_isobench.agents.prompts import Prompt, own_texts, prompt_for, workload_source
from pytest_isobench.agents.running import manifest
from pytest_isobench.agents.shingles import held_by, prompt_leaks, require_fair
from pytest_isobench.dataset.base_repository import BaseRepository, Change
from pytest_isobench.dataset.versions import Version


def checked_prompt(assignment: Assignment, base: BaseRepository, folder: Path) -> Prompt:
    """Write the prompt; `folder` holds the project's own templates.

    Raises:
        PromptLeakError: it gives the human's change away, or holds what belongs to another task.
        UsageError: the task says nothing of what is to become faster, or a template cannot be used.
    """
    task, source = assignment.task, assignment.source
    baseline, human = source.baseline(), source.human()
    targets, strict = (task.contract.files, task.contract.strict) if task.contract else ((), False)
    text = workload_source(task, assignment.folder)
    prompt = prompt_for(task, baseline.label, targets=targets, strict=strict, workload_text=text, folder=folder)
    leaks = prompt_leaks(
        prompt.text,
        human_diff=solution(base, baseline, human),
        human_commit=human.label if task.source.kind == "git" and task.source.human else None,
        message=f"{source.message()}\n\n{task.gain}",
        own=own_texts(task, targets),
        others=assignment.others(),
        base_has=held_by(baseline.tree),
    )
    require_fair(task.id, leaks)
    return prompt


def solution(base: BaseRepository, baseline: Version, human: Version) -> str:
    """Return the diff from the baseline to the human's version."""
    if human.patch is not None:
        return base.resolve(human.patch).diff
    before, after = manifest(baseline.tree), manifest(human.tree)
    different = {name for name in {**before, **after} if before.get(name) != after.get(name)}
    return base.after({name: _file(human.tree / name) if name in after else None for name in different}).diff


def _file(path: Path) -> Change:
    if path.is_symlink():
        return Change(os.fsencode(os.readlink(path)), 0o120000)
    return Change(path.read_bytes(), 0o100755 if path.stat().st_mode & 0o100 else 0o100644)
