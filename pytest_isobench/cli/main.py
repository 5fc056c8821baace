"""The command `isobench`: what one wants to know before and after a session of pytest."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Protocol

import pytest_isobench
from pytest_isobench.cli import doctor, images, import_runs, journal, parse_log, plan, prepare, report, schema, validate
from pytest_isobench.errors import IsobenchError, UsageError, nearest

INTERRUPTED = 130
PIPE_CLOSED = 141
USAGE = 2


class Command(Protocol):
    """A module of this package: it adds its own parser, whose default `run` takes the parsed arguments and returns the exit status."""

    NAME: str

    def register(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None: ...


COMMANDS: Sequence[Command] = [report, validate, doctor, plan, prepare, import_runs, images, journal, parse_log, schema]

EPILOG = """exit status: 0 good, 1 something is wrong with what was looked at, 2 the command was wrong.
To measure patches, run pytest: pytest --isobench-agent=human"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except IsobenchError as error:
        return _complain(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more when it ends; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return status


def _dispatch(arguments: Sequence[str]) -> int:
    parser = _parser()
    names = [command.NAME for command in COMMANDS]
    if not arguments:
        parser.print_help()
        return 0
    if not arguments[0].startswith("-") and arguments[0] not in names:
        raise UsageError(f"there is no command {arguments[0]!r}{nearest(arguments[0], names)}; commands: {', '.join(names)}")
    parsed = parser.parse_args(arguments)
    status: int = parsed.run(parsed)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="isobench", description=pytest_isobench.__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"pytest-isobench {pytest_isobench.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.register(commands)
    return parser


def _complain(error: IsobenchError) -> int:
    from pytest_isobench.reports.text import Paper

    print(f"isobench: {Paper(width=80).clean(str(error))}", file=sys.stderr)
    return USAGE
