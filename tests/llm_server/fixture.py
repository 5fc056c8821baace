"""Fixtures for tests with a scripted model, and with the programs of agents that speak to it.

`ISOBENCH_TEST_AGENTS` names the folder into which `npm install --prefix FOLDER @anthropic-ai/claude-code @openai/codex` put them.
With `ISOBENCH_REQUIRE_AGENTS` a machine without them fails the tests instead of skipping them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from llm_server.script import Script
    from llm_server.server import LlmServer

PACKAGES = ("@anthropic-ai/claude-code", "@openai/codex")


@pytest.fixture
def llm() -> Iterator[Callable[[Script], LlmServer]]:
    """Start servers, one for each script, that end with the test."""
    from llm_server.server import llm_server

    with ExitStack() as servers:
        yield lambda script: servers.enter_context(llm_server(script))


@dataclass(frozen=True, slots=True)
class AgentPrograms:
    """Claude Code and Codex as npm installs them."""

    folder: Path
    """Npm's prefix."""

    @property
    def programs(self) -> Path:
        """The folder with the programs."""
        return self.folder / "node_modules" / ".bin"

    @property
    def claude(self) -> Path:
        """Claude Code, a native program."""
        return self.programs / "claude"

    @property
    def codex(self) -> Path:
        """Codex, which Node starts: who kills only this process leaves the native one alive."""
        return self.programs / "codex"

    @property
    def path(self) -> str:
        """What PATH has to be for both."""
        node = shutil.which("node") or "/usr/bin/node"
        return os.pathsep.join([str(self.programs), str(Path(node).parent), "/usr/local/bin", "/usr/bin", "/bin"])


@pytest.fixture(scope="session")
def agent_programs() -> AgentPrograms:
    """The real programs of agents; without them the test is left out, or fails where they are required."""
    if reason := why_not(os.environ.get("ISOBENCH_TEST_AGENTS")):
        give_up = pytest.fail if os.environ.get("ISOBENCH_REQUIRE_AGENTS") else pytest.skip
        give_up(reason)
    return AgentPrograms(Path(os.environ["ISOBENCH_TEST_AGENTS"]).resolve())


def why_not(folder: str | None) -> str:
    """Say what is missing, or nothing."""
    install = f"npm install --prefix FOLDER {' '.join(PACKAGES)}"
    if not folder:
        return f"ISOBENCH_TEST_AGENTS names no folder with agents' programs: {install}"
    agents = AgentPrograms(Path(folder))
    missing = [program.name for program in (agents.claude, agents.codex) if not program.exists()]
    if missing:
        return f"{' and '.join(missing)} not found in {agents.programs}: {install}"
    return "" if shutil.which("node") else "Codex needs node on PATH"
