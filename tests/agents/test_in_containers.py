"""Agents in containers: the same work tree, the same gate."""

from __future__ import annotations

from pathlib import Path

import pytest
from containers.engine import Engine
from test_live import EDIT, agent, assignment, cache  # noqa: F401 - fixtures
from test_running import service  # noqa: F401 - a fixture

from pytest_isobench.agents.base import AgentContext, Assignment
from pytest_isobench.agents.live import LiveAgent
from pytest_isobench.models.agent import AgentSpec, AgentStatus
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.sandboxes.docker import DockerProvider

pytestmark = pytest.mark.engine
ASK = """
import sys, urllib.request
for url in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(url, timeout=20).read().decode())
    except OSError as error:
        print(getattr(error, "code", "") or type(error).__name__)
"""


def test_an_agent_works_in_a_container(
    engine: Engine,
    assignment: Assignment,  # noqa: F811
    service: int,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    program = tmp_path / "program"
    program.mkdir()
    (program / "ask.py").write_text(ASK)
    urls = f"http://127.0.0.1:{service}/near http://upstream.example/fix"
    script = f"{EDIT}; python {program}/ask.py {urls}; git log --format=%s; echo note > .aider.x; id -u"
    given = {"version": 1, "driver": "command", "command": ("/bin/sh", "-c", script), "programs": (str(program),)}
    spec = AgentSpec.model_validate({**given, "hosts": (f"127.0.0.1:{service}",)})
    settings = ContainerSettings(image=engine.image)
    context = AgentContext(directory=tmp_path, patches=tmp_path / "patches", provider=lambda: DockerProvider(settings))
    record = LiveAgent("coder", spec, context).make(assignment)
    assert (record.status, record.files, record.network) == (AgentStatus.MADE_PATCH, ("sums.py",), "listed_hosts"), record.reasons
    assert [excluded.path for excluded in record.excluded] == [".aider.x"]
    output = (tmp_path / "patches/coder/sums.0/output.txt").read_text().splitlines()
    assert output[:3] == ["hello /near", "403", "Base version"]
    assert int(output[3]) >= 20000
