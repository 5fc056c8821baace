"""A check that is a command: it must succeed in the patched tree as it does in the baseline's."""

from __future__ import annotations

from pytest_isobench.models.result import CheckResult
from pytest_isobench.models.task import CheckSpec, Task
from pytest_isobench.sandboxes.base import Sandbox

SHOWN = 2000
"""Characters of the output's end that a result keeps."""


def run_check(sandbox: Sandbox, arm: str, task: Task, check: CheckSpec) -> CheckResult:
    """Run one check in an arm, confined, in a private temporary folder and with a read-only tree."""
    process = sandbox.process(arm, check.command, resources=task.resources, variables=task.environment.variables)
    done = sandbox.supervisor.run(process, timeout=check.timeout)
    if done.timed_out:
        message = f"did not end within {check.timeout:g} s"
    elif done.returncode:
        output = (done.stdout + done.stderr).decode(errors="replace").strip()
        message = f"ended with status {done.returncode}\n{output}"[-SHOWN:]
    else:
        message = ""
    return CheckResult(name=check.name, passed=not message, message=message, seconds=done.wall)
