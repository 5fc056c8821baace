"""`fake:SPEED`: patches for the fake sandbox, to try out conftest hooks, reports and dashboards without measuring anything."""

from __future__ import annotations

from typing import Any

from pytest_isobench.agents.base import AgentContext, Assignment, Submission, readable
from pytest_isobench.agents.known import demand_argument
from pytest_isobench.errors import UsageError, nearest
from pytest_isobench.models.fake import FAILURES, FILE, FakeScript

WRONG = "wrong"


class FakeAgent:
    """`fake:1.5` is 1.5 times as fast as a tree without a script; `fake:crash` and the like fail, `fake:wrong` answers wrongly."""

    def __init__(self, argument: str, context: AgentContext) -> None:  # noqa: ARG002 - every agent is made alike
        self._changes = _changes(demand_argument("fake", argument, "fake:1.5"))
        self.name = readable("fake", argument)

    def attempts(self, task_id: str) -> int | None:  # noqa: ARG002
        return None

    def submit(self, assignment: Assignment) -> Submission:
        file = assignment.source.baseline().tree / FILE
        before = file.read_text(encoding="utf-8") if file.is_file() else ""
        script = FakeScript.model_validate_json(before) if before else FakeScript()
        after = script.model_copy(update=self._changes).model_dump_json(indent=1) + "\n"
        return Submission(patch=replacement(FILE, before, after))


def _changes(argument: str) -> dict[str, Any]:
    if argument in FAILURES:
        return {"fail": argument}
    if argument == WRONG:
        return {"answer": WRONG}
    try:
        speed = float(argument)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        allowed = (*FAILURES, WRONG)
        raise UsageError(f"agent fake:{argument}: give a speed such as 1.5, or one of {', '.join(allowed)}{nearest(argument, allowed)}")
    return {"speed": speed}


def replacement(name: str, before: str, after: str) -> str:
    """Return a diff that replaces the whole text of a file, or makes the file; `after` ends with a newline."""
    if before == after:
        return ""
    old, new = before.splitlines(), after.splitlines()
    unended = ["\\ No newline at end of file"] if before and not before.endswith("\n") else []
    head = [f"diff --git a/{name} b/{name}", *([] if before else ["new file mode 100644"])]
    names = [f"--- a/{name}" if before else "--- /dev/null", f"+++ b/{name}"]
    span = f"@@ -{1 if old else 0},{len(old)} +1,{len(new)} @@"
    return "\n".join([*head, *names, span, *(f"-{line}" for line in old), *unended, *(f"+{line}" for line in new), ""])
