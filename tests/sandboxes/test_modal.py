"""The sandbox modal: the contract with the released client against a local server of the protocol, on both of its paths."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

modal = pytest.importorskip("modal")

from modal_server.machine import why_not  # noqa: E402
from modal_server.server import ModalServer  # noqa: E402

from pytest_isobench.models.container import ContainerSettings  # noqa: E402
from pytest_isobench.sandboxes.modal import ModalProvider, reap  # noqa: E402
from pytest_isobench.testing import SandboxContract  # noqa: E402

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def server() -> Iterator[ModalServer]:
    if reason := why_not():
        pytest.skip(reason)
    with ModalServer() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        modal.Client.from_env().close()
        yield server
        modal.Client.from_env().close()
        reap.cache_clear()


class TestWithoutGpu(SandboxContract):
    """The second version of the protocol."""

    @pytest.fixture(scope="class")
    @classmethod
    def provider(cls, server: ModalServer) -> ModalProvider:
        return ModalProvider(ContainerSettings(image="some/image:1"))
