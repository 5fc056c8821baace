"""The table of `isobench images list`."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from pytest_isobench.cli.image_work import Work
from pytest_isobench.images.plan import Plan
from pytest_isobench.images.store import Stored

WIDTH = 160
"""Columns of the table where no terminal shows it."""
SHORT = 12
"""Characters of a digest that tell one from another."""
COLUMNS = ("task", "tag", "own", "shared", "created", "digest", "state")
STATES = {"fresh": "green", "stale": "yellow", "unneeded": "dim", "unknown": "yellow"}


def print_table(images: Sequence[Stored], work: Work) -> None:
    """Print the images, the newest first."""
    table = Table(box=None, pad_edge=False, header_style="bold" if work.on.color else "")
    for title in COLUMNS:
        table.add_column(title, justify="right" if title in ("own", "shared") else "left", no_wrap=title != "tag", overflow="fold")
    for image in images:
        created = datetime.datetime.fromtimestamp(image.created, datetime.UTC).strftime("%Y-%m-%d %H:%M")
        state = state_of(image, work.plan)
        tags = "\n".join(work.on.clean(tag.removeprefix(f"{work.prefix}:")) for tag in sorted(image.tags)) or "-"
        cells = (
            work.on.clean(image.task) or "-",
            tags,
            decimal(image.own),
            decimal(image.shared),
            created,
            work.on.clean(image.digest[:SHORT]),
        )
        table.add_row(*map(Text, cells), Text(state, style=STATES[state] if work.on.color else ""))
    console = Console(
        width=work.on.width if sys.stdout.isatty() else WIDTH, color_system="standard" if work.on.color else None, highlight=False
    )
    console.print(table)


def state_of(image: Stored, plan: Plan) -> str:
    """Tell whether a task needs this image."""
    if image.digest in plan.tasks_of():
        return "fresh"
    if image.task in {left.task for left in plan.broken}:
        return "unknown"
    return "stale" if image.task in {recipe.task for recipe in plan.recipes} else "unneeded"
