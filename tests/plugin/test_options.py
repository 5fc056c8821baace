"""Options: wrong values, ini twins, help."""

from __future__ import annotations

import json
import re

import pytest

from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.plugin.options import INIS, OPTIONS
from pytest_isobench.plugin.settings import parse_share
from pytest_isobench.times import parse_time


@pytest.mark.parametrize(("option", "message"), [
    ("attempts=0", "--isobench-attempts=0: give a whole number from 1 to 1000"),
    ("attempts=many", "--isobench-attempts=many: give a whole number"),
    ("sandbox=docke", "--isobench-sandbox=docke: there is no such sandbox (did you mean 'docker'?); there are local, docker, modal, fake"),
    ("image=python:3.12", "--isobench-image is about containers, and the sandbox fake has none: use --isobench-sandbox=docker"),
    ("sandbox=fak", "there is no such sandbox (did you mean 'fake'?)"),
    ("time-budget=0", "--isobench-time-budget=0: give seconds above 0, or a time such as 90s, 5m or 1h"),
    ("time-budget=5 days", "--isobench-time-budget=5 days: give seconds"),
    ("margin=0", "--isobench-margin=0: give a share between 0 and 1"),
    ("margin=150%", "--isobench-margin=150%: give a share between 0 and 1"),
    ("margin=nan", "--isobench-margin=nan: give a share"),
    ("confidence=0.5", "--isobench-confidence=0.5: give a share between 0.5 and 1"),
    ("require=mach", "--isobench-require=mach: give one of match, improve, correct (did you mean 'match'?)"),
    ("only=humans", "--isobench-only=humans: give one of baseline, human, agent (did you mean 'human'?)"),
    ("timeout=-1", "--isobench-timeout=-1: give seconds above 0"),
    ("seed=x", "--isobench-seed=x: give a whole number from 0"),
    ("seed=-1", "--isobench-seed=-1: give a whole number from 0"),
    ("shard=0/2", "--isobench-shard=0/2: give which part of how many, such as 1/4"),
    ("shard=3/2", "--isobench-shard=3/2: give which part"),
    ("shard=half", "--isobench-shard=half: give which part"),
    ("commits=none.txt", "none.txt: cannot be read"),
    ("commits=empty.txt", "empty.txt: lists no commit and no task"),
    ("dataset=none.yaml", "--isobench-dataset=none.yaml: there is no such file; for a data set of the Hugging Face hub write hub:ORG/NAME"),
    ("dataset=hub:", "'hub:' does not name a data set"),
    ("report=a_folder", "a_folder"),
    ("agent=humam", "there is no such agent, and no folder"),
    ("agent=humam", "(did you mean 'human'?); there are human, nop, patch, ref, release, replay, fake"),
    ("agent=patch", "agent 'patch' needs an argument, such as patch:my.diff"),
    ("agent=patch:none.diff", "there is no file"),
    ("agent=pach:x.diff", "there is no agent 'pach' (did you mean 'patch'?)"),
])  # fmt: skip
def test_a_wrong_value_says_what_is_right(project, option, message):
    (project.path / "empty.txt").write_text("# nothing\n\n")
    (project.path / "a_folder").mkdir()
    result = project.run("--isobench-agent=human", f"--isobench-{option}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *"])
    assert message in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_a_wrong_ini_value_is_refused_alike(project):
    result = project.run("--isobench-agent=human", "-o", "isobench_require=mach")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --isobench-require=mach: give one of match, improve, correct (did you mean 'match'?)"])


def test_wrong_options_leave_nothing_behind(project):
    project.run("--isobench-agent=human,humam")
    project.run("--isobench-agent=human", "--isobench-margin=7")
    assert not (project.path / "reports").exists()


def test_options_reach_the_report(project):
    given = ["margin=10%", "confidence=0.9", "seed=7", "time-budget=2m", "timeout=9s", "require=improve", "gpu=H100"]
    project.run("--isobench-agent=human", *(f"--isobench-{option}" for option in given))
    configuration = project.report()["configuration"]
    assert configuration.pop("container") == ContainerSettings().model_dump(mode="json")
    assert configuration == {
        "margin": 0.1, "confidence": 0.9, "seed": 7, "time_budget": 120.0, "timeout": 9.0,
        "require": "improve", "only": None, "sandbox": "fake", "gpu": "H100",
    }  # fmt: skip


