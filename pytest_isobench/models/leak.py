"""What an agent could learn, or be told, that would spoil its attempt."""

from __future__ import annotations

from typing import Literal

from pytest_isobench.models.base import Record, Shown

LeakKind = Literal[
    "human_commit", "human_line", "human_message", "other_task",
    "ref", "reflog", "pseudo_ref", "stash", "alternates", "object", "human_object", "hook", "config", "git_file", "repository",
    "human_file", "tree_file", "release", "wheel", "hub_cache", "data_set", "task_file", "attempt",
    "variable", "secret", "network", "inventory", "unseen",
]  # fmt: skip
"""The first four are of a prompt, the others of a work tree and of what is around it."""


class Leak(Record):
    """One thing that gives an answer away, or that could not be shown to give none away."""

    kind: LeakKind
    where: Shown
    """A line of the prompt, a path, a ref, or a variable's name."""
    message: Shown
    """What it is, and what to do."""
