"""Building an arm, with a stand-in for the sandbox: whose failure is whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pytest_isobench.errors import DoesNotApplyError, DoesNotBuildError, SandboxError
from pytest_isobench.sandboxes import building
from pytest_isobench.sandboxes.base import ExecResult

PATCH = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"


def result(returncode: int = 0, stdout: bytes = b"", stderr: bytes = b"", timed_out: bool = False) -> ExecResult:
    return ExecResult(
        returncode=returncode, stdout=stdout, stderr=stderr, wall=0.1, user=0.1, system=0.1, max_rss=1, timed_out=timed_out
    )


class Machine:
    """Answers commands by their first words."""

    def __init__(self, **answers: ExecResult) -> None:
        self.answers = answers
        self.seen: list[tuple[str, bytes, Mapping[str, str]]] = []

    def __call__(
        self, argv: Sequence[str], *, variables: Mapping[str, str] | None = None, stdin: bytes = b"", timeout: float
    ) -> ExecResult:
        assert timeout > 0
        self.seen.append((" ".join(argv), stdin, variables or {}))
        canary = argv[-1] in ("pass", "true")
        options = [word.strip("-") for word in argv if word == "--version"]
        key = "canary" if canary else options[0] if options else argv[0].strip("{}").rpartition("/")[2]
        return self.answers.get(key, result())


def test_patch_is_applied_outside_of_any_repository() -> None:
    machine = Machine()
    building.apply(machine, PATCH)
    command, stdin, variables = machine.seen[-1]
    assert command == "git apply --whitespace=nowarn -p1"
    assert stdin == PATCH.encode()
    assert variables["GIT_DIR"] == "/nonexistent"


def test_what_git_said_is_shown() -> None:
    machine = Machine(git=result(1, stderr=b"error: f: patch does not apply"))
    with pytest.raises(DoesNotApplyError, match="error: f: patch does not apply"):
        building.apply(machine, PATCH)


def test_refused_patch_is_never_tried() -> None:
    machine = Machine()
    with pytest.raises(DoesNotApplyError, match=r"refused: .*escaped"):
        building.apply(machine, PATCH.replace("b/f", "b/../escaped"))
    assert machine.seen == []


def test_broken_git_is_not_the_patchs_failure() -> None:
    broken = result(1, stderr=b"bwrap: execvp git: No such file")
    with pytest.raises(SandboxError, match="git does not work"):
        building.apply(Machine(git=broken, version=broken), PATCH)


def test_broken_interpreter_is_not_the_patchs_failure() -> None:
    with pytest.raises(SandboxError, match="python} does not work in the sandbox"):
        building.settle(Machine(python=result(127), canary=result(127)), 0)


def test_broken_sandbox_is_not_the_patchs_failure() -> None:
    with pytest.raises(SandboxError, match="/bin/sh does not work"):
        building.install(Machine(sh=result(1), canary=result(1)), "make")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (result(2, b"compiling\n", b"cc: not found\n"), "ended with status 2:\ncompiling\ncc: not found"),
        (result(-9, timed_out=True), "still ran after"),
    ],
)
def test_failing_install_command(answer: ExecResult, text: str) -> None:
    with pytest.raises(DoesNotBuildError, match=text):
        building.install(Machine(sh=answer), "make")


def test_source_that_kills_the_compiler() -> None:
    with pytest.raises(DoesNotBuildError, match="status -11"):
        building.settle(Machine(python=result(-11)), 0)


def test_only_the_end_is_shown_and_nothing_that_moves_the_cursor() -> None:
    lines = b"".join(b"line %d\n" % number for number in range(100))
    shown = building.last_lines(result(stdout=lines, stderr=b"\x1b[31mred\x1b[0m\r\n\xff\n"))
    assert shown.splitlines()[0] == "line 82"
    assert len(shown.splitlines()) == building.SHOWN_LINES
    assert "\x1b" not in shown
    assert shown.splitlines()[-2:] == ["\ufffd[31mred\ufffd[0m", "\ufffd"]
