"""What is seen of a patch and of the machine under it, and what a sandbox keeps candidates from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from pytest_isobench.models.base import Record, Shown

FINDINGS: Mapping[str, tuple[str, str]] = {
    "answers_not_compared": ("note", "The client of a server saves no answers, or the task says that they are not compared."),
    "binary": ("note", "The patch changes a file as binary data, which nobody can review."),
    "broke_sandbox": ("alarm", "The sandbox is lost whenever the patch takes part, and only then: the patch has crashed, not the machine."),
    "changes_are_no_patch": ("alarm", "What an agent left in its work tree cannot be a patch, such as a link or a file that is too large."),
    "changes_tests": ("note", "The patch changes tests, or what steers them: the checks ran with the base's."),
    "command_changed": ("note", "What is run is not what the task's command says, for all arms alike; the message says in what, and why."),
    "control_differs": ("alarm", "Two copies of the baseline differ, and so may anything else: look at the machine, and measure again."),
    "doubtful_gain": ("alarm", "As `not_borne_out`, and not for certain: more rounds tell."),
    "forged_report": ("cheat", "A benchmark that times itself reports more time than its run took, or more than one result."),
    "gpu_clock_dropped": ("alarm", "A GPU's clock fell while it was measured."),
    "gpu_not_watched": ("note", "A GPU's clocks and heat cannot be read here."),
    "gpu_shared": ("alarm", "Processes that are not of this session used a leased GPU."),
    "gpu_throttled": ("alarm", "A GPU was slowed down for heat or power."),
    "later_release": ("alarm", "An agent's program brings a later release of the task's package, which the agent can read."),
    "left_cores": ("cheat", "A candidate ran on cores that are not its arm's."),
    "left_processes": ("alarm", "A candidate left processes alive at the end of a round; they were ended."),
    "metrics_oppose": ("note", "Another metric of the same runs says the opposite of the task's own, which decides."),
    "network_refused": ("note", "An agent tried to reach hosts that it was not let through to."),
    "not_borne_out": ("cheat", "A benchmark that times itself reports a gain that the time of its whole runs does not show."),
    "not_evaluable": ("note", "Why the case could not be judged here."),
    "outside_contract": ("note", "The patch changes files that the task's contract does not name."),
    "private_pipe": ("cheat", "A candidate used the pipe of its answers unasked."),
    "ran_out_of_turn": ("cheat", "A candidate used CPU time while it was another arm's turn."),
    "secret_in_patch": ("alarm", "An agent's patch holds a key of whoever ran it; it is not kept."),
    "self_reported": ("note", "The times are what the benchmark itself reports, in the patch's own process."),
    "slower_import": ("alarm", "Import and first calls take longer than without the patch, within what is allowed."),
    "slower_start": ("alarm", "A server takes much longer to start than the baseline's."),
    "startup": ("note", "The patch changes a file that runs by itself when Python or pytest starts. Timed processes start without it."),
    "time_moved": ("alarm", "What a server gains in one part of a request it loses in another: whole requests gain much less."),
    "work_in_import": ("cheat", "Import and first calls take so much longer than without the patch that work was moved there."),
    "work_in_prepare": ("cheat", "The untimed preparation of a call takes so much longer that work was moved there."),
}
"""Severity and meaning of every kind of finding that comes with the product; hooks may add kinds of their own."""


class Finding(Record):
    """Something that a patch, or the machine under it, did and must not do unseen."""

    kind: str = Field(pattern=r"^[a-z][a-z_]*$", description="One of the list of findings, or a hook's own.")
    severity: Literal["cheat", "alarm", "note"] = Field(description="A cheat decides the verdict; an alarm and a note are shown.")
    message: Shown
    evidence: Shown = Field("", max_length=20_000)


class Isolation(Record):
    """What a sandbox keeps the candidate from."""

    sandbox: str
    filesystem: bool
    network: bool
    processes: bool
    user: bool
    limits: bool
    place: Shown = Field("", description="What it was made of, such as an engine and an image.")
    usd_per_hour: float | None = Field(None, ge=0, description="What it costs about, by list prices.")
    notes: tuple[str, ...] = ()
