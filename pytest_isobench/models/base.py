"""What all records share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints


class Record(BaseModel):
    """A closed, immutable value that enters or leaves the program."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_max_length=64 * 2**20)


def printable(text: str) -> str:
    """Show control and other invisible characters as escapes such as `\\x1b`; line ends and tabs stay."""
    return "".join(char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in text)


def speakable(value: object) -> object:
    """Write what is no Unicode, such as the bytes of a file's name, as escapes."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


Shown = Annotated[str, BeforeValidator(speakable), AfterValidator(printable)]
"""Text for people that may come from the code under test: it can command no terminal and hide nothing."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=120)]
"""An identifier that may stand in a test id, a file name and a ``-k`` expression."""
