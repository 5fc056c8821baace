"""Agents that hand in a version that exists already: the human's, none at all, a git ref, a release."""

from __future__ import annotations

from pytest_isobench.agents.base import AgentContext, Assignment, Submission, readable
from pytest_isobench.errors import NotEvaluableError, UsageError


class HumanAgent:
    """`human`: the human's own version, which passes on every healthy task."""

    name = "human"

    def __init__(self, argument: str, context: AgentContext) -> None:  # noqa: ARG002 - every agent is made alike
        refuse_argument(self.name, argument)

    def attempts(self, task_id: str) -> int | None:  # noqa: ARG002
        return None

    def submit(self, assignment: Assignment) -> Submission:
        return Submission(version=assignment.source.human())


class NopAgent:
    """`nop`: changes nothing, and fails on every healthy task."""

    name = "nop"

    def __init__(self, argument: str, context: AgentContext) -> None:  # noqa: ARG002
        refuse_argument(self.name, argument)

    def attempts(self, task_id: str) -> int | None:  # noqa: ARG002
        return None

    def submit(self, assignment: Assignment) -> Submission:  # noqa: ARG002
        return Submission(patch="")


class _NamedVersion:
    """A version that the task's own source knows by name."""

    prefix: str
    source_kind: str
    example: str

    def __init__(self, argument: str, context: AgentContext) -> None:  # noqa: ARG002
        self.version = demand_argument(self.prefix, argument, self.example)
        self.name = readable(self.prefix, argument)

    def attempts(self, task_id: str) -> int | None:  # noqa: ARG002
        return None

    def submit(self, assignment: Assignment) -> Submission:
        kind = assignment.task.source.kind
        if kind != self.source_kind:
            needed = f"needs a task whose source is {self.source_kind!r}, and this one's is {kind!r}"
            raise NotEvaluableError(f"agent {self.prefix}:{self.version} {needed}")
        return Submission(version=assignment.source.named(self.version))


class RefAgent(_NamedVersion):
    """`ref:GIT_REF`: a branch, tag or commit of the task's repository."""

    prefix, source_kind, example = "ref", "git", "ref:my-branch"


class ReleaseAgent(_NamedVersion):
    """`release:VERSION`: another release of the task's package; `release:latest` is the newest."""

    prefix, source_kind, example = "release", "pypi", "release:latest"


def refuse_argument(name: str, argument: str) -> None:
    """Raise `UsageError` for an argument where none is taken."""
    if argument:
        raise UsageError(f"agent {name}:{argument}: {name!r} takes no argument")


def demand_argument(name: str, argument: str, example: str) -> str:
    """Return the argument. Raises `UsageError` when it is missing."""
    if not argument:
        raise UsageError(f"agent {name!r} needs an argument, such as {example}")
    return argument
