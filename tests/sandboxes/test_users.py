"""User ids for candidates."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_isobench.errors import SandboxError
from pytest_isobench.sandboxes import users
from pytest_isobench.sandboxes.users import Claim, claim_any, reachable, tasks_of


def test_claim_is_exclusive_until_released() -> None:
    claim = claim_any()
    assert claim.user in users.IDS
    assert Claim.take(claim.user) is None
    claim.release()
    again = Claim.take(claim.user)
    assert again is not None
    again.release()


def test_claims_differ() -> None:
    claims = [claim_any() for _ in range(20)]
    assert len({claim.user for claim in claims}) == 20
    for claim in claims:
        claim.release()


def test_running_out_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    first = claim_any()
    monkeypatch.setattr(users, "IDS", range(first.user, first.user + 1))
    with pytest.raises(SandboxError, match="run fewer at once"):
        claim_any()
    first.release()


def test_reachable_follows_modes(tmp_path: Path) -> None:
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/reach.XXXXXX"], text=True).strip())
    try:
        (folder / "inner").mkdir(mode=0o755)
        folder.chmod(0o711)
        assert reachable(folder / "inner")
        assert not reachable(folder), "it can be entered, but not listed"
        folder.chmod(0o700)
        assert not reachable(folder / "inner")
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_tasks_of_this_user_are_counted() -> None:
    before = tasks_of(None)
    with subprocess.Popen(["sleep", "600"]) as process:
        assert tasks_of(None) >= 2
        process.kill()
    assert before >= 1
    assert tasks_of(61000) == 0


def test_only_root_can_drop() -> None:
    assert not users.can_drop() or os.geteuid() == 0
