"""Confinement without bubblewrap: limits, and when root runs the tests another user. Most of what a sandbox promises does not hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from pytest_isobench.sandboxes import supervisor
from pytest_isobench.sandboxes.base import Process
from pytest_isobench.sandboxes.confinement import Confinement, Order, Place, limits, stand_ins, substitute, variables, visible
from pytest_isobench.sandboxes.trees import make_folder
from pytest_isobench.sandboxes.users import tasks_of


class Plain(Confinement):
    """Starts processes as they are, under a keeper that kills what they leave."""

    processes = 2

    def __init__(self, folder: Path, *, show: Callable[[Sequence[Path]], None]) -> None:
        """Use a session's `folder`; `show` makes folders reachable under their own names."""
        self._folder, self._show = folder, show
        self._numbers = count()
        make_folder(folder / "temporary", 0o1733)  # every user makes its own

    def prepare(self, place: Place) -> None:
        keeper = (Path(sys.prefix), Path(sys.base_prefix), Path(supervisor.__file__).parent)
        if place.runner is not None:
            self._show([*keeper, place.environment, *place.prefixes, *place.folders])

    def process(self, place: Place, order: Order) -> Process:
        """Describe the process; its temporary folder is its own, so ask again for every start."""
        temporary = str(self._folder / "temporary" / str(next(self._numbers)))
        python, programs = place.environment / "bin" / "python", self._folder / "programs"
        names = stand_ins(str(place.tree), str(python), str(programs))
        user = place.builder if order.writable else place.runner
        return Process(
            argv=substitute(order.argv, names),
            environment={
                **variables(place, order, tree=str(place.tree), python=str(python), temporary=temporary),
                **visible(gpu.index for gpu in order.gpus),
            },
            directory=str(place.tree),
            user=user,
            cores=order.cores,
            limits=limits(order.resources, processes=order.resources.pids + self.processes + tasks_of(user)),
            cgroups=order.cgroups,
            keep=True,
            temporary=temporary,
        )
