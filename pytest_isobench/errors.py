"""The exceptions of pytest-isobench.

    IsobenchError
    ├── UsageError              the person who started the run asked for something that cannot be: say what is allowed
    │   ├── TaskError           a task file or a record in it is wrong: names file, line and field
    │   ├── CommandError        a benchmark's command line that cannot be run
    │   └── MissingExtraError   a feature needs an extra that is not installed
    ├── PatchError              the patch's failure: becomes a verdict, never a test error
    │   ├── NoPatchError
    │   ├── DoesNotApplyError
    │   ├── DoesNotBuildError
    │   └── ArtifactError       a file that it should have left is missing, or is none
    ├── NotEvaluableError       the task cannot be judged here (no such GPU, Python or tool): becomes a skip
    ├── ComparisonRefusedError  trials that were not measured alike
    └── InfrastructureError     the machine's failure: becomes a test error, never a verdict
        ├── SandboxError        a sandbox could not be made, or was lost
        ├── ImageError          a container image could not be built, pushed or pulled
        ├── SourceError         code or packages could not be fetched
        ├── AgentError          an agent's program, or its model's service, failed
        └── JournalError        the disk refused what was measured
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class IsobenchError(Exception):
    """The root of everything that this package raises on purpose."""


class UsageError(IsobenchError):
    """A wrong option, file or name; the message says which values are allowed."""


class TaskError(UsageError):
    """A task file, or one record of it, that cannot be used."""

    def __init__(self, message: str, *, path: Path | str, line: int | None = None, field: str | None = None) -> None:
        self.path, self.line, self.field = path, line, field
        place = f"{path}:{line}" if line is not None else f"{path}"
        super().__init__(f"{place}: {field}: {message}" if field else f"{place}: {message}")


class CommandError(UsageError):
    """A command line of a benchmark that cannot be understood or run; says which part, and what is allowed."""


class MissingExtraError(UsageError):
    """A feature whose packages are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{feature} needs more packages: pip install 'pytest-isobench[{extra}]'")


class PatchError(IsobenchError):
    """The patch under test failed before it could be measured."""


class NoPatchError(PatchError):
    """The agent has no patch for this task."""


class DoesNotApplyError(PatchError):
    """The patch does not fit the base tree, or reaches outside of it."""


class DoesNotBuildError(PatchError):
    """The task's install commands fail with the patch and succeed without it."""


class ArtifactError(PatchError):
    """A file that cannot be taken from an arm, or put into it."""


class NotEvaluableError(IsobenchError):
    """The task cannot be judged on this machine; says what is missing."""


class ComparisonRefusedError(IsobenchError):
    """Two measurements that must not be compared; says in what they differ."""


class InfrastructureError(IsobenchError):
    """The machine failed; no patch is to blame."""


class SandboxError(InfrastructureError):
    """A sandbox could not be made, or was lost while in use."""


class ImageError(InfrastructureError):
    """A container image could not be built, pushed, pulled or removed."""


class SourceError(InfrastructureError):
    """A repository, package or folder could not be brought here."""


class AgentError(InfrastructureError):
    """An agent's program could not work, or its model's service failed; the patch that it would have made is not missing, but unknown."""


class JournalError(InfrastructureError):
    """A measurement could not be written to disk."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the closest allowed name, else an empty string."""
    import difflib

    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
