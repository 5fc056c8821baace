"""A command on its way to what is run: every setting of it is used, or left out with a reason."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from pytest_isobench.benchmarks.arguments import Setting
from pytest_isobench.benchmarks.commands import Command, LeftOut
from pytest_isobench.benchmarks.spellings import Version, has, needless, takes
from pytest_isobench.benchmarks.words import join

VALUED = frozenset({"--enable-chunked-prefill", "--multi-step-stream-outputs", "--disable-logprobs-during-spec-decoding"})
"""Switches that took `True` or `False` after them before all switches had a `--no-` form."""


class Draft:
    """Settings that wait to be used."""

    def __init__(self, command: Command, version: Version, model: str, known: Collection[str] | None = None) -> None:
        self.command, self.version, self.model, self.known = command, version, model, known
        self.left_out = list(command.left_out)
        self.applied: list[str] = []
        self._settings = {setting.name: setting for setting in (*command.server, *command.settings)}
        for setting in command.server:
            if self._settings[setting.name].values != setting.values:
                self._leave(setting, "the benchmark's own options say otherwise")

    def pop(self, name: str) -> str | None:
        """Take a setting out and return its value: empty for a switch, None when it is not set."""
        setting = self._settings.pop(name, None)
        return None if setting is None else " ".join(setting.values)

    def value(self, name: str) -> str | None:
        """Return a setting's value and leave it where it is."""
        return " ".join(self._settings[name].values) if name in self._settings else None

    def put(self, name: str, *values: str) -> None:
        """Set an option, in place of what it was."""
        self._settings[name] = Setting(name, values)

    def rename(self, before: str, after: str) -> None:
        """Spell a setting differently, where it stands."""
        self._settings = {
            after if name == before else name: Setting(after, setting.values) if name == before else setting
            for name, setting in self._settings.items()
        }

    def drop(self, reasons: Mapping[str, str]) -> None:
        """Leave options out, each with its reason."""
        for name in [name for name in self._settings if name in reasons]:
            self._leave(self._settings.pop(name), reasons[name])

    def leave(self, name: str, value: str | None, reason: str) -> None:
        """Note that a value which was taken out is not used; None is no value."""
        if value is not None:
            self._leave(Setting(name, (value,)), reason)

    def has(self, feature: str) -> bool:
        """Tell whether this version of the engine has what its table names."""
        return has(self.command.engine, self.version, feature)

    def takes(self, option: str) -> bool:
        """Tell whether the program of this version has an option of its own."""
        return takes(self.command.program, option, self.version, self.known)

    def say(self, words: str) -> None:
        """Note what is run besides, or otherwise than the command says."""
        self.applied.append(words)

    def own(self) -> list[str]:
        """Return the words for the program itself, and take them out."""
        words: list[str] = []
        for setting in list(self._settings.values()):
            if setting.name in self.command.known.own and setting.name not in self.command.known.inner:
                words += self._spelled(self._settings.pop(setting.name), own=True)
        return words

    def inner(self) -> list[str]:
        """Return the words for the engine, and take them out; what is left belongs to nobody."""
        words: list[str] = []
        for setting in list(self._settings.values()):
            if setting.name in self.command.known.inner:
                words += self._spelled(self._settings.pop(setting.name), own=False)
        for setting in self._settings.values():
            self._leave(setting, f"is no option of {self.command.program}")
        self._settings = {}
        return words

    def _spelled(self, setting: Setting, *, own: bool) -> Iterator[str]:
        if own and not self.takes(setting.name) and setting.name.startswith("--"):
            self._leave(setting, "this version of the program has no such option")
        elif not own and (reason := needless(self.command.engine, setting.name, self.version)):
            self._leave(setting, reason)
        elif setting.values in (("true",), ("false",)):
            yield from self._switched(setting)
        else:
            yield from setting.words

    def _switched(self, setting: Setting) -> Iterator[str]:
        """Yield a switch with its value, as this version spells it."""
        on, negative = setting.values == ("true",), self.command.engine == "vllm" and self.has("--no-")
        valued = setting.name in VALUED and (self.command.known.serves or self.has("engine's options"))
        if negative:
            yield setting.name if on else f"--no-{setting.name.removeprefix('--')}"
        elif self.command.engine == "vllm" and valued:
            yield from (setting.name, str(on))
        elif on:
            yield setting.name
        else:
            self._leave(setting, "is off unless it is set")

    def _leave(self, setting: Setting, reason: str) -> None:
        self.left_out.append(LeftOut(join(setting.words), reason))
