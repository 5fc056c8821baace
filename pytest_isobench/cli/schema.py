"""`isobench schema`: print a JSON schema."""

from __future__ import annotations

import argparse
import json

NAME = "schema"
SCHEMAS = ("report", "result", "task", "agent", "attempt")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        NAME,
        help="print the JSON schema of reports, results, tasks, agents or attempts",
        description="Print a JSON schema (draft 2020-12). In those of reports and results every number has a 'unit', and a 'direction' "
        "where one end is better.",
    )
    parser.add_argument("name", metavar="|".join(SCHEMAS), nargs="?", default="report", help="What to describe (default: report)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from pytest_isobench.reports.schema import schema_of

    print(json.dumps(schema_of(arguments.name), indent=2))
    return 0
