"""`isobench report`: print a report as its session did."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "report"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="print the table of a report again",
        description="Print the table and the totals of a report, or of the stream (.jsonl) of a session that was cut off. "
        "The exit status is 1 when something in it could not be read or does not fit.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="Report (.json) or stream (.jsonl)")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="Reasons and findings; -vv: how each case was measured")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="Only the totals")
    parser.add_argument("--width", metavar="COLUMNS", type=columns, help="Width of the table (default: the terminal's)")
    parser.set_defaults(run=run)


def columns(text: str) -> int:
    """Read a width. ArgumentTypeError for what is none."""
    if not text.isdecimal() or not 40 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no width; give 40 to 10000 columns")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    from pytest_isobench.cli.printing import paper
    from pytest_isobench.reports.reading import read_report
    from pytest_isobench.reports.terminal import summary_lines

    report = read_report(arguments.file)
    on, verbosity = paper(arguments.width), arguments.verbose - arguments.quiet
    for line in summary_lines(report, width=on.width, verbosity=verbosity, color=on.color, ascii_only=on.ascii_only):
        print(line)
    return 1 if report.refused else 0
