"""What every command of `isobench images` starts from: configuration, overrides and tasks."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_isobench.errors import UsageError

if TYPE_CHECKING:
    from pytest_isobench.images.plan import Plan
    from pytest_isobench.reports.text import Paper

TEMPLATES = Path("fixtures/images")
PREFIX = "isobench"


@dataclass(frozen=True, slots=True)
class Work:
    """What every command starts from."""

    plan: Plan
    prefix: str
    home: Path
    on: Paper


def read_work(arguments: argparse.Namespace, *, optional: bool = False) -> Work:
    """Read configuration, overrides and tasks. `optional`: a project without task files has none."""
    from pytest_isobench.benchmarks.overrides import OVERRIDES
    from pytest_isobench.cli.ini import read_ini
    from pytest_isobench.cli.printing import paper
    from pytest_isobench.cli.validate import project_files
    from pytest_isobench.dataset.cache import Cache
    from pytest_isobench.images.overrides import read_overrides
    from pytest_isobench.images.plan import Choices, make_plan

    ini = read_ini(Path.cwd())
    choices = Choices(
        templates=ini.home / TEMPLATES,
        overrides=read_overrides(ini.home / OVERRIDES),
        base=_base(arguments.base),
        default_base=ini.text("isobench_image_base"),
        platform=arguments.platform,
        wheels=_wheels(arguments.wheels),
    )
    plan = make_plan(project_files(arguments.files, ini, optional=optional), choices, Cache.default(), getattr(arguments, "commit", ()))
    return Work(plan, _prefix(arguments.prefix or ini.text("isobench_image_prefix") or PREFIX), ini.home, paper())


def _prefix(prefix: str) -> str:
    if not re.fullmatch(r"([A-Za-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*", prefix):
        raise UsageError(
            f"--prefix {prefix!r}: give the name of an image without a tag, in small letters: isobench, or host:5000/team/isobench"
        )
    return prefix


def _base(base: str | None) -> str | None:
    if base is not None and not re.fullmatch(r"[A-Za-z0-9][\w.:/@-]*", base):
        raise UsageError(f"--base {base!r}: give the name of an image, such as python:3.12-slim")
    return base


def _wheels(folder: Path | None) -> Path | None:
    if folder is not None and not folder.is_dir():
        raise UsageError(f"--wheels {folder}: is no folder")
    return folder


def print_left(work: Work) -> None:
    """Print the tasks of which no image is built, and why."""
    from pytest_isobench.redaction import redact

    for left in work.plan.left:
        print(work.on.clean(f"{'left out' if left.wanted else 'FAILED'} {left.task}: {redact(left.reason)}"))
