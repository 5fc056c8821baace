"""`isobench images`: build container images of tasks, and look after them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

    from pytest_isobench.cli.ini import Ini
    from pytest_isobench.images.building import Builder
    from pytest_isobench.images.plan import Plan
    from pytest_isobench.images.recipe import Recipe
    from pytest_isobench.images.store import Stored
    from pytest_isobench.reports.text import Paper

NAME = "images"
TEMPLATES, OVERRIDES, LOGS = Path("fixtures/images"), Path("fixtures/overrides.yaml"), Path("reports/images")
PREFIX = "isobench"
WIDTH = 160
"""Columns of the table where no terminal shows it."""
SHORT = 12
"""Characters of a digest that tell one from another."""
STATES = {"fresh": "green", "stale": "yellow", "unneeded": "dim", "unknown": "yellow"}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its own commands."""
    parser = commands.add_parser(
        NAME,
        help="build, push, pull, list and prune container images of tasks",
        description="Container images of tasks, for sandboxes in containers: the base tree and its environment, built once per content. "
        "DOCKER_HOST names the engine; podman's socket works as well. The exit status is 1 when something failed.",
    )
    inner = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, run_, text in (
        ("build", build, "Build images of tasks, each from its base commit; what is there unchanged is not built again."),
        ("push", push, "Push the images of tasks to the registry that --prefix names."),
        ("pull", pull, "Pull the images of tasks, and check that they are made of what the tasks say."),
        ("list", list_, "Show the images that the engine has, and whether tasks still need them."),
        ("prune", prune, "Remove images that no task needs any more."),
    ):
        own = inner.add_parser(name, help=text[0].lower() + text[1:].removesuffix("."), description=text)
        _add_common(own)
        if add := OPTIONS.get(name):
            add(own)
        own.set_defaults(run=run_)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="Task file, or a folder of them (default: isobench_tasks)")
    parser.add_argument("--prefix", metavar="NAME", help="Name of the images: host/team/name (default: isobench_image_prefix)")
    parser.add_argument("--base", metavar="IMAGE", help="Image that all start from, instead of what tasks and ini values say")
    parser.add_argument("--platform", metavar="OS/ARCH", help="Platform, such as linux/amd64 (default: the engine's)")
    parser.add_argument("--wheels", metavar="FOLDER", type=Path, help="Install packages from this folder, without an index")


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--commit", metavar="SHA", action="append", default=[], help="Only tasks with this commit or id. Repeatable.")
    parser.add_argument("--dry-run", action="store_true", help="Show what would be done, and do nothing")
    parser.add_argument("-j", "--jobs", metavar="N", type=_jobs, default=1, help="Images at the same time (default: 1)")


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="Build the images of all tasks")
    _add_choice(parser)
    parser.add_argument("--push", action=argparse.BooleanOptionalAction, default=False, help="Push what was built (default: do not)")
    parser.add_argument(
        "--skip-existing", action="store_true", help="Leave images as they are that exist under their tags, also stale ones"
    )
    parser.add_argument("--logs", metavar="FOLDER", type=Path, help=f"Where each build's log is kept (default: {LOGS})")


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="Remove all images with the prefix, also those that tasks need")
    parser.add_argument("--dry-run", action="store_true", help="Show what would be removed, and remove nothing")


OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "build": _add_build,
    "push": _add_choice,
    "pull": _add_choice,
    "prune": _add_prune,
}


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 to 64")
    return int(text)


@dataclass(frozen=True, slots=True)
class Work:
    """What every command starts from."""

    plan: Plan
    prefix: str
    home: Path
    on: Paper


def build(arguments: argparse.Namespace) -> int:
    """Build images, a line for each as soon as it is there."""
    from pytest_isobench.errors import UsageError
    from pytest_isobench.images import client

    if not (arguments.all or arguments.commit or arguments.files):
        raise UsageError("isobench images build: say of what: task files, --commit SHA, or --all")
    work = _work(arguments)
    if arguments.dry_run:
        return _show(work)
    with client.engine() as engine:
        builder = _builder(arguments, work, engine)

        def make(recipe: Recipe) -> str:
            built = builder.build(recipe)
            if arguments.push:
                _push(engine, work.prefix, recipe)
            return f"{built.state}{' and pushed' if arguments.push else ''} in {built.seconds:.1f} s"

        return _each(work, arguments.jobs, make, builder.stop.set)


