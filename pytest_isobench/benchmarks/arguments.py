"""Arguments of a benchmark as settings: every spelling that argparse takes, and an error for everything else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_isobench.benchmarks import options
from pytest_isobench.benchmarks.options import LISTS, Option, fits, needed
from pytest_isobench.benchmarks.programs import PROGRAMS, Engine
from pytest_isobench.errors import CommandError, nearest

DTYPES = ("auto", "half", "float16", "bfloat16", "float", "float32")
_BACKENDS: dict[Engine, tuple[str, ...]] = {
    "vllm": ("vllm", "openai", "openai-chat", "openai-audio", "vllm-chat", "openai-embeddings"),
    "sglang": ("sglang", "sglang-native", "sglang-oai", "sglang-oai-chat", "engine", "srt"),
}
_PLACEHOLDER = re.compile(
    r"\[(?!ngram\]).*|<.*>|\.\.\.|…|N/A|(?:\w+_)?(?:MODEL|PATH|TOKENIZER)(?:_\w+)?|(?:.*/)?path/to/.*|(?i:your[-_].*)", re.DOTALL
)
_NEGATIVE = re.compile(r"-\d+(\.\d*)?|-\.\d+")


@dataclass(frozen=True, slots=True)
class Setting:
    """An option with what stands after it."""

    name: str
    values: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The option as words of a command line."""
        return (self.name, *self.values)


def read(arguments: Sequence[str], tables: Sequence[Mapping[str, Option]], engine: Engine) -> list[Setting]:
    """Return the settings, in the order in which they stand. Raises CommandError."""
    words, found = list(arguments), list[Setting]()
    while words:
        word = words.pop(0)
        if word in ("-", "--") or not word.startswith("-"):
            raise CommandError(_stray(word))
        option, given = _option(word, tables, engine)
        values = (given,) if given is not None else tuple(_taken(option, words))
        del words[: len(values) if given is None else 0]
        found.append(Setting(option.name, tuple(_checked(option, value, engine) for value in _complete(option, values))))
    return found


def _stray(word: str) -> str:
    kind = "is a placeholder" if _PLACEHOLDER.fullmatch(word) else "belongs to no option"
    return f"{word!r:.80} {kind}; write options as --name value"


def _option(word: str, tables: Sequence[Mapping[str, Option]], engine: Engine) -> tuple[Option, str | None]:
    """Return the option that a word means, and the value that hangs on it."""
    head, equals, value = word.partition("=")
    name = head if not head.startswith("--") else head.replace("_", "-")
    option = _exact(name, tables) or _abbreviated(name, tables)
    if option:
        return option, value if equals else None
    if not word.startswith("--") and (short := _exact(word[:2], tables)):
        return short, word[2:].removeprefix("=")
    if known := _exact(name, _everywhere(engine)):
        return known, value if equals else None
    names = [spelling for table in tables for spelling in table]
    raise CommandError(f"unknown option {head!r:.80}{nearest(name, names)}")


def _exact(name: str, tables: Iterable[Mapping[str, Option]]) -> Option | None:
    return next((table[name] for table in tables if name in table), None)


def _abbreviated(name: str, tables: Sequence[Mapping[str, Option]]) -> Option | None:
    """Return the option whose beginning this is. The program's own count first, since what is abbreviated was written for it."""
    for table in tables if name.startswith("--") and len(name) > len("--") else ():
        meant = {option.name: option for spelling, option in table.items() if spelling.startswith(name)}
        if len(meant) > 1:
            raise CommandError(f"{name!r} may be any of {', '.join(sorted(meant))}; write it out")
        if meant:
            return next(iter(meant.values()))
    return None


def _everywhere(engine: Engine) -> Iterator[Mapping[str, Option]]:
    """Yield the options of all programs of an engine: people write them where they have no effect."""
    yield from (program.own for program in PROGRAMS.values() if program.engine == engine)
    yield options.VLLM_ENGINE if engine == "vllm" else options.SGLANG_ENGINE


def _taken(option: Option, words: Sequence[str]) -> Iterator[str]:
    """Yield the words that belong to an option."""
    if option.takes == "flag":
        return
    for word in words:
        if word.startswith("-") and len(word) > 1 and not _NEGATIVE.fullmatch(word):
            return
        if option.takes == "bool" and not fits(word, "bool"):
            return
        yield word
        if option.takes not in LISTS:
            return


def _complete(option: Option, values: tuple[str, ...]) -> tuple[str, ...]:
    if option.takes == "flag" and values:
        raise CommandError(f"{option.name} stands alone, and has {values[0]!r:.80}")
    if not values and option.takes not in ("flag", "bool"):
        raise CommandError(f"{option.name} lacks its value: {needed(option.takes)}")
    return values


def _checked(option: Option, value: str, engine: Engine) -> str:
    """Return a value as it is written down. Raises CommandError."""
    name = option.name.removeprefix("--")
    if option.takes != "json" and (_PLACEHOLDER.fullmatch(value) or value == name.replace("-", "_").upper()):
        raise CommandError(f"{option.name} has the placeholder {value!r:.80}; write the value itself")
    if not fits(value, option.takes):
        raise CommandError(f"{option.name} takes {needed(option.takes)}, not {value!r:.80}")
    if not value and option.takes != "json":
        raise CommandError(f"{option.name} is empty")
    if name == "dtype" and value not in DTYPES:
        raise CommandError(f"--dtype {value!r:.80} is none{nearest(value, DTYPES)}; allowed: {', '.join(DTYPES)}")
    if name == "backend" and value not in _BACKENDS[engine]:
        raise CommandError(f"--backend {value!r:.80} is no way to ask {engine}; allowed: {', '.join(_BACKENDS[engine])}")
    return value.casefold() if option.takes == "bool" else value
