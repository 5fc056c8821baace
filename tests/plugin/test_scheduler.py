"""The order of work under xdist, without xdist."""

from __future__ import annotations

import pytest

from pytest_isobench.plugin.scheduler import TaskScheduling, scope

FILE = "tasks/demo.yaml::test_speedup"
CASES = [f"{FILE}[{task}:{agent}:0]" for task in ("a", "b", "c") for agent in ("human", "nop")]


class Node:
    """A worker that keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.shutting_down = False

    def send_runtest_some(self, indices):
        self.sent.append(indices)


@pytest.fixture
def start():
    def start(workers, collection, seconds=None):
        nodes, scheduling = [Node() for _ in range(workers)], TaskScheduling(workers, seconds)
        for node in nodes:
            scheduling.add_node(node)
            scheduling.add_node_collection(node, collection)
        scheduling.schedule()
        return scheduling, nodes

    return start


@pytest.mark.parametrize(("nodeid", "expected"), [
    (f"{FILE}[packaging-sort:human:0]", "task packaging-sort"),
    (f"{FILE}[packaging-sort:release-26.0:12]", "task packaging-sort"),
    ("tests/test_own.py::TestX::test_more[packaging-sort:human:0-a-b]", "task packaging-sort"),
    ("tests/test_own.py::test_other[a-b]", "tests/test_own.py"),
    ("tests/test_own.py::TestX::test_other", "tests/test_own.py::TestX"),
])  # fmt: skip
def test_what_stays_together(nodeid, expected):
    assert scope(nodeid) == expected


def test_each_worker_gets_one_task_and_its_last_test_twice(start):
    scheduling, (first, second) = start(2, CASES)
    assert (first.sent, second.sent) == ([[0, 1, 1]], [[2, 3, 3]])
    assert scheduling.has_pending
    assert not scheduling.tests_finished


def test_the_next_task_goes_to_whoever_is_free_first(start):
    scheduling, (first, second) = start(2, CASES)
    scheduling.mark_test_complete(second, 2)
    assert second.sent == [[2, 3, 3]], "its task is not over"
    scheduling.mark_test_complete(second, 3)
    assert second.sent == [[2, 3, 3], [4, 5, 5]]
    assert first.sent == [[0, 1, 1]]


def finish(scheduling, node, *indices):
    for index in indices:
        scheduling.mark_test_complete(node, index)


def test_it_ends_when_all_tests_are_over_but_for_the_second_times(start):
    scheduling, (first, second) = start(2, CASES[:4])
    finish(scheduling, first, 0, 1)
    assert not scheduling.tests_finished
    finish(scheduling, second, 2, 3)
    assert scheduling.tests_finished
    finish(scheduling, first, 1)
    assert scheduling.remove_node(first) is None


def test_a_single_case_is_sent_twice_as_well(start):
    scheduling, (node,) = start(1, CASES[:1])
    assert node.sent == [[0, 0]]
    finish(scheduling, node, 0)
    assert scheduling.tests_finished


def test_long_tasks_go_first(start):
    _scheduling, nodes = start(3, CASES, {"a": 1.0, "b": 2.0, "c": 3.0, "gone": 9.0})
    assert [node.sent for node in nodes] == [[[4, 5, 5]], [[2, 3, 3]], [[0, 1, 1]]]


def test_what_is_not_known_goes_before_what_is(start):
    _scheduling, nodes = start(3, CASES, {"a": 1.0})
    assert [node.sent for node in nodes] == [[[2, 3, 3]], [[4, 5, 5]], [[0, 1, 1]]]


def test_more_workers_than_tasks_wait(start):
    _scheduling, nodes = start(3, CASES[:2])
    assert [node.sent for node in nodes] == [[[0, 1, 1]], [], []]


def test_the_rest_of_a_dead_worker_s_task_goes_to_another(start):
    scheduling, (first, second) = start(2, CASES)
    finish(scheduling, second, 2, 3)
    assert scheduling.remove_node(first) == CASES[0]
    finish(scheduling, second, 3, 4, 5)
    assert second.sent[-1] == [1, 1]
    assert scheduling.nodes == [second]


def test_a_worker_that_dies_between_two_tasks_died_in_none(start):
    scheduling, (first, _second) = start(2, CASES[:4])
    finish(scheduling, first, 0, 1)
    assert scheduling.remove_node(first) is None


def test_a_worker_that_dies_before_its_second_time_is_noticed_died_in_the_next_task(start):
    scheduling, (node,) = start(1, CASES[:4])
    finish(scheduling, node, 0, 1)
    assert node.sent == [[0, 1, 1], [2, 3, 3]]
    assert scheduling.remove_node(node) == CASES[2]


def test_a_replacement_takes_over(start):
    scheduling, (node,) = start(1, CASES[:2])
    assert scheduling.remove_node(node) == CASES[0]
    assert not scheduling.collection_is_completed
    replacement = Node()
    scheduling.add_node(replacement)
    scheduling.add_node_collection(replacement, CASES[:2])
    scheduling.schedule()
    assert replacement.sent == [[1, 1]]


def test_a_worker_that_is_shutting_down_gets_nothing(start):
    scheduling, (_first, second) = start(2, CASES)
    second.shutting_down = True
    finish(scheduling, second, 2, 3)
    assert second.sent == [[2, 3, 3]]


def test_a_test_can_be_run_again(start):
    scheduling, (node,) = start(1, CASES[:2])
    finish(scheduling, node, 0, 1)
    scheduling.mark_test_pending(CASES[0])
    assert node.sent[-1] == [0, 0]


def test_nothing_collected_is_finished(start):
    scheduling, _ = start(2, [])
    assert scheduling.tests_finished


@pytest.mark.parametrize("other", [CASES[1:], CASES[::-1]])
def test_workers_that_collect_differently_are_refused(other):
    scheduling, first, second = TaskScheduling(2), Node(), Node()
    for node in (first, second):
        scheduling.add_node(node)
    scheduling.add_node_collection(first, CASES)
    with pytest.raises(pytest.UsageError, match="the workers collected different tests: "):
        scheduling.add_node_collection(second, other)
