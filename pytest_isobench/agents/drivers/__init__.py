"""The programs of agents: one module for each calls the real program and reads what it says; the contract is in `base`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_isobench.agents.drivers.base import Driver, Model

DRIVERS = {
    "claude_code": "claude_code:ClaudeCode",
    "codex": "codex:Codex",
    "trae": "trae:Trae",
    "openhands": "openhands:OpenHands",
    "mini_swe_agent": "mini_swe_agent:MiniSweAgent",
    "aider": "aider:Aider",
    "command": "command:Command",
    "llm": "llm:Llm",
}
"""Module and class of each driver, imported when an agent uses it."""


def load_driver(name: str) -> Driver | Model:
    """Return the driver of a name in `DRIVERS`."""
    module, _, kind = DRIVERS[name].partition(":")
    driver: Driver | Model = getattr(import_module(f"{__name__}.{module}"), kind)()
    return driver
