"""Command lines of benchmarks as people write them down: read into settings, and written again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pytest_isobench.benchmarks.arguments import Setting, read
from pytest_isobench.benchmarks.programs import ENGINES, PROGRAMS, Engine, Program, allowed, started
from pytest_isobench.benchmarks.words import Operator, Redirection, join, split
from pytest_isobench.errors import CommandError
from pytest_isobench.models.workload import EngineKind

_VARIABLE = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_SCENERY = {
    "cd": "what is run has a folder of its own",
    "sleep": "the server is asked until it answers",
    "wait": "the server is asked until it answers",
    "set": "there is no shell",
    "tee": "the output is kept anyway",
}
"""Commands around a benchmark that mean nothing without a shell, with the reason."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of a command that is not run."""

    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A benchmark's command line, understood."""

    program: str
    """Key of `PROGRAMS`."""
    settings: tuple[Setting, ...] = ()
    """Options of the program and, if it takes them or starts the engine itself, of the engine."""
    server: tuple[Setting, ...] = ()
    """Options of the server that the same line starts."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables, by name."""
    left_out: tuple[LeftOut, ...] = field(default=(), compare=False)

    @property
    def known(self) -> Program:
        return PROGRAMS[self.program]

    @property
    def kind(self) -> EngineKind:
        return self.known.kind

    @property
    def engine(self) -> Engine:
        return self.known.engine

    @property
    def model(self) -> str:
        """The model, as it is named to the program or to its server."""
        return self.value(self.known.model_option) or self.value(ENGINES[self.engine]["--model"].name)

    @property
    def gpus(self) -> int:
        """GPUs that the engine shares its model over."""
        sizes = (self.value(f"--{kind}-parallel-size") for kind in ("tensor", "pipeline", "data"))
        tensor, pipeline, data = (max(int(size), 1) if size else 1 for size in sizes)
        # SGLang's data-parallel attention divides the tensor-parallel GPUs instead of multiplying them.
        return tensor * pipeline * (1 if self.setting("--enable-dp-attention") else data)

    def setting(self, name: str) -> Setting | None:
        """Return what is set under a name; the benchmark's own line counts before its server's."""
        return next((setting for setting in (*self.settings, *self.server) if setting.name == name), None)

    def value(self, name: str) -> str:
        """Return the first value of a setting; empty without one."""
        found = self.setting(name)
        return found.values[0] if found and found.values else ""


def parse(text: object, *, engine: Engine | None = None, model: str | None = None) -> Command:
    """Read a command line: a script, a module or `vllm bench`, with variables before it, and with a server's start on the same line.

    With `engine`, a command of the other one is refused. With `model`, the command need not name one.

    Raises:
        CommandError: names the part that cannot be used, and what is allowed.
    """
    if not isinstance(text, str):
        raise CommandError("there is no command: it is null" if text is None else f"a command is text, not {type(text).__name__}")
    line = _Line()
    for words, after in _commands(split(text)):
        line.add(words, after)
    command = line.command()
    if engine and command.engine != engine:
        raise CommandError(f"{command.program} measures {command.engine}, and the record is of {engine}")
    if not (model or command.model):
        raise CommandError(f"no model is named: add {command.known.model_option} MODEL, or give the model beside the command")
    return command


def render(command: Command) -> str:
    """Return a command line that `parse` reads as this command."""
    variables = [f"{name}={value}" for name, value in command.variables]
    benchmark = join([*variables, "python", f"{command.program}.py", *_words(command.settings)])
    if not command.server:
        return benchmark
    module = "sglang.launch_server" if command.engine == "sglang" else "vllm.entrypoints.openai.api_server"
    return f"{join([*variables, 'python', '-m', module, *_words(command.server)])} & {benchmark}"


def _words(settings: Sequence[Setting]) -> Iterator[str]:
    for setting in settings:
        yield from setting.words


def _commands(words: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """Yield each command of a line with the operator after it, redirections still in it."""
    found: list[str] = []
    for word in words:
        if isinstance(word, Operator) and not isinstance(word, Redirection):
            yield found, str(word)
            found = []
        else:
            found.append(word)
    yield found, ""


class _Line:
    """Takes the commands of a line one after the other."""

    def __init__(self) -> None:
        self._program: Program | None = None
        self._settings: list[Setting] = []
        self._server: list[Setting] = []
        self._server_engine: Engine | None = None
        self._variables: dict[str, str] = {}
        self._left_out: list[LeftOut] = []

    def add(self, words: Sequence[str], after: str) -> None:
        if after in ("||", "(", ")"):
            raise CommandError(f"{after!r} needs a shell; write the one command that is measured")
        words = list(self._own(words))
        if not words:
            return
        if words[0] in _SCENERY:
            self._left_out.append(LeftOut(join(words), _SCENERY[words[0]]))
            return
        start = started(words)
        if start.program is None:
            self._take_server(start.engine, start.arguments)
        else:
            self._take_program(start.program, start.arguments)

    def command(self) -> Command:
        if self._program is None:
            what = "starts a server and no benchmark" if self._server_engine else "is empty"
            raise CommandError(f"the command {what}; {allowed()}")
        if self._server_engine and (self._server_engine != self._program.engine or not self._program.serves):
            raise CommandError(f"{self._program.name} does not ask the {self._server_engine} server that the same line starts")
        return Command(
            program=self._program.name,
            settings=self._once(self._settings),
            server=self._once(self._server),
            variables=tuple(sorted(self._variables.items())),
            left_out=tuple(self._left_out),
        )

    def _own(self, words: Sequence[str]) -> Iterator[str]:
        """Yield a command's words without redirections, and without the variables before it, which are kept."""
        rest, begun = iter(words), False
        for word in rest:
            if isinstance(word, Redirection):
                self._left_out.append(LeftOut(join([word, next(rest, "")] if word.takes_file else [word]), "the output is kept anyway"))
            elif not begun and word in ("export", "env"):
                continue
            elif not begun and (found := _VARIABLE.fullmatch(word)):
                self._variables[found[1]] = found[2]
            else:
                begun = True
                yield word

    def _take_server(self, engine: Engine, arguments: Sequence[str]) -> None:
        if self._server_engine:
            raise CommandError("the command starts two servers; write the one that is measured")
        self._server_engine = engine
        self._server = read(arguments, [ENGINES[engine]], engine)

    def _take_program(self, program: Program, arguments: Sequence[str]) -> None:
        if self._program:
            raise CommandError(f"the command starts two benchmarks, {self._program.name} and {program.name}; write one")
        self._program = program
        self._settings = read(arguments, [program.own, program.inner], program.engine)

    def _once(self, settings: Sequence[Setting]) -> tuple[Setting, ...]:
        """Return each option once; of several the last counts, as it does for the programs."""
        last = {setting.name: setting for setting in settings}
        again = [setting for setting in settings if last[setting.name] is not setting]
        self._left_out += [LeftOut(join(setting.words), "is given again later") for setting in again]
        return tuple(setting for setting in settings if last[setting.name] is setting)
