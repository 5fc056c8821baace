"""The file of overrides: what it may hold, and where its errors are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_isobench.errors import TaskError
from pytest_isobench.images.overrides import Override, Overrides, read_overrides

SHA = "8aa1485f" * 5


def read(tmp_path: Path, text: str) -> Overrides:
    (tmp_path / "overrides.yaml").write_text(text)
    return read_overrides(tmp_path / "overrides.yaml")


def test_no_file_says_nothing(tmp_path: Path) -> None:
    overrides = read_overrides(tmp_path / "overrides.yaml")
    assert overrides.of("task", SHA) == Override()
    assert overrides.blacklisted("task", SHA) is None


def test_the_projects_own_file_is_good() -> None:
    assert read_overrides(Path(__file__).parents[2] / "fixtures/overrides.yaml").version == 1


def test_tasks_are_named_by_id_or_commit(tmp_path: Path) -> None:
    text = (
        "version: 1\noverrides:\n  8aa1485f: {setup: [make], model: tiny/model, env: {A: b}}\nblacklist:\n  broken-task: needs eight GPUs\n"
    )
    overrides = read(tmp_path, text)
    assert overrides.of("some-task", SHA).setup == ("make",)
    assert overrides.of("some-task", SHA).variables() == {"A": "b", "ISOBENCH_MODEL": "tiny/model"}
    assert overrides.of("some-task", "0" * 40).setup == ()
    assert overrides.blacklisted("broken-task", SHA) == "needs eight GPUs"
    assert overrides.blacklisted("broken-task-2", SHA) is None


def test_short_names_begin_no_commit(tmp_path: Path) -> None:
    overrides = read(tmp_path, "version: 1\nblacklist: {'8aa14': too short for a commit}\n")
    assert overrides.blacklisted("task", SHA) is None


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("version: 1\noverride: {}\n", 2, "override", "did you mean 'overrides'"),
        (
            "version: 1\noverrides:\n  a:\n    setup: [x]\n    requirement: []\n",
            5,
            "overrides.a.requirement",
            "did you mean 'requirements'",
        ),
        ("version: 1\noverrides:\n  a:\n    setup:\n      - good\n      - 7\n", 6, "overrides.a.setup[1]", "valid string, not 7"),
        ("version: 1\noverrides:\n  a: {setup: make}\n", 3, "overrides.a.setup", "list, not 'make'"),
        ("version: 1\noverrides:\n  a: {base: 'x y'}\n", 3, "overrides.a.base", "pattern"),
        ("version: 1\noverrides:\n  a: {base: --privileged}\n", 3, "overrides.a.base", "pattern"),
        ("version: 1\noverrides:\n  a: {strategy: guess}\n", 3, "overrides.a.strategy", "'requirements' or 'dockerfile', not 'guess'"),
        ("version: 1\noverrides:\n  a: {python: '2.7'}\n", 3, "overrides.a.python", "pattern"),
        ('version: 1\noverrides:\n  a: {requirements: ["x\\nRUN y"]}\n', 3, "overrides.a.requirements[0]", "pattern"),
        ('version: 1\noverrides:\n  a:\n    env: {"A=B C": x}\n', 4, "overrides.a.env.A=B C", "pattern"),
        ("version: 1\noverrides:\n  a:\n    env:\n      HF_TOKEN: abc\n", 5, "overrides.a.env.HF_TOKEN", "looks like a secret"),
        ("version: 1\noverrides: [a]\n", 2, "overrides", "should be a mapping"),
        ("version: 1\noverrides:\n  a: setup\n", 3, "overrides.a", "mapping, not 'setup'"),
        ("version: 1\nblacklist: {a: ''}\n", 2, "blacklist.a", "at least 1 character"),
        ("version: 2\n", 1, "version", "1, not 2"),
        ("overrides: {}\n", 1, "version", "is missing"),
        ("version: 1\noverrides:\n  a: {}\n  a: {}\n", 4, None, "'a' is given twice"),
        ("version: 1\noverrides:\n  a: &x {}\n  b: *x\n", 3, None, "aliases"),
        ("version: 1\noverrides: {\n", 3, None, "is not YAML"),
        ("version: 1\nblacklist: {a: !!python/object:os.system x}\n", 2, None, "plain data"),
        ("# nothing\n", None, None, "holds nothing"),
        ("- a\n", 1, None, "mapping"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, text: str, line: int | None, field: str | None, message: str) -> None:
    with pytest.raises(TaskError) as error:
        read(tmp_path, text)
    assert (error.value.line, error.value.field) == (line, field)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "overrides.yaml"))
