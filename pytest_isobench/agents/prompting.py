"""What an agent is told of a task, after it was looked through for the answer."""

from __future__ import annotations

from pathlib import Path

from pytest_isobench.agents.base import Assignment
from pytest_isobench.agents.fairness import check_prompt
from pytest_isobench.agents.prompts import Prompt, prompt_for, workload_source


def checked_prompt(assignment: Assignment, folder: Path) -> Prompt:
    """Write the prompt; `folder` holds the project's own templates.

    Raises:
        PromptLeakError: it gives the human's change away, or holds what belongs to another task.
        UsageError: the task says nothing of what is to become faster, or a template cannot be used.
    """
    task, source = assignment.task, assignment.source
    targets, strict = (task.contract.files, task.contract.strict) if task.contract else ((), False)
    text = workload_source(task, assignment.folder)
    prompt = prompt_for(task, source.base_tree().label, targets=targets, strict=strict, workload_text=text, folder=folder)
    check_prompt(prompt, task, source, targets=targets, others=assignment.others())
    return prompt
