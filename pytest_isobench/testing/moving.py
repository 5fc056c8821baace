"""The sandbox contract: files go into an arm and come out of it, and nothing else does."""

from __future__ import annotations

import os

import pytest

from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import ArtifactError
from pytest_isobench.models.task import Environment
from pytest_isobench.sandboxes.artifacts import read_artifact, write_artifact
from pytest_isobench.sandboxes.base import Sandbox
from pytest_isobench.testing.base import FILES, ContractBase, require_processes

LARGE = 100_000_000
"""Bytes."""
OUTSIDE = {"above": "../data.txt", "around": "pkg/../../data.txt", "absolute": "/etc/passwd", "empty": "", "tree": ".", "folder": "pkg"}
LINKS = """
import os
os.symlink('/etc/passwd', 'link')
os.symlink('/etc', 'folder')
os.mkfifo('pipe')
"""


class MovingContract(ContractBase):
    """How files travel."""

    @pytest.fixture
    def own(self, sandbox: Sandbox, arm: str, version: Version) -> str:
        """An arm of a test's own."""
        require_processes(sandbox)
        sandbox.add(arm, version, Environment())
        return arm

    @pytest.mark.parametrize("name", ["results.bin", "new/folders/results.bin", "pkg/with space.bin"])
    def test_bytes_arrive_as_they_were(self, sandbox: Sandbox, own: str, name: str) -> None:
        data = bytes(range(256)) * 100
        write_artifact(sandbox, own, name, data)
        assert read_artifact(sandbox, own, name) == data
        assert self.tell(sandbox, "tell(os.path.getsize(sys.argv[1]))", name, arm=own) == len(data)

    def test_large_file(self, sandbox: Sandbox, own: str) -> None:
        data = os.urandom(2**20) * (LARGE // 2**20)
        write_artifact(sandbox, own, "large", data)
        assert read_artifact(sandbox, own, "large") == data

    def test_absolute_path_in_the_tree(self, sandbox: Sandbox, own: str) -> None:
        tree = self.tell(sandbox, "tell(sys.argv[1])", "{tree}", arm=own)
        assert read_artifact(sandbox, own, f"{tree}/data.txt") == FILES["data.txt"].encode()

    @pytest.mark.parametrize("path", ["missing", "missing/data.txt"])
    def test_missing_file_says_so(self, sandbox: Sandbox, own: str, path: str) -> None:
        with pytest.raises(ArtifactError, match=f"{path}: there is no such file"):
            read_artifact(sandbox, own, path)

    @pytest.mark.parametrize("path", OUTSIDE.values(), ids=OUTSIDE)
    def test_path_out_of_the_tree_is_refused(self, sandbox: Sandbox, own: str, path: str) -> None:
        with pytest.raises(ArtifactError):
            read_artifact(sandbox, own, path)
        with pytest.raises(ArtifactError):
            write_artifact(sandbox, own, path, b"")

    @pytest.mark.parametrize("path", ["link", "folder/passwd", "pipe"])
    def test_link_and_pipe_are_refused(self, sandbox: Sandbox, own: str, path: str) -> None:
        assert self.run(sandbox, LINKS, arm=own, writable=True).returncode == 0
        with pytest.raises(ArtifactError, match="refused"):
            read_artifact(sandbox, own, path)
        if path != "pipe":
            with pytest.raises(ArtifactError, match="refused"):
                write_artifact(sandbox, own, path, b"mine")
