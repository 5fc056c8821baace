"""What every sandbox must do, as a class of tests."""

from __future__ import annotations

from pytest_isobench.testing.isolating import IsolatingContract
from pytest_isobench.testing.limiting import LimitingContract
from pytest_isobench.testing.moving import MovingContract
from pytest_isobench.testing.placing import PlacingContract
from pytest_isobench.testing.running import RunningContract
from pytest_isobench.testing.serving import ServingContract


class SandboxContract(PlacingContract, RunningContract, MovingContract, LimitingContract, IsolatingContract, ServingContract):
    """The whole contract. A test of what the provider does not claim to keep off (`Sandbox.isolation`) is skipped and says so."""
