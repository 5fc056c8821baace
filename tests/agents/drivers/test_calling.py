"""What all calls have in common."""

from __future__ import annotations

import pytest

from pytest_isobench.agents.drivers.base import Job
from pytest_isobench.agents.drivers.calling import host_of, variables_of
from pytest_isobench.errors import UsageError
from pytest_isobench.models.agent import AgentSpec


def test_an_agents_file_has_the_last_word_on_variables() -> None:
    spec = AgentSpec(version=1, driver="command", variables={"B": "file"})
    assert variables_of(Job(spec=spec, prompt="", variables={"A": "caller", "B": "caller"})) == {"A": "caller", "B": "file"}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("", "api.example.org:443"),
        ("https://gateway.example/v1", "gateway.example:443"),
        ("http://127.0.0.1:8080/v1", "127.0.0.1:8080"),
        ("http://localhost", "localhost:80"),
        ("https://user:secret@gateway.example", "gateway.example:443"),
    ],
)
def test_hosts_come_from_urls(url: str, host: str) -> None:
    assert host_of({"BASE": url}, "BASE", "https://api.example.org/v1") == host


@pytest.mark.parametrize("url", ["gateway.example", "gateway:443", "https://", "ftp://x", "http://x:port", "http://[::1"])
def test_a_url_that_is_none_is_said(url: str) -> None:
    with pytest.raises(UsageError, match=r"BASE is '.*', which is no URL of a service; it looks like https://api\.example\.org"):
        host_of({"BASE": url}, "BASE", "https://api.example.org")
