"""`isobench import-dataset`: what is written, what is said, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_isobench.cli.main import main

HUMAN, OTHER = "a1" * 20, "c3" * 20
GOOD = {"repo": "vllm-project/vllm", "commit_hash": HUMAN, "perf_command": "vllm bench latency --model org/m", "hardware": "H100"}
BAD = {"repo": "vllm-project/vllm", "commit_hash": OTHER, "perf_command": None}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, records: tuple[object, ...] = (GOOD,)) -> tuple[int, str]:
        (tmp_path / "records.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
        status = main(["import-dataset", "records.jsonl", *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def test_it_writes_a_task_file_that_is_good(run, tmp_path: Path) -> None:
    assert run("--out", "tasks/new.yaml") == (0, "tasks/new.yaml: 1 tasks, 0 records refused, 1 remarks (-v shows them)\n")
    assert main(["validate", "tasks/new.yaml"]) == 0
    assert (tmp_path / "tasks/new.yaml").read_text().startswith("# Made by `isobench import-dataset`")
    first = (tmp_path / "tasks/new.yaml").read_bytes()
    run("--out", "tasks/new.yaml")
    assert (tmp_path / "tasks/new.yaml").read_bytes() == first


def test_what_is_refused_is_named_and_shows_in_the_status(run) -> None:
    status, printed = run("--out", "new.yaml", records=(GOOD, BAD))
    assert status == 1
    assert printed.splitlines()[0] == "refused records.jsonl:2 c3c3c3c3: perf_command: there is no command: it is null"
    assert run("--out", "new.yaml", "--allow-refused", records=(GOOD, BAD))[0] == 0
    assert run("--out", "none.yaml", "--allow-refused", records=(BAD,))[0] == 1
    assert not Path("none.yaml").exists()


def test_verbose_says_what_was_not_used(run) -> None:
    assert "records.jsonl:1 a1a1a1a1: measured on H100: the command says how many GPUs it needs" in run("--out", "new.yaml", "-v")[1]


def test_options_reach_the_tasks(run, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("version: 1\nbenchmarks: {rules: [{model: org/m, gpus: 2, reason: large}]}\n")
    (tmp_path / "only.txt").write_text(HUMAN)
    options = ("--gpu", "H200", "--image", "me/vllm:{human}", "--overrides", "rules.yaml", "--commits", "only.txt", "--built", "only.txt")
    run("--out", "new.yaml", *options, records=(GOOD, BAD))
    text = (tmp_path / "new.yaml").read_text()
    assert all(part in text for part in ("gpu: H200", "gpus: 2", f"image: me/vllm:{HUMAN}"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "new.json"), "allowed endings: .yaml, .yml"),
        (("more.csv", "--out", "new.yaml"), "there is no such file"),
        (("more.md", "--out", "new.yaml"), "'.md' is not a kind of file with records; allowed: .jsonl"),
        (("--out", "new.yaml", "--built", "x.txt"), "name it with --image"),
        (("--out", "new.yaml", "--overrides", "x.yaml"), "x.yaml: there is no such file"),
        (("--out", "new.yaml", "--commits", "x.txt"), "x.txt: cannot be read"),
        (("--out", "records.jsonl/new.yaml"), "cannot be written"),
    ],
)
def test_wrong_options(run, arguments: tuple[str, ...], said: str) -> None:
    status, printed = run(*arguments)
    assert status == 2
    assert said in printed


def test_a_folder_without_records(run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("empty", "--out", "new.yaml") == (2, f"isobench: empty: holds no files of records; they end in {ENDINGS}\n")


ENDINGS = ".jsonl, .json, .yaml, .yml, .csv, .txt, .parquet"


def test_validate_understands_commands(run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--out", "new.yaml")
    file = tmp_path / "new.yaml"
    file.write_text(file.read_text().replace("--model org/m", "--model org/m --batch-size BS"))
    assert main(["validate", "new.yaml"]) == 1
    said = "new.yaml:4: workload.command: vllm-a1a1a1a1: --batch-size takes a whole number, not 'BS'"
    assert said in capsys.readouterr().out
