"""Times as people write and read them."""

import pytest

from pytest_isobench.times import clock


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0:00"), (59.9, "0:59"), (154, "2:34"), (3600, "1:00:00"), (90061.5, "25:01:01")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
