"""The six hooks, as a conftest uses them."""

from __future__ import annotations

import ast
import inspect
import json

import pytest

from pytest_isobench.plugin import hookspecs


def test_there_are_six_and_each_explains_itself():
    specs = {name: spec for name, spec in vars(hookspecs).items() if name.startswith("pytest_isobench_")}
    assert len(specs) == 6
    for spec in specs.values():
        assert inspect.getdoc(spec).endswith(".")
        [function] = ast.parse(inspect.getsource(spec)).body
        assert all(argument.annotation for argument in function.args.args)
        assert function.returns is not None


def test_agents_and_sandboxes_are_registered(project):
    project.pytester.makeconftest("""
        from pytest_isobench.agents.known import HumanAgent
        from pytest_isobench.sandboxes.fake import FakeProvider

        class Mine(HumanAgent):
            name = "mine"

        class Other(FakeProvider):
            name = "other"

        def pytest_isobench_register(config, registry):
            registry.add_agent("mine", Mine)
            registry.add_sandbox("other", Other)
    """)
    result = project.run("--isobench-agent=mine", "--isobench-sandbox=other", "-k", "sort")
    result.assert_outcomes(passed=1, deselected=1)
    assert project.outcomes() == {"sort:mine:0": "matches"}


def test_a_name_that_is_taken_is_refused(project):
    project.pytester.makeconftest("""
        def pytest_isobench_register(registry):
            registry.add_agent("human", None)
    """)
    result = project.run("--isobench-agent=human")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: agent 'human' is registered already; choose another name"])


def test_an_agent_needs_a_name_for_test_ids(project):
    project.pytester.makeconftest("""
        class Odd:
            name = "a:b"

        def pytest_isobench_register(registry):
            registry.add_agent("odd", lambda argument, context: Odd())
    """)
    result = project.run("--isobench-agent=odd")
    result.stderr.fnmatch_lines(["ERROR: --isobench-agent=odd: its name 'a:b' cannot stand in a test id"])


def test_tasks_are_modified(project):
    project.pytester.makeconftest("""
        import dataclasses

        def pytest_isobench_modify_tasks(tasks):
            tasks.reverse()
            tasks[1] = dataclasses.replace(tasks[1], marks=("late",))
    """)
    result = project.run("--isobench-agent=human", "--co", "-q")
    result.stdout.fnmatch_lines(["*scan:human:0?", "*sort:human:0?"])
    project.run("--isobench-agent=human", "-m", "late").assert_outcomes(passed=1, deselected=1)


def test_patches_are_made(project):
    project.pytester.makeconftest("""
        from pytest_isobench.agents.base import Submission

        def pytest_isobench_make_patch(case):
            if case.stub.id == "sort":
                return Submission(patch="")
    """)
    project.run("--isobench-agent=human").assert_outcomes(passed=1, failed=1)
    assert project.outcomes() == {"sort:human:0": "slower", "scan:human:0": "matches"}


def test_verdicts_are_judged_otherwise(project):
    project.pytester.makeconftest("""
        from pytest_isobench.models.result import Gain, Outcome, Verdict

        def pytest_isobench_judge(task, comparison):
            assert comparison.agent_vs_human.ratio < 1
            if task.id == "sort":
                return Verdict(outcome=Outcome.MATCHES, gain=Gain.FASTER, hard_success=True, reasons=("good enough",))
    """)
    project.run("--isobench-agent=fake:1.5").assert_outcomes(passed=1, failed=1)
    assert project.outcomes() == {"sort:fake-1.5:0": "matches", "scan:fake-1.5:0": "slower"}


TAKE_NOTE = """
    import json

    def pytest_isobench_result(config, result):
        with open(config.rootpath / "seen.jsonl", "a") as file:
            file.write(json.dumps([result.case, hasattr(config, "workerinput")]) + "\\n")

    def pytest_isobench_update_report(config, report):
        (config.rootpath / "report.txt").write_text(str(len(report.results)))
        return report.model_copy(update={"refused": ("by hand",)})
"""


@pytest.mark.soak
@pytest.mark.parametrize("arguments", [[], ["-n1"]])
def test_results_and_the_report_are_seen_where_the_report_is_written(project, arguments):
    project.pytester.makeconftest(TAKE_NOTE)
    project.run("--isobench-agent=human", *arguments)
    seen = [json.loads(line) for line in (project.path / "seen.jsonl").read_text().splitlines()]
    assert sorted(seen) == [["scan:human:0", False], ["sort:human:0", False]]
    assert (project.path / "report.txt").read_text() == "2"
    assert project.report()["refused"] == ["by hand"]