def test_ini_twins_count_where_no_option_is_given(project):
    values = {"margin": "0.2", "agent": "human nop", "attempts": "2", "require": "improve", "report": "out/result.json", "seed": "3"}
    lines = "".join(f"isobench_{name} = {value}\n" for name, value in values.items())
    (project.path / "pytest.ini").write_text(f"[pytest]\nisobench_sandbox = fake\n{lines}")
    project.run("--isobench-margin=0.3", "--isobench-attempts=1").assert_outcomes(passed=2, failed=2)
    report = json.loads((project.path / "out" / "result.json").read_text())
    assert (report["configuration"]["margin"], report["configuration"]["seed"]) == (0.3, 3)


def test_agents_are_repeated_and_listed(project):
    result = project.run("--isobench-agent=human, nop", "--isobench-agent", "human,fake:2", "-k", "sort")
    assert list(project.outcomes()) == ["sort:human:0", "sort:nop:0", "sort:fake-2:0"]
    result.stdout.fnmatch_lines(["isobench: human, nop, fake-2 in sandbox fake", "isobench report: reports/*.json"])


def test_two_agents_of_one_name_stay_apart(project):
    for folder, speed in (("a", 2.0), ("b", 3.0)):
        project.patch(folder, "sort", speed)
    (project.path / "other").mkdir()
    (project.path / "fixtures" / "patches" / "b").rename(project.path / "other" / "a")
    project.run("--isobench-agent=replay:fixtures/patches/a,replay:other/a", "-k", "sort")
    assert project.outcomes() == {"sort:replay-a:0": "matches", "sort:replay-a-2:0": "beats"}


def test_attempts_are_as_many_as_are_recorded(project):
    for attempt, speed in enumerate((2.0, 1.0, 3.0)):
        project.patch("coder", "sort", speed, attempt)
    project.run("--isobench-agent=coder,human", "-k", "sort")
    assert project.outcomes() == {
        "sort:coder:0": "matches", "sort:coder:1": "slower", "sort:coder:2": "beats", "sort:human:0": "matches",
    }  # fmt: skip


def test_attempts_can_be_limited_and_missing_ones_are_no_patch(project):
    project.patch("coder", "sort", 2.0)
    project.run("--isobench-agent=coder", "--isobench-attempts=2", "-k", "sort").assert_outcomes(passed=1, skipped=1, deselected=2)
    assert project.outcomes() == {"sort:coder:0": "matches", "sort:coder:1": "no_patch"}


def test_the_folder_of_patches_is_the_project_s_to_choose(project):
    project.patch("coder", "sort", 2.0)
    (project.path / "fixtures" / "patches").rename(project.path / "recorded")
    project.run("--isobench-agent=coder", "-o", "isobench_patches=recorded", "-k", "sort").assert_outcomes(passed=1, deselected=1)


def test_a_seed_is_drawn_once_and_kept(project):
    project.run("--isobench-agent=human", "-k", "sort")
    seed = project.report()["configuration"]["seed"]
    project.run("--isobench-agent=human", "-k", "scan")
    assert project.report()["configuration"]["seed"] == seed != 0
    assert int((project.path / "reports" / "journal" / "seed").read_text()) == seed
    assert (project.path / "reports" / "journal" / "seed").stat().st_mode & 0o077 == 0


def test_a_seed_that_cannot_be_read_is_named(project):
    (project.path / "reports" / "journal").mkdir(parents=True)
    (project.path / "reports" / "journal" / "seed").write_text("x")
    result = project.run("--isobench-agent=human")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: */journal/seed: cannot be used*"])


def test_help_explains_every_option_in_one_group(project):
    text = project.run("--help").stdout.str()
    group = text[text.index("measuring performance patches (pytest-isobench):") :]
    for option in OPTIONS:
        assert f"  {option.flag}" in group
        assert f"  {option.dest} (" in group
        assert option.help[0].isupper()
    for name, *_ in INIS:
        assert f"  {name} (" in group


def test_fixtures_explain_themselves(project):
    lines = project.run("--fixtures", "-q").stdout.str().splitlines()
    shown = {line.split()[0]: lines[index + 1].strip() for index, line in enumerate(lines) if line.startswith("isobench_")}
    assert sorted(shown) == [f"isobench_{name}" for name in ("case", "leaks", "measure", "patch", "sandbox", "settings", "source", "task")]
    assert all(len(text) > 40 and text.endswith(".") for text in shown.values())


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("0.5h", 1800), (".5m", 30)])
def test_times_are_read(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5 m", "5d", "1e3", "-1", "inf", "nan", "0x10"])
def test_times_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$|could not"):
        parse_time(text)


@pytest.mark.parametrize(("text", "share"), [("0.05", 0.05), ("5%", 0.05), ("2.5%", 0.025)])
def test_shares_are_read(text, share):
    assert parse_share(text) == pytest.approx(share)
