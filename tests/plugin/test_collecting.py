"""Which files hold tasks, which cases are made of them, and which are kept."""

from __future__ import annotations

import pytest

from pytest_isobench.sandboxes.local import LocalProvider


def collected(result: pytest.RunResult) -> list[str]:
    """Return the ids of what `--co -q` lists."""
    return [line.partition("[")[2].rstrip("]") for line in result.stdout.lines if "::" in line]


def cases(project, *arguments):
    return collected(project.run("--co", "-q", "--isobench-agent=human", *arguments))


BOTH = ["sort:human:0", "scan:human:0"]


@pytest.mark.parametrize("arguments", [[], ["tasks"], ["tasks/demo.yaml"], ["."], ["tasks/demo.yaml", "tasks"]])
def test_task_files_are_found(project, arguments):
    assert cases(project, *arguments) == BOTH


def test_one_case_can_be_named(project):
    assert cases(project, "tasks/demo.yaml::test_speedup[scan:human:0]") == ["scan:human:0"]


def test_collecting_leaves_nothing_behind(project):
    cases(project)
    assert not (project.path / "reports").exists()


def test_bodies_are_not_read_when_collecting(project):
    project.tasks({"id": "broken", "workload": {"kind": "python"}}, {"id": "sound"})
    assert cases(project) == ["broken:human:0", "sound:human:0"]


def test_testpaths_give_way_to_tasks(project):
    project.pytester.makepyfile("def test_other(): pass")
    (project.path / "pytest.ini").write_text("[pytest]\ntestpaths = .\nisobench_sandbox = fake\n")
    assert cases(project) == BOTH


def test_other_tests_run_beside_tasks_when_they_are_named(project):
    project.pytester.makepyfile(test_other="def test_other(): pass")
    project.run("--isobench-agent=human", "tasks", "test_other.py").assert_outcomes(passed=3)


def test_without_an_agent_nothing_changes(project):
    project.pytester.makepyfile("def test_other(): pass")
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "isobench:" not in result.stdout.str()
    assert not (project.path / "reports").exists()


