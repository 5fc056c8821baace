"""`isobench images`: build container images of tasks, and look after them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_isobench.cli.image_work import Work, print_left, read_work

if TYPE_CHECKING:
    from docker import DockerClient

    from pytest_isobench.images.building import Builder
    from pytest_isobench.images.recipe import Recipe
    from pytest_isobench.images.store import Stored

NAME = "images"
LOGS = Path("reports/images")
SHORT = 12
"""Characters of a digest that tell one from another."""


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


def build(arguments: argparse.Namespace) -> int:
    """Build images, a line for each as soon as it is there."""
    from pytest_isobench.errors import UsageError
    from pytest_isobench.images import client

    if not (arguments.all or arguments.commit or arguments.files):
        raise UsageError("isobench images build: say of what: task files, --commit SHA, or --all")
    work = read_work(arguments)
    if arguments.dry_run:
        return _show(work)
    with client.engine() as engine:
        builder = _builder(arguments, work, engine)

        def make(recipe: Recipe) -> str:
            built = builder.build(recipe)
            if arguments.push:
                _push(engine, work.prefix, recipe)
            return f"{built.state}{' and pushed' if arguments.push else ''} in {built.seconds:.1f} s"

        return _each(work, arguments.jobs, make)


def push(arguments: argparse.Namespace) -> int:
    """Push images that are there and fresh."""
    from pytest_isobench.errors import ImageError
    from pytest_isobench.images import client, store

    work = read_work(arguments)
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

    work = read_work(arguments)
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

    work = read_work(arguments, optional=True)
    with client.engine() as engine:
        images = [image for image in store.stored(engine) if _is_ours(image, work.prefix)]
    print_left(work)
    if images:
        from pytest_isobench.cli.image_table import print_table

        print_table(images, work)
    else:
        print(work.on.clean(f"no images with the prefix {work.prefix}"))
    return 0


def prune(arguments: argparse.Namespace) -> int:
    """Remove images, and say how much came free."""
    from rich.filesize import decimal

    from pytest_isobench.errors import UsageError
    from pytest_isobench.images import client, store

    work = read_work(arguments, optional=arguments.all)
    if work.plan.broken and not arguments.all:
        print_left(work)
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


def _builder(arguments: argparse.Namespace, work: Work, engine: DockerClient) -> Builder:
    from pytest_isobench.dataset.cache import Cache
    from pytest_isobench.images.building import Builder

    return Builder(
        client=engine,
        cache=Cache.default(),
        prefix=work.prefix,
        logs=arguments.logs or work.home / LOGS,
        skip_existing=arguments.skip_existing,
    )


def _each(work: Work, jobs: int, do: Callable[[Recipe], str]) -> int:
    """Do something for every recipe, several at a time, and print a line for each as it ends."""
    from pytest_isobench.errors import IsobenchError
    from pytest_isobench.images.client import refusals
    from pytest_isobench.threads import in_threads

    def guarded(recipe: Recipe) -> str:
        with refusals():
            return do(recipe)

    recipes, failures = work.plan.recipes, len(work.plan.broken)
    print_left(work)
    for done, (recipe, said) in enumerate(in_threads(jobs, recipes, guarded), 1):
        if isinstance(said, BaseException) and not isinstance(said, IsobenchError):
            raise said
        failures += not isinstance(said, str)
        text = f"{recipe.task} {said}: {work.prefix}:{recipe.own_tag}" if isinstance(said, str) else f"FAILED {said}"
        first, *more = text.splitlines()
        print(work.on.clean(f"[{done}/{len(recipes)}] {first}"), flush=True)
        for line in more:
            print(f"    {work.on.clean(line)}", flush=True)
    return 1 if failures else 0


def _push(engine: DockerClient, prefix: str, recipe: Recipe) -> None:
    from pytest_isobench.images import store

    for tag in recipe.tags:
        store.push(engine, prefix, tag)


def _show(work: Work, what: str = "build") -> int:
    """Print what would be done."""
    print_left(work)
    for recipe in work.plan.recipes:
        way = f"its own {recipe.dockerfile} and the template {recipe.template}" if recipe.dockerfile else f"the template {recipe.template}"
        origin = f" from {recipe.contents.base} with {way}" if what == "build" else ""
        tags = " and ".join(f"{work.prefix}:{tag}" for tag in recipe.tags)
        print(work.on.clean(f"would {what} {recipe.task} as {tags}{origin}, digest {recipe.digest[:SHORT]}"))
    return 1 if work.plan.broken else 0


def _is_ours(image: Stored, prefix: str) -> bool:
    """Tell whether an image bears the prefix, or no name at all any more."""
    return not image.tags or any(tag.startswith(f"{prefix}:") for tag in image.tags)