def push(arguments: argparse.Namespace) -> int:
    """Push images that are there and fresh."""
    from pytest_isobench.errors import ImageError
    from pytest_isobench.images import client, store

    work = _work(arguments)
    if arguments.dry_run:
        return _show(work, "push")
    with client.engine() as engine:

        def send(recipe: Recipe) -> str:
            for tag in recipe.tags:
                digest = store.digest_of(engine, f"{work.prefix}:{tag}")
                if digest != recipe.digest:
                    trouble = "does not exist" if digest is None else "is made of something else"
                    raise ImageError(f"{recipe.task}: {work.prefix}:{tag} {trouble}; run isobench images build first")
            _push(engine, work.prefix, recipe)
            return "pushed"

        return _each(work, arguments.jobs, send)


def pull(arguments: argparse.Namespace) -> int:
    """Pull images and check them."""
    from pytest_isobench.errors import ImageError
    from pytest_isobench.images import client, store

    work = _work(arguments)
    if arguments.dry_run:
        return _show(work, "pull")
    with client.engine() as engine:

        def fetch(recipe: Recipe) -> str:
            for tag in recipe.tags:
                store.pull(engine, work.prefix, tag, arguments.platform)
                if store.digest_of(engine, f"{work.prefix}:{tag}") != recipe.digest:
                    raise ImageError(
                        f"{recipe.task}: {work.prefix}:{tag} was pulled, and is made of something else than the task says; build it"
                    )
            return "pulled"

        return _each(work, arguments.jobs, fetch)


def list_(arguments: argparse.Namespace) -> int:
    """Print a table of images."""
    from pytest_isobench.images import client, store

    work = _work(arguments, optional=True)
    with client.engine() as engine:
        images = [image for image in store.stored(engine) if _is_ours(image, work.prefix)]
    _print_left(work)
    if images:
        _print_table(images, work)
    else:
        print(work.on.clean(f"no images with the prefix {work.prefix}"))
    return 0


def prune(arguments: argparse.Namespace) -> int:
    """Remove images, and say how much came free."""
    from rich.filesize import decimal

    from pytest_isobench.errors import UsageError
    from pytest_isobench.images import client, store

    work = _work(arguments, optional=arguments.all)
    if work.plan.broken and not arguments.all:
        _print_left(work)
        raise UsageError("what these tasks need is not known, so nothing is removed; repair them, or give --all to remove every image")
    needed = {} if arguments.all else work.plan.tasks_of()
    kept = 0
    with client.engine() as engine:
        before = store.used(engine)
        for image in store.stored(engine):
            if not _is_ours(image, work.prefix) or image.digest in needed:
                continue
            name = ", ".join(image.tags) or image.id.removeprefix("sha256:")[:SHORT]
            reason = None if arguments.dry_run else store.remove(engine, image)
            kept += reason is not None
            said = (
                f"kept {name}: {reason}"
                if reason
                else f"{'would remove' if arguments.dry_run else 'removed'} {name} ({decimal(image.own)} of its own)"
            )
            print(work.on.clean(said))
        if not arguments.dry_run:
            print(work.on.clean(f"{decimal(max(before - store.used(engine), 0))} came free"))
    return 1 if kept else 0


def _work(arguments: argparse.Namespace, *, optional: bool = False) -> Work:
    """Read configuration, overrides and tasks. `optional`: a project without task files has none."""
    from pytest_isobench.cli.ini import read_ini
    from pytest_isobench.cli.printing import paper
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
    plan = make_plan(_files(arguments.files, ini, optional), choices, Cache.default(), getattr(arguments, "commit", ()))
    return Work(plan, _prefix(arguments.prefix or ini.text("isobench_image_prefix") or PREFIX), ini.home, paper())


def _files(given: list[Path], ini: Ini, optional: bool) -> list[Path]:
    from pytest_isobench.cli.validate import task_files
    from pytest_isobench.errors import UsageError

    paths = given or ini.paths("isobench_tasks", ["tasks"])
    found = [path for path in paths if path.exists()]
    if not given and not found and not optional:
        raise UsageError(f"there are no task files in {', '.join(map(str, paths))}; name some")
    return list(task_files(paths if given else found))


def _prefix(prefix: str) -> str:
    import re

    from pytest_isobench.errors import UsageError

    if not re.fullmatch(r"([A-Za-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*", prefix):
        raise UsageError(
            f"--prefix {prefix!r}: give the name of an image without a tag, in small letters: isobench, or host:5000/team/isobench"
        )
    return prefix