@pytest.mark.parametrize("argument", ["tasks/demo.yaml", "tasks/demo.yaml::test_speedup[sort:human:0]"])
def test_a_task_file_that_is_named_needs_an_agent(project, argument):
    result = project.run(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {argument.replace('[', '?')[:20]}*give an agent for these tasks, such as --isobench-agent=human"])


def test_a_folder_of_tasks_without_an_agent_is_no_tests(project):
    assert project.run("tasks").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_other_people_s_files_are_left_alone(project):
    project.tasks({"id": "deep"}, file="tasks/deep/other.yaml")
    (project.path / "config.yaml").write_text("not: tasks\n")
    (project.path / "package.json").write_text("{}")
    assert cases(project, ".") == BOTH


def test_further_files_are_found_by_globs(project):
    project.tasks({"id": "deep"}, file="more/deep/perf.json")
    project.tasks({"id": "flat"}, file="more/other.json")
    assert cases(project, ".", "-o", "isobench_files=more/*/perf.json") == ["deep:human:0", *BOTH]


def test_a_file_that_is_named_is_taken_for_tasks(project):
    project.tasks({"id": "mine"}, file="elsewhere/mine.yaml")
    assert cases(project, "elsewhere/mine.yaml") == ["mine:human:0"]


def test_data_sets_are_added(project):
    project.tasks({"id": "mine"}, file="elsewhere/mine.yaml")
    project.tasks({"id": "other"}, file="folder/other.yaml")
    assert cases(project, "--isobench-dataset=elsewhere/mine.yaml") == [*BOTH, "mine:human:0"]
    both = ["--isobench-dataset=elsewhere/mine.yaml", "--isobench-dataset", "folder"]
    assert cases(project, *both, "-o", "isobench_tasks=none") == ["mine:human:0", "other:human:0"]


def test_no_tasks_at_all_is_said(project):
    result = project.run("--isobench-agent=human", "-o", "isobench_tasks=nowhere")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: there are no tasks in *nowhere: name a task file, or set the ini value isobench_tasks"])


def test_the_project_s_own_names_of_tests_do_not_matter(project):
    assert cases(project, "-o", "python_functions=check_*", "-o", "python_files=check_*.py") == BOTH


def test_a_file_that_is_broken_as_a_whole_is_named(project):
    (project.path / "tasks" / "bad.yaml").write_text("tasks: [\n")
    result = project.run("--isobench-agent=human")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*ERROR collecting tasks/bad.yaml*", "*tasks/bad.yaml:1: is not YAML*"])
    assert "Traceback" not in result.stdout.str()


def test_a_broken_record_is_an_error_of_its_own_cases(project):
    project.tasks({"id": "broken", "languag": "c"}, {"id": "sound"})
    result = project.run("--isobench-agent=human,nop")
    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_speedup?broken:human:0?*", "TaskError: *demo.yaml:2:*languag*"])
    assert "Traceback" not in result.stdout.str()


def test_one_id_in_two_files_is_refused(project):
    project.tasks({"id": "sort"}, file="tasks/second.yaml")
    result = project.run("--isobench-agent=human")
    result.stdout.fnmatch_lines(["*second.yaml:2: id: 'sort' is in *demo.yaml already; ids are unique in a session"])


def test_one_id_twice_in_a_file_is_an_error(project):
    project.tasks({"id": "sort"}, {"id": "sort"})
    project.run("--isobench-agent=human").assert_outcomes(passed=1, errors=1)


@pytest.mark.parametrize(("expression", "kept"), [
    ("sort", ["sort:human:0"]),
    ("not sort", ["scan:human:0"]),
    ("acme", BOTH),
    ("scanner", ["scan:human:0"]),
    ("human and sort", ["sort:human:0"]),
])  # fmt: skip
def test_keywords_choose(project, expression, kept):
    assert cases(project, "-k", expression) == kept


def test_keywords_find_commits(project):
    source = {"kind": "git", "repository": "https://example.org/x.git", "human": "8aa1485f" + "0" * 32, "base": "1234567" + "a" * 33}
    project.tasks({"id": "one", "source": source}, {"id": "two", "source": {**source, "human": "f" * 40, "base": "e" * 40}})
    assert cases(project, "-k", "8aa1485f") == ["one:human:0"]
    assert cases(project, "-k", "1234567") == ["one:human:0"]


@pytest.mark.parametrize(("expression", "kept"), [
    ("quick", ["sort:human:0"]),
    ("not quick", ["scan:human:0", "kernel:human:0"]),
    ("rust", ["scan:human:0"]),
    ("python", ["sort:human:0"]),
    ("sorter or gpu", ["sort:human:0", "kernel:human:0"]),
    ("repo(name='acme/scanner')", ["scan:human:0"]),
    ("vllm_x", ["kernel:human:0"]),
])  # fmt: skip
def test_marks_choose(project, expression, kept):
    project.tasks({"id": "kernel", "repo": "acme/vllm.x", "resources": {"gpus": 1}, "language": "c++"}, file="tasks/gpu.yaml")
    assert cases(project, "-m", expression) == kept


def test_a_record_cannot_ask_for_what_a_mark_means_to_pytest(project):
    project.tasks({"id": "one", "marks": ["parametrize", "usefixtures", "skip"]})
    project.run("--isobench-agent=human").assert_outcomes(skipped=1)


@pytest.mark.parametrize(("lines", "kept"), [
    ("sort\n", ["sort"]),
    ("# all\n8aa1485f | 2024-01-01 | faster\n", ["vllm-8aa1485f"]),
    (f"{'8aa1485f' + '0' * 32}\n", ["vllm-8aa1485f"]),
    ("1234567\nscan # and this\n", ["scan", "vllm-8aa1485f"]),
    ("v1.0, v2.0\n", ["tagged"]),
])  # fmt: skip
def test_commits_choose(project, lines, kept):
    source = {"kind": "git", "repository": "https://example.org/x.git", "human": "8aa1485f" + "0" * 32, "base": "12345678"}
    tagged = {"id": "tagged", "source": {**source, "human": "v1.0", "base": "v0.9"}}
    project.tasks({"id": "vllm-8aa1485f", "source": source}, tagged, file="tasks/git.yaml")
    (project.path / "list.txt").write_text(lines)
    result = project.run("--co", "-q", "--isobench-agent=human", "--isobench-commits=list.txt")
    assert collected(result) == [f"{task}:human:0" for task in kept]


def test_deselection_says_why(project):
    (project.path / "list.txt").write_text("sort\n")
    result = project.run("--isobench-agent=human,nop", "--isobench-commits=list.txt")
    result.assert_outcomes(passed=1, failed=1, deselected=2)
    result.stdout.fnmatch_lines(["collected 4 items / 2 deselected / 2 selected", "isobench: deselected: 2 by --isobench-commits=list.txt"])


def test_shards_share_out_all_tasks(project):
    names = [f"task-{number}" for number in range(40)]
    project.tasks(*({"id": name} for name in names))
    shards = [cases(project, f"--isobench-shard={part}/3") for part in (1, 2, 3)]
    assert sorted(case for shard in shards for case in shard) == sorted(f"{name}:human:0" for name in names)
    assert all(len(shard) >= 5 for shard in shards)
    assert cases(project, "--isobench-shard=2/3", "--isobench-agent=nop")[1::2] == [case.replace("human", "nop") for case in shards[1]]


OWN = """
    import pytest

    def test_own(isobench_case, isobench_measure, isobench_task, isobench_source, isobench_patch, isobench_sandbox, isobench_settings):
        result = isobench_measure()
        assert result.case == isobench_case.id
        assert isobench_task.id == isobench_case.stub.id == result.task
        assert isobench_source.baseline().tree.is_dir()
        assert isobench_patch.version or isobench_patch.patch == ""
        assert isobench_sandbox.name == isobench_settings.configuration.sandbox == "fake"
        assert result.verdict.outcome == {"human": "matches", "nop": "slower"}[isobench_case.agent]

    @pytest.mark.parametrize("extra", ["a-b", "c"])
    def test_more(isobench_case, extra):
        assert isobench_case.attempt == 0
"""


LEAKS = """
    def test_fair(isobench_leaks):
        assert isobench_leaks() == ()
"""


def test_a_sandbox_that_runs_nothing_cannot_show_that_nothing_leaks(project):
    project.pytester.makepyfile(test_fair=LEAKS)
    result = project.run("test_fair.py", "--isobench-agent=nop", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*the sandbox 'fake' runs nothing, and an agent must run*"])


@pytest.mark.soak
def test_users_test_that_nothing_leaks(project):
    if not LocalProvider().isolation().network:
        pytest.skip("this machine's sandbox leaves the network open, which is a leak")
    project.pytester.makepyfile(test_fair=LEAKS)
    result = project.run("test_fair.py", "--isobench-agent=nop", "--isobench-sandbox=local", "-k", "sort")
    assert "tree_file" not in result.stdout.str()
    result.assert_outcomes(passed=1)


def test_users_write_their_own_tests(project):
    project.pytester.makepyfile(test_own=OWN)
    result = project.run("test_own.py", "--isobench-agent=human,nop", "-v")
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["test_own.py::test_own?sort:human:0? PASSED (matches)*", "test_own.py::test_more?scan:nop:0-c? PASSED *"])


def test_their_tests_are_skipped_without_an_agent(project):
    project.pytester.makepyfile(test_own=OWN)
    result = project.run("test_own.py", "-rs")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["SKIPPED*no agent was given: --isobench-agent=NAME"])


def test_a_broken_file_is_named_without_a_traceback_in_their_tests(project):
    (project.path / "tasks" / "bad.yaml").write_text("tasks: [\n")
    project.pytester.makepyfile(test_own=OWN)
    result = project.run("test_own.py", "--isobench-agent=human")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*tasks/bad.yaml:1: is not YAML*"])
    assert "Traceback" not in result.stdout.str()
    assert "generate_cases" not in result.stdout.str()


def test_a_case_is_measured_once_for_all_its_tests(project):
    project.pytester.makepyfile(test_own=OWN)
    project.run("tasks", "test_own.py", "--isobench-agent=human", "-k", "sort").assert_outcomes(passed=4, deselected=4)
    assert list(project.outcomes()) == ["sort:human:0"]
