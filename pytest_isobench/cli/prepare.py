"""`isobench prepare`: have agents make patches for many tasks."""

from __future__ import annotations

import argparse
import datetime
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_isobench.cli.preparing_work import add_tasks, agents_named, planned_of, print_refused, read_work, whole

if TYPE_CHECKING:
    from pytest_isobench.cli.preparing_work import Work
    from pytest_isobench.preparing.plan import Planned

NAME = "prepare"
FOLDER = Path("reports/prepare")
MOST_WORKERS = 256
INTERRUPTED = 130


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="have agents make patches for many tasks, and record them",
        description="Run agents at tasks and record each attempt in the folder of recorded patches, where pytest finds it. Attempts that "
        "are there already and were made of the same task, agent and prompt are kept; what the machine or the model's service spoilt is "
        "made again. The exit status is 1 when an attempt is missing, and 130 after Ctrl-C, which keeps what was made.",
    )
    add_tasks(parser)
    parser.add_argument("--plan", metavar="FILE", type=Path, help="Make the items of a plan, instead of naming tasks")
    parser.add_argument("--max-workers", metavar="N", type=_workers, default=1, help="Agents at the same time (default: 1)")
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Keep attempts that are there and made of the same (default), or make all of them again",
    )
    parser.add_argument("--max-usd", metavar="X", type=_dollars, help="Start no attempt when those of this run have cost so much")
    parser.add_argument("--time-limit", metavar="TIME", type=_time, help="Start no attempt after this time: 90, 5m, 8h")
    parser.add_argument("--sandbox", metavar="NAME", help="Where agents run: local, docker (default: isobench_sandbox, else local)")
    parser.add_argument("--dry-run", action="store_true", help="Show what would be made and why, and run nothing")
    parser.set_defaults(run=run, command=NAME)


def _workers(text: str) -> int:
    return whole(text, MOST_WORKERS)


def _dollars(text: str) -> float:
    return _ceiling(text, float, 1e9, "dollars above 0, such as 2.50")


def _time(text: str) -> float:
    from pytest_isobench.times import parse_time

    return _ceiling(text, parse_time, 1e7, "seconds above 0, or a time such as 90s, 5m or 8h")


def _ceiling(text: str, parse: Callable[[str], float], most: float, allowed: str) -> float:
    try:
        value = parse(text)
    except ValueError:
        value = 0.0
    if not 0 < value < most:
        raise argparse.ArgumentTypeError(f"{text!r}: give {allowed}")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Plan what is to be made, and make it."""
    work, planned = _planned(arguments)
    print_refused(planned.refused, work.on)
    if arguments.dry_run:
        return _show(planned, arguments.resume, work)
    with ExitStack() as stack:
        for name in work.scope.makers:
            stack.enter_context(_alone(work, name))
        return _prepare(arguments, work, planned)


def _planned(arguments: argparse.Namespace) -> tuple[Work, Planned]:
    from pytest_isobench.errors import UsageError
    from pytest_isobench.preparing.plan import join, read_plan

    if arguments.plan is None:
        work = read_work(arguments)
        return work, planned_of(arguments, work)
    if arguments.files or arguments.commits:
        raise UsageError("isobench prepare --plan: the plan says which tasks; name no others")
    plan = read_plan(arguments.plan)
    if not plan.items:
        raise UsageError(f"{arguments.plan}: plans nothing")
    wanted = agents_named(arguments.agent)
    work = read_work(arguments, sorted({item.agent for item in plan.items}))
    chosen = [item for item in plan.items if not wanted or item.agent in wanted]
    planned: Planned = join(plan.model_copy(update={"items": tuple(chosen)}), work.scope)
    return work, planned


def _show(planned: Planned, resume: bool, work: Work) -> int:
    """Print what would be done with each item."""
    from pytest_isobench.preparing.preparing import standing

    kept = 0
    for todo in planned.todos:
        state, _, reason = standing(todo, resume)
        kept += state is not None
        print(work.on.clean(f"{'would keep' if state else 'would make'} {todo.item.id}: {reason}"))
    print(f"{len(planned.todos) - kept} to make, {kept} to keep, {len(planned.refused)} refused")
    return 1 if planned.refused else 0


def _prepare(arguments: argparse.Namespace, work: Work, planned: Planned) -> int:
    from pytest_isobench.cli.prepare_progress import watching
    from pytest_isobench.cli.prepare_summary import print_summary
    from pytest_isobench.preparing.preparing import Choices, prepare
    from pytest_isobench.preparing.summary import problems

    started = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
    folder = work.scope.home / FOLDER / started
    choices = Choices(workers=arguments.max_workers, resume=arguments.resume, seconds=arguments.time_limit, usd=arguments.max_usd)
    stop = threading.Event()
    with _stopped_by_signals(stop), watching(len(planned.todos), arguments.max_workers, work.on) as observer:
        summary = prepare(planned.todos, choices, folder, stop=stop, observer=observer, refused=planned.refused)
    print_summary(summary, folder, work.on)
    return INTERRUPTED if summary.interrupted else int(problems(summary) > 0)


@contextmanager
def _alone(work: Work, agent: str) -> Iterator[None]:
    """Keep two runs from recording attempts of one agent at the same time. Raises `UsageError`."""
    from filelock import Timeout

    from pytest_isobench.dataset.cache import key_of
    from pytest_isobench.errors import UsageError

    lock = work.scope.cache.lock("prepare", key_of(str((work.patches / agent).resolve())))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"another isobench prepare is making patches of {agent} in {work.patches}; wait for its end") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run in an orderly way; a second time, at once."""

    def end(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
