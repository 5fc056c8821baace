"""The local sandbox: arms on this machine, confined by bubblewrap where it works, and by limits and users where it does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pytest_isobench import workloads
from pytest_isobench.dataset.versions import Version
from pytest_isobench.errors import NotEvaluableError, SandboxError
from pytest_isobench.gpus import Driver
from pytest_isobench.models.container import ContainerSettings
from pytest_isobench.models.result import Isolation
from pytest_isobench.models.task import Environment, Resources
from pytest_isobench.sandboxes import building, cgroups, seccomp, settle
from pytest_isobench.sandboxes.base import STANDARD, ExecResult, Needs, Process, Sandbox, SandboxProvider, no_arm
from pytest_isobench.sandboxes.bubblewrap import DRIVER, Bubblewrap, Program
from pytest_isobench.sandboxes.confinement import Confinement, Order, Place
from pytest_isobench.sandboxes.exposure import Exposure
from pytest_isobench.sandboxes.interpreter import needs
from pytest_isobench.sandboxes.plain import Plain
from pytest_isobench.sandboxes.probe import OWN_NAMESPACES, Abilities, isolation, probe
from pytest_isobench.sandboxes.session import Session, reap
from pytest_isobench.sandboxes.supervision import SupervisorClient
from pytest_isobench.sandboxes.trees import Tree, Trees, make_folder
from pytest_isobench.sandboxes.users import claim_any, reachable

PROGRAMS = (Path(workloads.__file__).with_name("worker.py"), Path(settle.__file__))
"""Our own programs that run inside."""


class LocalProvider(SandboxProvider):
    """Makes local sandboxes: with bubblewrap when it works, unless told to use it (True) or to do without (False)."""

    name = "local"
    shows_folders = True

    def __init__(self, settings: ContainerSettings | None = None, *, bubblewrap: bool | None = None, driver: Driver = DRIVER) -> None:  # noqa: ARG002 - no container
        self._wanted, self._driver = bubblewrap, driver

    def open(self, needs: Needs = STANDARD) -> LocalSandbox:
        """Make a sandbox; every process says for itself what it needs besides `needs.folders`."""
        abilities = probe()
        reap()
        return LocalSandbox(abilities, self._program(abilities), needs, self._driver)

    def clean(self) -> list[str]:
        return reap()

    def isolation(self) -> Isolation:
        abilities = probe()
        return isolation(abilities, confined=self._program(abilities) is not None)

    def _program(self, abilities: Abilities) -> Program | None:
        found = abilities.bubblewrap
        if self._wanted is False:
            return None
        if isinstance(found, str):
            if self._wanted:
                raise SandboxError(found)
            return None
        return found


class LocalSandbox(Sandbox):
    """One campaign's arms on this machine."""

    supervisor: SupervisorClient

    def __init__(self, abilities: Abilities, program: Program | None, needs: Needs = STANDARD, driver: Driver = DRIVER) -> None:
        if shutil.which("git") is None:
            raise SandboxError("git is needed to apply patches and is not installed (apt install git)")
        self.isolation = isolation(abilities, confined=program is not None, gpus=needs.resources.gpus > 0)
        self._abilities, self._folders, self._driver = abilities, needs.folders, driver
        self._groups = cgroups.ControlGroups(abilities.groups)
        self._places: dict[str, Place] = {}
        self._stages: dict[tuple[Path, Path], Tree] = {}
        self._known: set[str] = set()
        self._stack, self._claims = ExitStack(), ExitStack()
        try:
            self._open(program)
        except BaseException:
            self.close()
            raise

    def _open(self, program: Program | None) -> None:
        self._stack.callback(self._claims.close)  # the last of all: what runs under these users is killed before
        self._session = Session()
        self._stack.callback(self._session.close)
        folder = self._session.path
        if self._abilities.drops and not reachable(folder.parent):
            raise SandboxError(f"the candidates' users cannot reach {folder}; set TMPDIR to a folder that everybody may enter")
        programs = make_folder(folder / "programs", 0o755)
        for path in PROGRAMS:
            shutil.copyfile(path, programs / path.name)
            (programs / path.name).chmod(0o644)
        # the supervisor's temporary files stay in the session's folder, by which its processes are also known
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TMPDIR": str(folder)}
        self.supervisor = SupervisorClient.launch(OWN_NAMESPACES if self._abilities.mounts else (), environment=environment)
        self._stack.callback(self.supervisor.close)
        mount = self.supervisor.mount if self._abilities.mounts else None
        self._confinement = self._confine(program, folder, Exposure(folder, mount))
        overlays = program is not None and self._abilities.overlays
        self._trees = Trees(folder, mount=mount if overlays else None, claim=self._claim)

    def _confine(self, program: Program | None, folder: Path, exposure: Exposure) -> Confinement:
        if program is None:
            return Plain(folder, show=exposure.show)
        source = exposure.source if self._abilities.drops else Path
        return Bubblewrap(program, folder, source=source, filters=self._filters(folder), driver=self._driver)

    def _filters(self, folder: Path) -> seccomp.Filters | None:
        """Write the filters for builds and for candidates."""
        if self._abilities.no_filter:
            return None
        filters = seccomp.Filters(*(folder / f"{name}.bpf" for name in seccomp.Filters._fields))
        pinned = not cgroups.pinned(self._abilities.groups)
        seccomp.write_filter(filters.build, pinned=False)
        seccomp.write_filter(filters.candidate, pinned=pinned)
        seccomp.write_filter(filters.gpu_user, pinned=pinned, lists_interfaces=True)
        return filters

    def _claim(self) -> int | None:
        """Take a user for this session; None where processes cannot be given one."""
        if not self._abilities.drops:
            return None
        claim = claim_any()
        self._claims.callback(claim.release)
        self._session.note(users=(claim.user,))
        return claim.user

    def add(
        self, arm: str, version: Version, environment: Environment, *, patch: str | None = None, beside: str | None = None  # noqa: ARG002
    ) -> None:
        if arm in self._places:
            raise SandboxError(f"the sandbox already has an arm {arm!r}")
        stage = self._stage(version, environment)
        place = self._place(self._trees.arm(stage), version, environment)
        since = self._session.stamp()
        patches = [text for text in (version.patch, patch) if text is not None]
        run = self._runner(place)
        for text in patches:
            building.apply(run, text)
        if patches:
            building.settle(run, since)  # before the install commands: they must not meet the bytecode of what was patched
        for command in environment.install:
            building.install(run, command)
        if environment.install:
            building.settle(run, since)
        self._trees.close(Tree(place.tree, place.builder, place.runner))
        self._places[arm] = place

    def process(
        self,
        arm: str,
        argv: Sequence[str],
        *,
        resources: Resources,
        variables: Mapping[str, str] | None = None,
        cores: Sequence[int] = (),
        writable: bool = False,
        network: bool = False,
        joint: bool = False,
    ) -> Process:
        """Describe a confined process in an arm; `{worker}` stands for the worker program. Ask again for every start."""
        if resources.gpus > len(self.gpus):
            raise NotEvaluableError(f"needs {resources.gpus} GPU(s), and {len(self.gpus) or 'none'} are leased to this sandbox")
        if arm not in self._places:
            raise no_arm(arm, self._places)
        order = Order(
            argv=argv,
            resources=resources,
            variables=variables or {},
            cores=tuple(cores),
            writable=writable,
            network=network,
            joint=joint and self.isolation.network,
            gpus=self.gpus if resources.gpus else (),
        )
        return self._describe(self._places[arm], order)

    def close(self) -> None:
        self._stack.close()

    def _stage(self, version: Version, environment: Environment) -> Tree:
        """Copy a version's tree and compile it, once for all arms that start from it."""
        key = (version.tree, version.environment.path)
        if key not in self._stages:
            stage = self._trees.stage(version.tree)
            run = self._runner(self._place(stage, version, environment))
            building.settle(run, 0)
            self._trees.hide(stage)
            self._stages[key] = stage
        return self._stages[key]

    def _place(self, tree: Tree, version: Version, environment: Environment) -> Place:
        path = version.environment.path.absolute()
        place = Place(
            tree=tree.path,
            environment=path,
            prefixes=needs(path),
            folders=self._folders,
            spec=environment,
            builder=tree.builder,
            runner=tree.runner,
        )
        self._confinement.prepare(place)
        return place

    def _runner(self, place: Place) -> building.Run:
        def run(argv: Sequence[str], *, variables: Mapping[str, str] | None = None, stdin: bytes = b"", timeout: float) -> ExecResult:
            order = Order(argv=argv, resources=building.RESOURCES, variables=variables or {}, writable=True)
            return self.supervisor.run(self._describe(place, order), stdin=stdin, timeout=timeout)

        return run

    def _describe(self, place: Place, order: Order) -> Process:
        return self._confinement.process(place, replace(order, cgroups=self._groups_of(place, order)))

    def _groups_of(self, place: Place, order: Order) -> tuple[str, ...]:
        """Make the control groups of an arm; its builds have others than its candidates, which may be frozen meanwhile."""
        name = f"{self._session.path.name}-{place.tree.parent.name}-{'build' if order.writable else 'run'}"
        if name not in self._known:
            self._known.add(name)
            self._session.note(groups=self._groups.folders(name))
        return self._groups.make(name, order.resources, order.cores, self._confinement.processes)
