"""The sandbox docker: the contract on a real engine, and what only containers have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from containers.engine import Engine

from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.sandboxes.docker import DockerProvider
from pytest_isobench.testing import SandboxContract

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", autouse=True)
def _engine(engine: Engine) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in engine.variables.items():
            patch.setenv(name, value)
        yield


class TestDocker(SandboxContract):
    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls, engine: Engine) -> DockerProvider:
        return DockerProvider(ContainerSettings(image=engine.image))
