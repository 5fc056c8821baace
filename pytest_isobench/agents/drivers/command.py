"""Any program that changes the current folder when it gets a prompt: on stdin, or in a file whose path stands for `{prompt}`."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pytest_isobench.agents.drivers.base import HOME, Account, Call, End, Job, NoOptions, Output
from pytest_isobench.agents.drivers.calling import options_of, variables_of
from pytest_isobench.agents.drivers.reading import cost, count, ending, excerpt, record
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec, Usage
from pytest_isobench.models.base import Record

PROMPT, MODEL = "{prompt}", "{model}"
"""Stand for the path of a file that holds the prompt, and for the agent's model, in the program's arguments."""
FILE, USAGE = "prompt.md", "usage.json"
_LATER = 75
"""`EX_TEMPFAIL`: what the program needs is not there now, and may be later."""
_MISSING = {126: "cannot be executed", 127: "was not found"}


class Command:
    """The driver of programs that it knows nothing of."""

    command: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[type[Record]] = NoOptions
    environment: ClassVar[tuple[str, ...]] = ()
    keys: ClassVar[tuple[str, ...]] = ()

    def call(self, job: Job) -> Call:
        """Describe the call. Raises `UsageError` when the agent's file names no program, or no model that its command asks for."""
        options_of(job.spec, NoOptions)
        if not job.spec.command:
            raise UsageError("the driver 'command' has no program of its own: name one under 'command', such as [my-agent, --fast]")
        given = (*job.spec.command, *job.spec.arguments)
        if not job.spec.model and any(MODEL in text for text in given):
            raise UsageError(f"the command says {MODEL}, and the agent has no model: name one under 'model'")
        in_file = any(PROMPT in text for text in given)
        return Call(
            argv=tuple(text.replace(PROMPT, f"{HOME}/{FILE}").replace(MODEL, job.spec.model or "") for text in given),
            variables=variables_of(job),
            stdin="" if in_file else job.prompt,
            files={FILE: job.prompt} if in_file else {},
            collect=(USAGE,),
        )

    def version(self, spec: AgentSpec) -> tuple[str, ...]:  # noqa: ARG002
        """Return a command that prints nothing: a program of which nothing is known may take any argument for a prompt."""
        return ("true",)

    def read(self, output: Output) -> Account:
        """Return what the exit status says, and what the program wrote to `usage.json` in its home folder."""
        found = record(output.files.get(USAGE, b"").decode("utf-8", "replace")) or {}
        counts = {name: count(found.get(name)) for name in Usage.model_fields if name != "usd"}
        return replace(
            _judge(output),
            usage=Usage(**counts, usd=cost(found.get("usd"))),
            steps=count(found.get("steps")),
            trajectory={"output.txt": output.stdout.encode("utf-8", "replace")},
        )


def _judge(output: Output) -> Account:
    if output.timed_out:
        return Account(end=End.UNKNOWN)
    if output.returncode == 0:
        return Account(end=End.FINISHED)
    said = excerpt(output.stderr)
    reason = (_MISSING.get(output.returncode) or ending(output.returncode)) + (f": {said}" if said else "")
    if output.returncode == _LATER:
        return Account(end=End.API_FAILURE, reason=reason, retry=True)
    return Account(end=End.PROGRAM_FAILURE if output.returncode in _MISSING else End.GAVE_UP, reason=reason)
