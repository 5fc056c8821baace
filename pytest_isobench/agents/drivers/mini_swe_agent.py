"""mini-swe-agent: `mini`, which knows one tool, a shell, and writes down a trajectory after every turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import yaml
from pydantic import Field

from pytest_isobench.agents.drivers.base import HOME, Account, Call, End, Job, Output
from pytest_isobench.agents.drivers.calling import options_of, variables_of
from pytest_isobench.agents.drivers.reading import Line, cost, dig, excerpt, names, objects, record, spent, unfinished, words
from pytest_isobench.agents.drivers.services import BEDROCK, BEDROCK_KEYS, ENVIRONMENT, KEYS, OFFLINE, chat_usage, failure, hosts_of
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec
from pytest_isobench.models.base import Record

_JOB, _TRAJECTORY = "job.yaml", "trajectory.json"
_ENDS = {
    "Submitted": End.FINISHED,
    "LimitsExceeded": End.OUT_OF_BUDGET,
    "TimeExceeded": End.OUT_OF_BUDGET,
    "RepeatedFormatError": End.GAVE_UP,
}


class Options(Record):
    """What an agent's file may say of mini-swe-agent."""

    config: str = Field("mini.yaml", description="Its configuration, by name or path, that the prompt and the limits are added to.")
    request_retries: int = Field(5, ge=0, le=100, description="Further tries of one request, half a minute in all, before it fails.")
    temperature: float | None = Field(None, ge=0, le=2, description="By default the service's own, which some models insist on.")


class MiniSweAgent:
    """The driver of mini-swe-agent."""

    command: ClassVar[tuple[str, ...]] = ("mini",)
    options: ClassVar[type[Record]] = Options
    keys: ClassVar[tuple[str, ...]] = (*KEYS, *BEDROCK_KEYS)
    environment: ClassVar[tuple[str, ...]] = (*ENVIRONMENT, *BEDROCK)

    def call(self, job: Job) -> Call:
        """Describe the call. Raises `UsageError` for an agent without a model."""
        options, variables = options_of(job.spec, Options), variables_of(job)
        if not job.spec.model:
            raise UsageError("mini-swe-agent has no model of its own: name one under 'model', such as openai/gpt-5")
        files = ("-c", options.config, "-c", f"{HOME}/{_JOB}", "-o", f"{HOME}/{_TRAJECTORY}")
        given = ("-y", "--exit-immediately", "-m", job.spec.model, *files)
        quiet = {**OFFLINE, "MSWEA_CONFIGURED": "true", "MSWEA_SILENT_STARTUP": "1", "MSWEA_COST_TRACKING": "ignore_errors"}
        return Call(
            argv=(*(job.spec.command or self.command), *given, *job.spec.arguments),
            variables={**quiet, "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": str(options.request_retries + 1), **variables},
            files={_JOB: yaml.safe_dump(_job(job, options), allow_unicode=True)},
            collect=(_TRAJECTORY,),
            hosts=hosts_of(variables),
        )

    def version(self, spec: AgentSpec) -> tuple[str, ...]:
        """Return a command whose first line names the program's version: there is none for that alone."""
        return (*(spec.command or self.command), "--help")

    def read(self, output: Output) -> Account:
        """Return what the trajectory says."""
        data = output.files.get(_TRAJECTORY, b"")
        found = record(data.decode("utf-8", "replace")) or {}
        answers = [one["extra"]["response"] for one in objects(found.get("messages")) if isinstance(dig(one, "extra", "response"), dict)]
        stats = dig(found, "info", "model_stats")
        return replace(
            _judge(found, answers, output),
            models=names(answer.get("model") for answer in answers),
            usage=spent((chat_usage(answer.get("usage")) for answer in answers), cost(dig(stats, "instance_cost")) or None),
            steps=len(answers) if found else None,
            trajectory={"trajectory.json": data} if data else {"output.txt": output.stdout.encode("utf-8", "replace")},
        )


def _job(job: Job, options: Options) -> dict[str, Any]:
    """Return what is added to the configuration; a limit of 0 is none."""
    limits = {"step_limit": job.spec.budget.steps or 0, "cost_limit": job.spec.budget.usd or 0}
    sampling = {} if options.temperature is None else {"model": {"model_kwargs": {"temperature": options.temperature}}}
    return {"run": {"task": job.prompt}, "agent": limits, **sampling}


def _judge(found: Line, answers: list[Line], output: Output) -> Account:
    """Judge by the status that the trajectory ends with: one of the agent's own, or an exception's name."""
    messages = list(objects(found.get("messages")))
    status, said = words(dig(found, "info", "exit_status")), words(messages[-1].get("content")) if messages else ""
    if not status:
        return unfinished(output, answers)
    if status in _ENDS:
        return Account(end=_ENDS[status], reason=said)
    known = failure(said, answered=bool(answers), name=status)
    return known or Account(end=End.PROGRAM_FAILURE, reason=excerpt(f"{status}: {said}" if said else status))
