"""The options about containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_isobench.errors import UsageError
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.plugin.containers import container_settings, megabytes
from pytest_isobench.times import parse_time


@pytest.fixture
def read(tmp_path: Path):
    def read(sandbox: str = "docker", **given: object) -> ContainerSettings:
        return container_settings({name.replace("_", "-"): value for name, value in given.items()}, sandbox, tmp_path, parse_time)

    return read


def test_nothing_given_is_the_default(read):
    assert read(image=None, mount=[]) == ContainerSettings()


def test_everything_is_read(read, tmp_path):
    (tmp_path / "weights").mkdir()
    given = {"memory": "16g", "shm_size": "512m", "cpus": "1.5", "cpuset": "0-3,8", "pids": "100", "network": "on_for_prepare"}
    given |= {"life": "2h", "gpus": "device=0,1", "user": "20000", "pull": "never", "engine": "podman"}
    settings = read(**given, mount=["weights:/models"])
    assert settings == ContainerSettings(
        memory_mb=16384, shm_mb=512, cpus=1.5, cpuset="0-3,8", pids=100, network="on_for_prepare", life=7200.0, gpus="device=0,1",
        mounts=(f"{tmp_path}/weights:/models",), user=20000, pull="never", engine="podman",
    )  # fmt: skip


def test_mount_of_a_remote_volume_needs_no_folder_here(read):
    assert read("modal", mount=["weights:/models"]).mounts == ("weights:/models",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"memory": "much"}, "--isobench-memory=much: give a size of at least 1 MB, such as 512m or 16g"),
        ({"memory": "10k"}, "at least 1 MB"),
        ({"cpus": "many"}, "--isobench-cpus=many: input should be a valid number"),
        ({"cpus": "0"}, "--isobench-cpus=0"),
        ({"cpuset": "all"}, "--isobench-cpuset=all"),
        ({"network": "sometimes"}, "--isobench-network=sometimes: input should be 'off', 'on_for_prepare' or 'on'"),
        ({"pull": "maybe"}, "'missing', 'always' or 'never'"),
        ({"engine": "runc"}, "'docker' or 'podman'"),
        ({"gpus": "2"}, "--isobench-gpus=2"),
        ({"mount": ["/models"]}, "--isobench-mount=/models: give HOST:CONTAINER"),
        ({"mount": ["none:/models"]}, "there is no folder"),
        ({"wait": "soon"}, "--isobench-wait=soon"),
        ({"user": "0"}, "--isobench-user=0"),
    ],
)
def test_wrong_value_says_what_is_right(read, given, message):
    with pytest.raises(UsageError) as caught:
        read(**given)
    assert message in str(caught.value)


@pytest.mark.parametrize("sandbox", ["local", "fake"])
def test_sandbox_without_containers_refuses_all_of_it(read, sandbox):
    with pytest.raises(UsageError, match=f"the sandbox {sandbox} has none"):
        read(sandbox, memory="1g")


@pytest.mark.parametrize(("text", "size"), [("1m", 1), ("1.5g", 1536), ("2T", 2 * 2**20), ("1048576", 1), ("64mb", 64)])
def test_sizes(text, size):
    assert megabytes(text) == size