def _base(base: str | None) -> str | None:
    import re

    from pytest_isobench.errors import UsageError

    if base is not None and not re.fullmatch(r"[A-Za-z0-9][\w.:/@-]*", base):
        raise UsageError(f"--base {base!r}: give the name of an image, such as python:3.12-slim")
    return base


def _wheels(folder: Path | None) -> Path | None:
    from pytest_isobench.errors import UsageError

    if folder is not None and not folder.is_dir():
        raise UsageError(f"--wheels {folder}: is no folder")
    return folder


def _builder(arguments: argparse.Namespace, work: Work, engine: DockerClient) -> Builder:
    from threading import Event

    from pytest_isobench.dataset.cache import Cache
    from pytest_isobench.images.building import Builder

    return Builder(
        client=engine,
        cache=Cache.default(),
        prefix=work.prefix,
        logs=arguments.logs or work.home / LOGS,
        skip_existing=arguments.skip_existing,
        stop=Event(),
    )


def _each(work: Work, jobs: int, do: Callable[[Recipe], str], stop: Callable[[], None] = lambda: None) -> int:
    """Do something for every recipe, several at a time, and print a line for each as it ends."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    from pytest_isobench.errors import IsobenchError

    recipes, failures = work.plan.recipes, len(work.plan.broken)
    _print_left(work)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(do, recipe): recipe for recipe in recipes}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                recipe = futures[future]
                try:
                    first, *more = [f"{recipe.task} {future.result()}: {work.prefix}:{recipe.own_tag}"]
                except IsobenchError as error:
                    failures += 1
                    first, *more = f"FAILED {error}".splitlines()
                print(work.on.clean(f"[{done}/{len(recipes)}] {first}"), flush=True)
                for line in more:
                    print(f"    {work.on.clean(line)}", flush=True)
        except BaseException:
            stop()
            pool.shutdown(cancel_futures=True)
            raise
    return 1 if failures else 0


def _push(engine: DockerClient, prefix: str, recipe: Recipe) -> None:
    from pytest_isobench.images import store

    for tag in recipe.tags:
        store.push(engine, prefix, tag)


def _show(work: Work, what: str = "build") -> int:
    """Print what would be done."""
    _print_left(work)
    for recipe in work.plan.recipes:
        way = f"its own {recipe.dockerfile} and the template {recipe.template}" if recipe.dockerfile else f"the template {recipe.template}"
        origin = f" from {recipe.contents.base} with {way}" if what == "build" else ""
        tags = " and ".join(f"{work.prefix}:{tag}" for tag in recipe.tags)
        print(work.on.clean(f"would {what} {recipe.task} as {tags}{origin}, digest {recipe.digest[:SHORT]}"))
    return 1 if work.plan.broken else 0


def _print_left(work: Work) -> None:
    for left in work.plan.left:
        print(work.on.clean(f"{'left out' if left.wanted else 'FAILED'} {left.task}: {left.reason}"))


def _is_ours(image: Stored, prefix: str) -> bool:
    """Tell whether an image bears the prefix, or no name at all any more."""
    return not image.tags or any(tag.startswith(f"{prefix}:") for tag in image.tags)


def _state(image: Stored, plan: Plan) -> str:
    if image.digest in plan.tasks_of():
        return "fresh"
    if image.task in {left.task for left in plan.broken}:
        return "unknown"
    return "stale" if image.task in {recipe.task for recipe in plan.recipes} else "unneeded"


def _print_table(images: Sequence[Stored], work: Work) -> None:
    import datetime

    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold" if work.on.color else "")
    for title in ("task", "tag", "own", "shared", "created", "digest", "state"):
        table.add_column(title, justify="right" if title in ("own", "shared") else "left", no_wrap=title != "tag", overflow="fold")
    for image in images:
        created = datetime.datetime.fromtimestamp(image.created, datetime.UTC).strftime("%Y-%m-%d %H:%M")
        state = _state(image, work.plan)
        tags = "\n".join(work.on.clean(tag.removeprefix(f"{work.prefix}:")) for tag in sorted(image.tags)) or "-"
        cells = (work.on.clean(image.task) or "-", tags, decimal(image.own), decimal(image.shared), created, image.digest[:SHORT])
        table.add_row(*map(Text, cells), Text(state, style=STATES[state] if work.on.color else ""))
    console = Console(
        width=work.on.width if sys.stdout.isatty() else WIDTH, color_system="standard" if work.on.color else None, highlight=False
    )
    console.print(table)
